// The cluster as threads: one for each shard and worker, over the in-process transport.
#include <atomic>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"
#include "ps/server/shard_machine.h"
#include "ps/wire/in_process_transport.h"
#include "trainer/cluster/cluster_checkpoints.h"
#include "trainer/cluster/cluster_run.h"
#include "trainer/cluster/node_process.h"
#include "trainer/cluster/observed_scheduler.h"
#include "worker/logistic_model.h"

namespace ps {
namespace {

constexpr char kScheduler[] = "inproc://scheduler";
// Threads end with their scheduler's; its events (an evaluation) may keep it silent for long.
constexpr MonotonicTime kSilenceLimit = std::chrono::hours(24);

// A node that also ends when its scheduler has: one that had not come by then is never told to
// stop.
class UntilOver : public Machine {
 public:
  UntilOver(std::unique_ptr<Machine> machine, const std::atomic<bool>& over)
      : machine_(std::move(machine)), over_(over) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    machine_->OnMessage(from, std::move(message), now, outbox);
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override { machine_->OnTick(now, outbox); }
  MonotonicTime tick_interval() const override { return machine_->tick_interval(); }
  bool work_pending() const override { return machine_->work_pending(); }
  bool finished() const override { return machine_->finished() || over_.load(); }

 private:
  const std::unique_ptr<Machine> machine_;
  const std::atomic<bool>& over_;
};

struct Node {
  std::unique_ptr<Machine> machine;
  std::unique_ptr<Transport> transport;
};

absl::StatusOr<std::vector<Node>> MakeNodes(InProcessHub& hub, ClusterShape shape,
                                            const std::atomic<bool>& over) {
  std::vector<Node> nodes;
  for (int i = 0; i < shape.servers; ++i) {
    PS_ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport, hub.Open(absl::StrCat("shard", i)));
    ShardMachine::Options options;
    options.scheduler = kScheduler;
    options.endpoint = transport->endpoint();
    options.host = "thread";
    options.scheduler_timeout = kSilenceLimit;
    options.incarnation = NewIncarnation();
    options.open_checkpoints = OpenCheckpointIo;
    nodes.push_back(
        {std::make_unique<UntilOver>(std::make_unique<ShardMachine>(std::move(options)), over),
         std::move(transport)});
  }
  for (int i = 0; i < shape.workers; ++i) {
    PS_ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport, hub.Open(absl::StrCat("worker", i)));
    WorkerMachine::Options options;
    options.scheduler = kScheduler;
    options.host = "thread";
    options.scheduler_timeout = kSilenceLimit;
    options.incarnation = NewIncarnation();
    options.ends_with_gpu = false;
    auto machine = std::make_unique<WorkerMachine>(std::move(options), OpenPlannedData,
                                                   std::make_unique<LogisticModel>());
    nodes.push_back({std::make_unique<UntilOver>(std::move(machine), over), std::move(transport)});
  }
  return nodes;
}

}  // namespace

absl::StatusOr<ClusterResult> RunEmbeddedCluster(const ClusterJob& job, ClusterShape shape,
                                                 const ClusterCallbacks& callbacks) {
  PS_ASSIGN_OR_RETURN(SchedulerMachine::Options options, PlanCluster(job));
  options.shards = static_cast<std::uint32_t>(shape.servers);
  options.workers = static_cast<std::uint32_t>(shape.workers);
  options.stop_requested = callbacks.stop_requested;
  PS_RETURN_IF_ERROR(AddCheckpoints(job, &options));
  options.scaling_refusal = "the nodes of this job are threads of one process: their number is fixed";
  InProcessHub hub;
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Transport> transport, hub.Open("scheduler"));
  std::atomic<bool> over = false;
  PS_ASSIGN_OR_RETURN(std::vector<Node> nodes, MakeNodes(hub, shape, over));
  if (callbacks.on_plan) PS_RETURN_IF_ERROR(callbacks.on_plan(options));
  SchedulerMachine scheduler(std::move(options), callbacks.events);
  std::vector<std::thread> threads;
  for (Node& node : nodes) {
    // Without an idle limit RunMachine ends with its machine, which keeps its own status.
    threads.emplace_back([&node] {
      const absl::Status run = RunMachine(*node.machine, *node.transport, MonotonicTime::zero());
      (void)run.ok();
    });
  }
  ObservedScheduler observed(scheduler, callbacks);
  absl::Status status = RunMachine(observed, *transport, MonotonicTime::zero());
  over = true;  // a thread that is at work ends after this piece of it
  for (std::thread& thread : threads) thread.join();
  PS_RETURN_IF_ERROR(std::move(status));
  PS_RETURN_IF_ERROR(scheduler.status());
  return ClusterResult{scheduler.passes_done(), scheduler.interrupted()};
}

}  // namespace ps
