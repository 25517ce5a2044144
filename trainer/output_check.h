// Whether a job can write where it is to write, tried before the work. Blocking; one thread.
#pragma once

#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/config/job_config.h"

namespace ps {

// Begins to write the bundle of output.dir as a job does. Errors as of BundleWriter::Create. Nothing is left, not even
// directories that were made for it.
absl::Status TryOutput(const OutputConfig& output);

// Writes an object to checkpoint.dir and removes it, and directories that were made for it, too: not where others may be
// about to use them. Does nothing for a job without checkpoints.
absl::Status TryCheckpointsLeavingNothing(const CheckpointConfig& checkpoint);

// The right to write to checkpoint.dir, for as long as it lives.
class CheckpointClaim {
 public:
  // Tries as above, but leaves the directory. Unavailable: another process has it, which only directories of this
  // machine's file systems know; where jobs have cluster.state that decides who goes on, and nothing is claimed.
  static absl::StatusOr<CheckpointClaim> Take(const JobConfig& job);
  CheckpointClaim(CheckpointClaim&& other) noexcept : lock_fd_(std::exchange(other.lock_fd_, -1)) {}
  CheckpointClaim& operator=(CheckpointClaim&&) = delete;
  ~CheckpointClaim();

 private:
  explicit CheckpointClaim(int lock_fd) : lock_fd_(lock_fd) {}
  int lock_fd_;  // -1: none
};

}  // namespace ps
