#include "tests/cluster/simulated_options.h"

#include <vector>

namespace ps {

SchedulerMachine::Options SchedulerOptions(const SimulatedJob& job, const MadeData& data,
                                           MemoryStorage& storage,
                                           const std::shared_ptr<MemoryStateStore>& store,
                                           const SimulatedResult* result) {
  SchedulerMachine::Options options;
  if (job.stop_at_rollback) options.stop_requested = [result] { return result->rollbacks > 0; };
  wire::Plan& plan = options.plan;
  plan.set_slot_bits(job.slot_bits);
  plan.set_optimizer(static_cast<std::uint32_t>(job.count ? Optimizer::kSgd : Optimizer::kFtrl));
  plan.set_alpha(job.count ? -1.0f : 0.1f);
  plan.set_beta(1);
  plan.set_l1(job.count ? 0.0f : 0.05f);
  AddLanes(job.lanes > 1 ? CountingLanes(job.lanes) : job.settings, &plan);
  plan.set_min_count(job.min_count);
  plan.set_batch_rows(job.batch_rows);
  plan.set_staleness(job.staleness);
  plan.set_chunks_per_round(job.chunks_per_round);
  plan.set_bias(true);
  plan.set_ack_primary(job.ack_primary);
  plan.set_device(job.device);
  options.shards = job.shards;
  options.workers = job.workers;
  options.passes = job.passes;
  options.export_every_pass = job.export_every_pass;
  options.lease_limit = job.lease_limit;
  options.gather_limit = std::chrono::seconds(300);
  options.stall_limit = job.stall_limit;
  options.dead_after = job.dead_after;
  options.heartbeat = job.heartbeat;
  options.silent_beats = job.silent_beats;
  options.replicas = job.replicas;
  options.no_servers_limit = std::chrono::seconds(300);
  options.no_workers_limit = std::chrono::seconds(300);
  if (job.scalings > 0) options.scaling_refusal.clear();
  for (std::uint64_t c = 0; c < data.chunks.size(); ++c) options.chunks.push_back({0, c, c + 1});
  if (job.checkpoint_every > MonotonicTime::zero()) {
    plan.set_checkpoint_path("memory");
    options.checkpoints = std::make_shared<SimulatedCheckpointCatalog>(storage, job.seed * 31 + 7);
    options.checkpointing.every = job.checkpoint_every;
    options.checkpointing.full_every = 3;
    options.checkpointing.ask_again = std::chrono::milliseconds(100);
    const std::vector<std::uint64_t> ids = ListCheckpoints(storage).value();
    if (!ids.empty()) options.resume = ReadManifest(storage, ids.back()).value();
  }
  if (store == nullptr) return options;
  options.store = store;
  options.stored = store->Load().value();
  if (const absl::StatusOr<std::uint64_t> id = StoredCheckpoint(options.stored); id.value() != 0) {
    options.resume = ReadManifest(storage, *id).value();
  } else if (HasStoredNodes(options.stored)) {
    options.resume.reset();
  }
  return options;
}

}  // namespace ps
