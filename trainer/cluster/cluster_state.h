// Where the scheduler of a job keeps what must outlive it (cluster.state). Blocking; one thread.
#pragma once

#include "absl/status/status.h"
#include "trainer/cluster/cluster_plan.h"

namespace ps {

// Opens the store and finds what an earlier scheduler of the job has left there; waits for that one
// to be gone. Does nothing for a job without. After AddCheckpoints. Unavailable: another scheduler
// has the job, or the store is away. InvalidArgument: kubernetes:// outside of a pod. DataLoss:
// what is stored is damaged.
absl::Status AddState(const ClusterJob& job, SchedulerMachine::Options* options);

}  // namespace ps
