#include "tests/cluster/simulated_cluster.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "tests/cluster/made_source.h"
#include "tests/cluster/memory_state_store.h"
#include "tests/cluster/simulated_checkpoints.h"
#include "tests/cluster/simulated_options.h"

namespace ps {
namespace {

// Everything of one run that must outlive the network.
class Cluster {
 public:
  // `storage` outlives the job.
  Cluster(const SimulatedJob& job, const MadeData& data, MemoryStorage& storage,
          SimulatedResult* result);
  // Until its end, or until it is killed (null: it is not).
  absl::Status Run(MonotonicTime until, bool* killed);
  // Of workers that ended by themselves, while the job went on.
  std::vector<absl::Status> WorkerErrors() const {
    std::vector<absl::Status> errors;
    for (const auto& worker : workers_) {
      if (worker->finished() && !worker->status().ok() && !absl::IsAborted(worker->status()))
        errors.push_back(worker->status());
    }
    return errors;
  }
  std::uint64_t checkpoints() const { return scheduler_->Status(network_.now()).checkpoints; }
  MonotonicTime now() const { return network_.now(); }

 private:
  void AddShard(int index);
  void AddWorker(const Address& address);
  void PlanKills();
  void PlanShardKills();
  void PlanSchedulerKills(SimulatedResult* result);
  void Watch(SimulatedResult* result);
  void RestartShard(int index);
  void PlanScalings(SimulatedResult* result);
  void StartMissing(SimulatedResult* result);
  void StartEnded();
  // Somebody looks after the processes.
  bool HasOwner() const { return job_.scalings > 0 || job_.replaces_ended; }

  const SimulatedJob& job_;
  const MadeData& data_;
  MemoryStorage& storage_;
  std::mt19937_64 random_;
  const std::shared_ptr<MemoryStateStore> store_;
  std::unique_ptr<SchedulerMachine> scheduler_;
  std::vector<std::unique_ptr<SchedulerMachine>> dead_schedulers_;
  std::vector<std::unique_ptr<ShardMachine>> shards_;  // the dead too
  std::map<Address, ShardMachine*> living_;
  std::vector<std::unique_ptr<WorkerMachine>> workers_;  // the dead too
  std::map<Address, WorkerMachine*> living_workers_;
  std::map<Address, std::uint32_t> pids_;
  std::mt19937_64 scaling_random_;
  std::uint32_t processes_ = 0;  // that there ever were
  int shards_ever_ = 0, workers_ever_ = 0;
  std::uint32_t shards_coming_ = 0, workers_coming_ = 0;
  std::map<Address, std::uint64_t> computed_;
  SimulatedNetwork network_;
};

Cluster::Cluster(const SimulatedJob& job, const MadeData& data, MemoryStorage& storage,
                 SimulatedResult* result)
    : job_(job),
      data_(data),
      storage_(storage),
      random_(job.seed * 7919 + 1),
      store_(job.scheduler_kills > 0 ? std::make_shared<MemoryStateStore>() : nullptr),
      scheduler_(std::make_unique<SchedulerMachine>(
          SchedulerOptions(job, data, storage, store_, result), result)),
      scaling_random_(job.seed * 104729 + 3),
      shards_ever_(job.shards),
      workers_ever_(job.workers),
      network_(job.seed, job.faults) {
  result->Begin(job, data);
  network_.AddNode("scheduler", scheduler_.get());
  for (int i = 0; i < job.shards - job.missing_shards; ++i) AddShard(i);
  for (int i = 0; i < job.workers; ++i) AddWorker(absl::StrCat("worker", i));
  PlanKills();
  PlanShardKills();
  PlanScalings(result);
  PlanSchedulerKills(result);
  Watch(result);
  if (job.faults_end > MonotonicTime::zero()) {
    network_.At(job.faults_end, [this] { network_.SetFaults({}); });
  }
  if (job.look_at > MonotonicTime::zero()) {
    network_.At(job.look_at, [this, result] { result->computed = computed_; });
  }
  if (job.kill_shard_at > MonotonicTime::zero()) {
    network_.At(job.kill_shard_at,
                [this] { network_.RemoveNode(absl::StrCat("shard", job_.shards - 1)); });
  }
}

void Cluster::AddShard(int index) {
  ShardMachine::Options options;
  options.scheduler = "scheduler";
  options.endpoint = absl::StrCat("shard", index);
  options.incarnation = random_() | 1;
  options.scheduler_timeout = std::chrono::seconds(60);
  if (HasOwner()) options.pid = pids_[options.endpoint] = ++processes_;
  if (job_.tiny_key_cache) options.key_cache_bytes = 1200;
  options.open_checkpoints = [this, seed = options.incarnation](
                                 const wire::Plan&) -> absl::StatusOr<CheckpointIo> {
    return CheckpointIo{std::make_unique<SimulatedCheckpointWriter>(storage_, seed),
                        std::make_unique<SimulatedCheckpointLoader>(storage_, seed + 1)};
  };
  shards_.push_back(std::make_unique<ShardMachine>(options));
  network_.AddNode(options.endpoint, shards_.back().get());
  living_[options.endpoint] = shards_.back().get();
}

void Cluster::RestartShard(int index) {
  if (scheduler_->finished()) return;
  network_.RemoveNode(absl::StrCat("shard", index));
  AddShard(index);
}

void Cluster::PlanShardKills() {
  const auto within = static_cast<std::uint64_t>(job_.kills_within.count());
  const auto kill = [this](MonotonicTime at, int shard, bool back) {
    network_.At(at, [this, shard, back] {
      if (!back && !scheduler_->slots().started()) return;  // the job would wait for it in vain
      network_.RemoveNode(absl::StrCat("shard", shard));
      living_.erase(absl::StrCat("shard", shard));
    });
    const MonotonicTime pause(random_() % (random_() % 2 == 0 ? 3000000 : 20000));
    if (back) network_.At(at + pause, [this, shard] { RestartShard(shard); });
  };
  for (int i = 0; i < job_.shard_kills; ++i) {
    const MonotonicTime at(random_() % within);
    kill(at, static_cast<int>(random_() % job_.shards), i >= job_.gone);
  }
  for (int i = 0; i < job_.total_losses; ++i) {
    const MonotonicTime at(random_() % within);
    for (int shard = 0; shard < job_.shards; ++shard) kill(at, shard, true);
  }
  for (int i = 0; i < job_.drains; ++i) {
    const Address who = absl::StrCat("shard", random_() % job_.shards);
    network_.At(MonotonicTime(random_() % within), [this, who] {
      if (!scheduler_->slots().started()) return;  // the job would wait for it in vain
      if (const auto at = living_.find(who); at != living_.end()) at->second->Leave();
    });
  }
}

void Cluster::PlanSchedulerKills(SimulatedResult* result) {
  const auto within = static_cast<std::uint64_t>(job_.kills_within.count());
  std::mt19937_64 random(job_.seed * 15485863 + 11);
  for (int i = 0; i < job_.scheduler_kills; ++i) {
    const MonotonicTime at(random() % (2 * within));
    const MonotonicTime pause(random() % (random() % 2 == 0 ? 3000000 : 20000));
    network_.At(at, [this] {
      if (!scheduler_->finished()) network_.RemoveNode("scheduler");
    });
    network_.At(at + pause, [this, result] {
      if (scheduler_->finished()) return;
      network_.RemoveNode("scheduler");
      store_->NextLeader();
      dead_schedulers_.push_back(std::move(scheduler_));
      result->ForgetAll();
      scheduler_ = std::make_unique<SchedulerMachine>(
          SchedulerOptions(job_, data_, storage_, store_, result), result);
      result->schedulers += scheduler_->slots().started();
      network_.AddNode("scheduler", scheduler_.get());
    });
  }
}

// Commands of a person, at random times; most make sense.
void Cluster::PlanScalings(SimulatedResult* result) {
  const auto within = static_cast<std::uint64_t>(job_.kills_within.count());
  for (int i = 0; i < job_.scalings; ++i) {
    const MonotonicTime at(scaling_random_() % (within + within / 2));
    network_.At(at, [this, result] {
      ClusterCommand command;
      if (scaling_random_() % 3 == 0) {
        command.kind = ClusterCommand::Kind::kDrain;
        command.node = 1 + scaling_random_() % (processes_ + 1);
      } else {
        command.kind = ClusterCommand::Kind::kScale;
        command.servers = scaling_random_() % 6;
        if (scaling_random_() % 2 == 0) command.workers = scaling_random_() % 5;
      }
      scheduler_->OnCommand(command, network_.now(), [result](const auto& answer) {
        result->scaled += answer.ok();
      });
    });
  }
}

// As whoever runs the processes does: there are to be as many as the scheduler wants.
void Cluster::StartMissing(SimulatedResult* result) {
  if (!HasOwner() || !scheduler_->running()) return;
  const std::set<std::uint32_t> leaving = scheduler_->LeavingPids();
  const auto staying = [&](const auto& living) {
    std::uint32_t count = 0;
    for (const auto& [address, machine] : living) {
      count += !machine->finished() && !leaving.contains(pids_[address]);
    }
    return count;
  };
  const auto pause = [&] { return network_.now() + MonotonicTime(scaling_random_() % 500000); };
  while (staying(living_) + shards_coming_ < scheduler_->wanted().servers) {
    ++shards_coming_;
    network_.At(pause(), [this, result] {
      --shards_coming_;
      if (scheduler_->finished()) return;
      AddShard(shards_ever_++);
      ++result->joined;
    });
  }
  while (staying(living_workers_) + workers_coming_ < scheduler_->wanted().workers) {
    ++workers_coming_;
    network_.At(pause(), [this, result] {
      --workers_coming_;
      if (scheduler_->finished()) return;
      AddWorker(absl::StrCat("worker", workers_ever_++));
      ++result->joined;
    });
  }
}

// Nodes that had been told to stop by a scheduler that did not live to see it.
void Cluster::StartEnded() {
  const auto ended = [](const auto& living) {
    std::vector<Address> addresses;
    for (const auto& [address, machine] : living) {
      if (machine->finished()) addresses.push_back(address);
    }
    return addresses;
  };
  for (const Address& address : ended(living_)) {
    network_.RemoveNode(address);
    AddShard(std::stoi(address.substr(5)));
  }
  for (const Address& address : ended(living_workers_)) {
    network_.RemoveNode(address);
    AddWorker(address);
  }
}

// One primary a slot and term, looked at again and again.
void Cluster::Watch(SimulatedResult* result) {
  std::map<std::pair<SlotIndex, std::uint32_t>, int> primaries;
  for (const auto& [address, machine] : living_) {
    if (machine->shard() == nullptr) continue;
    const Replicator& replicator = machine->shard()->replicator();
    for (SlotIndex slot = 0; slot < machine->shard()->table().slots(); ++slot) {
      if (!replicator.IsPrimary(slot)) continue;
      if (++primaries[{slot, replicator.term(slot)}] > 1) result->broken = "two primaries";
    }
  }
  result->epoch = scheduler_->slots().epoch();
  StartMissing(result);
  if (scheduler_->finished()) return;
  if (job_.scheduler_kills > 0) StartEnded();
  network_.At(network_.now() + std::chrono::milliseconds(97), [this, result] { Watch(result); });
}

void Cluster::AddWorker(const Address& address) {
  WorkerMachine::Options options;
  options.scheduler = "scheduler";
  options.host = address;
  options.incarnation = random_() | 1;
  options.scheduler_timeout = std::chrono::seconds(60);
  if (HasOwner()) options.pid = pids_[address] = ++processes_;
  const bool slow = std::stoi(address.substr(6)) < job_.slow_workers;
  if (slow) network_.SlowDown(address, 20);
  if (job_.clocks) {
    // Work takes no time within a call; what it takes between calls is about this much.
    options.clock = [time = MonotonicTime(0), step = MonotonicTime(slow ? 4000 : 200), odd = false]() mutable {
      odd = !odd;
      return odd ? time : time += step;
    };
  }
  std::unique_ptr<GradientModel> model = std::make_unique<LogisticModel>();
  if (job_.count) model = std::make_unique<CountingModel>(&computed_[address]);
  workers_.push_back(std::make_unique<WorkerMachine>(
      options,
      [this](const wire::Plan&) -> absl::StatusOr<std::unique_ptr<ChunkSource>> {
        return std::make_unique<MadeSource>(data_, job_.unreadable_chunk);
      },
      std::move(model)));
  network_.AddNode(address, workers_.back().get());
  living_workers_[address] = workers_.back().get();
}

void Cluster::PlanKills() {
  for (int i = 0; i < job_.kills; ++i) {
    const Address victim = absl::StrCat("worker", random_() % job_.workers);
    const MonotonicTime death(random_() % 400000);
    const MonotonicTime pause(random_() % (i % 2 == 0 ? 3000000 : 20000));
    network_.At(death, [this, victim] {
      network_.RemoveNode(victim);
      living_workers_.erase(victim);
    });
    network_.At(death + pause, [this, victim] {
      network_.RemoveNode(victim);
      if (!scheduler_->finished()) AddWorker(victim);
    });
  }
}

absl::Status Cluster::Run(MonotonicTime until, bool* killed) {
  if (killed != nullptr) network_.At(until, [killed] { *killed = true; });
  // Nodes that are left when the scheduler has finished would wait for it in vain for their whole timeout.
  // A job in steps of which every other one waits for a late message may take most of an hour.
  const bool done = network_.RunUntil(
      [&] { return scheduler_->finished() || (killed != nullptr && *killed); }, job_.most_time);
  if (killed != nullptr && *killed && !scheduler_->finished()) return absl::OkStatus();
  if (killed != nullptr) *killed = false;
  if (!done) return absl::DeadlineExceededError(network_.Describe());
  return scheduler_->status();
}

}  // namespace

void RunSimulatedJob(const SimulatedJob& job, const MadeData& data, SimulatedResult* watcher) {
  SimulatedResult& result = *watcher;
  MemoryStorage storage;
  std::mt19937_64 random(job.seed * 65537 + 5);
  SimulatedJob now = job;
  for (int restart = 0;; ++restart) {
    bool killed = false;
    const MonotonicTime until(random() % (2 * job.kills_within.count()));
    Cluster cluster(now, data, storage, watcher);
    result.status = cluster.Run(until, restart < job.restarts ? &killed : nullptr);
    result.checkpoints += cluster.checkpoints();
    result.ended = cluster.now();
    result.worker_errors = cluster.WorkerErrors();
    if (!killed) return;
    now.seed = random();
    now.shards = 1 + static_cast<int>(random() % 4);
    now.workers = 1 + static_cast<int>(random() % 3);
    now.gone = now.drains = 0;
    now.faults.partitions.clear();  // of nodes that there may not be
    result.keys.clear();
    result.weights.clear();
    result.ForgetAll();
    if (!ListCheckpoints(storage).value().empty()) continue;
    result.passes.clear();
    result.changes.clear();
    result.changed_at.clear();
  }
}

}  // namespace ps
