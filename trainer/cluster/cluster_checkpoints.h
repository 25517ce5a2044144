// A cluster's checkpoints as the job declares them: where they are, which one it goes on from, and
// what its servers read and write them with. Blocking; any thread.
#pragma once

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/server/shard_machine.h"
#include "trainer/cluster/cluster_plan.h"

namespace ps {

// Opens the storage, and finds the checkpoint to go on from. Does nothing for a job without
// checkpoints. DataLoss or NotFound: the newest checkpoint is damaged; InvalidArgument: it is of
// another job, or the storage cannot be used.
absl::Status AddCheckpoints(const ClusterJob& job, SchedulerMachine::Options* options);

// Instead of the newest checkpoint, this one; 0: none.
absl::Status ResumeFrom(const ClusterJob& job, std::uint64_t checkpoint,
                        SchedulerMachine::Options* options);

// ShardMachine::Options::open_checkpoints of real servers.
absl::StatusOr<CheckpointIo> OpenCheckpointIo(const wire::Plan& plan);

// The job is over, and its model is written.
absl::Status RemoveCheckpoints(const CheckpointConfig& config);

}  // namespace ps
