// Where the scheduler of a job keeps what must outlive it (cluster.state). Blocking; one thread.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/state_store/state_store.h"
#include "trainer/cluster/cluster_plan.h"

namespace ps {

// Opens the store and finds what an earlier scheduler of the job has left there; waits for that one
// to be gone. Does nothing for a job without. After AddCheckpoints. Unavailable: another scheduler
// has the job, or the store is away. InvalidArgument: kubernetes:// outside of a pod. DataLoss:
// what is stored is damaged.
absl::Status AddState(const ClusterJob& job, SchedulerMachine::Options* options);

// The store of a job of trees; `where` is a path, etcd://HOST:PORT,HOST:PORT/PREFIX, or
// kubernetes://NAME. Errors as of AddState.
absl::StatusOr<std::unique_ptr<StateStore>> OpenClusterState(const std::string& where);
inline constexpr char kTreesJobRecord[] = "trees.job";  // not empty: the store has a job of trees

}  // namespace ps
