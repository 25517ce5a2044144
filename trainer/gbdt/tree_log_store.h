// Where a TreeLog keeps its records: in the state of a cluster's scheduler (cluster.state), or in a
// job's checkpoint directory or bucket (checkpoint.dir). Blocking; one thread.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/config/job_config.h"

namespace ps {

class TreeLogStore {
 public:
  virtual ~TreeLogStore() = default;

  // By name; none is empty.
  virtual absl::StatusOr<std::map<std::string, std::string>> Load() = 0;
  // Durable on return. FailedPrecondition: another scheduler has the job.
  virtual absl::Status Put(const std::string& name, const std::string& bytes) = 0;
  virtual absl::Status Clear() = 0;  // no record is left

  // For messages: where a record is.
  virtual std::string Describe(const std::string& name) const = 0;
  // What a person can do to begin anew.
  virtual std::string HowToBeginAnew() const = 0;
  // At least so long between two pieces, and at most.
  virtual std::chrono::milliseconds least_pause() const = 0;
  virtual std::chrono::milliseconds longest_pause() const = 0;
  // Whether nodes that outlive the process may come back to it; then with the term of its
  // leadership.
  virtual bool has_nodes() const { return false; }
  virtual std::uint64_t leadership_term() const { return 0; }
};

// cluster.state. Unavailable: another scheduler has the job, or the store is away; InvalidArgument:
// it has a job of another kind.
absl::StatusOr<std::unique_ptr<TreeLogStore>> OpenStateLogStore(const std::string& where);
// checkpoint.dir.
absl::StatusOr<std::unique_ptr<TreeLogStore>> OpenCheckpointLogStore(
    const CheckpointConfig& config);

}  // namespace ps
