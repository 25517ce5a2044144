// Where the scheduler of a job keeps what must outlive it (cluster.state). Blocking; one thread.
#pragma once

#include "absl/status/status.h"
#include "trainer/cluster/cluster_plan.h"

namespace ps {

// Opens the store and finds what an earlier scheduler of the job has left there; waits for that one
// to be gone. Does nothing for a job without. After AddCheckpoints. FailedPrecondition: another
// scheduler has the job. Unavailable: the store is away. DataLoss: it is damaged.
absl::Status AddState(const ClusterJob& job, SchedulerMachine::Options* options);

}  // namespace ps
