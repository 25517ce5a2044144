// Whether a job can write where it is to write, tried before the work. Blocking; one thread.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "ps/base/file_lock.h"
#include "trainer/exit_code.h"
#include "trainer/prepared_job.h"

namespace ps {

// Of a directory that cannot be written to: what the job asks for, another job at work there, or the disk.
ExitCode OutputExitCode(const absl::Status& status);

// InvalidArgument: the job's file or one of its data files lies in output.dir, which is replaced as a whole in the end.
absl::Status CheckInputsStay(const std::string& job_file, const PreparedJob& job);

// Begins to write the bundle of output.dir as a job does. Errors as of BundleWriter::Create. Nothing is left, not even
// directories that were made for it.
absl::Status TryOutput(const OutputConfig& output);

// Writes an object to checkpoint.dir and removes it, and directories that were made for it, too: not where others may be
// about to use them. Does nothing for a job without checkpoints.
absl::Status TryCheckpointsLeavingNothing(const CheckpointConfig& checkpoint);

// The right to write to checkpoint.dir, for as long as it lives.
class CheckpointClaim {
 public:
  // Tries as above, but leaves the directory. Unavailable: another process has had it for some seconds (one that was
  // killed takes some to be gone). Nothing is claimed of a bucket, or with cluster.state: then a scheduler may have to go
  // on while the one before it still hangs.
  static absl::StatusOr<CheckpointClaim> Take(const JobConfig& job);
  CheckpointClaim(CheckpointClaim&& other) noexcept : lock_(std::exchange(other.lock_, std::nullopt)) {}
  CheckpointClaim& operator=(CheckpointClaim&&) = delete;
  ~CheckpointClaim();

 private:
  explicit CheckpointClaim(std::optional<FileLock> lock) : lock_(std::move(lock)) {}
  std::optional<FileLock> lock_;
};

// Says what Take would, now and leaving nothing.
absl::Status TryClaim(const JobConfig& job);

}  // namespace ps
