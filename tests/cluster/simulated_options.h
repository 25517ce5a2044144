// What the scheduler of a simulated job is told. One thread.
#pragma once

#include <memory>

#include "scheduler/scheduler_machine.h"
#include "tests/cluster/memory_state_store.h"
#include "tests/cluster/simulated_checkpoints.h"
#include "tests/cluster/simulated_cluster.h"

namespace ps {

// `storage` and `result` outlive the scheduler; without a store nothing outlives it.
SchedulerMachine::Options SchedulerOptions(const SimulatedJob& job, const MadeData& data,
                                           MemoryStorage& storage,
                                           const std::shared_ptr<MemoryStateStore>& store,
                                           const SimulatedResult* result);

}  // namespace ps
