// The cluster as processes over ZeroMQ, the scheduler in this thread: either of this machine,
// ps_server and ps_worker started, watched and reaped here; or from anywhere, come by themselves.
#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "kernels/cuda/device.h"
#include "ps/base/status_macros.h"
#include "ps/wire/zeromq_transport.h"
#include "trainer/cluster/cluster_checkpoints.h"
#include "trainer/cluster/cluster_run.h"
#include "trainer/cluster/cluster_state.h"
#include "trainer/cluster/local_nodes.h"
#include "trainer/cluster/node_process.h"
#include "trainer/cluster/observed_scheduler.h"
#include "trainer/cluster/pod_scaler.h"

namespace ps {
namespace {

// Drives the scheduler and, beside it, looks after the children: one that dies is news long before
// its silence is.
class WatchedScheduler : public Machine, public NodeOwner {
 public:
  WatchedScheduler(SchedulerMachine& scheduler, const ClusterCallbacks& callbacks,
                   LocalNodes& nodes)
      : scheduler_(scheduler), observed_(scheduler, callbacks), nodes_(nodes) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    scheduler_.OnMessage(from, std::move(message), now, outbox);
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    nodes_.Keep(*this, now);
    observed_.OnTick(now, outbox);
  }
  MonotonicTime tick_interval() const override { return scheduler_.tick_interval(); }
  bool work_pending() const override { return scheduler_.work_pending(); }
  bool finished() const override { return scheduler_.finished(); }

  SchedulerMachine::Wanted wanted() const override { return scheduler_.wanted(); }
  bool running() const override { return scheduler_.running(); }
  std::set<std::uint32_t> LeavingPids() const override { return scheduler_.LeavingPids(); }
  void OnProcessEnded(std::uint32_t pid, const std::string& what) override {
    scheduler_.OnProcessEnded(pid, what);
  }

 private:
  SchedulerMachine& scheduler_;
  ObservedScheduler observed_;
  LocalNodes& nodes_;
};

}  // namespace

absl::StatusOr<ClusterResult> RunLocalCluster(const ClusterJob& job, ClusterShape shape,
                                              const ClusterCallbacks& callbacks,
                                              const LocalClusterOptions& options) {
  std::string directory = options.program_dir;
  if (directory.empty()) {
    PS_ASSIGN_OR_RETURN(directory, ThisProgramsDirectory());
  }
  PS_ASSIGN_OR_RETURN(SchedulerMachine::Options plan, PlanCluster(job));
  plan.shards = static_cast<std::uint32_t>(shape.servers);
  plan.workers = static_cast<std::uint32_t>(shape.workers);
  if (options.dead_after > MonotonicTime::zero()) plan.dead_after = options.dead_after;
  // Others are started at once, or nobody will.
  plan.no_workers_limit = plan.no_servers_limit =
      std::chrono::seconds(options.most_restarts > 0 ? 10 : 1);
  plan.stop_requested = callbacks.stop_requested;
  plan.scaling_refusal.clear();
  PS_RETURN_IF_ERROR(AddCheckpoints(job, &plan));
  // ZeroMQ has threads by now; a child calls nothing but execv after fork, so it does not miss
  // them.
  const std::string& curve_key_file = job.config.cluster.curve_key_file;
  PS_ASSIGN_OR_RETURN(CurveKeys keys, ReadCurveKeys(curve_key_file));
  PS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Transport> transport,
      OpenZeroMqTransport({.context = std::make_shared<ZeroMqContext>(std::move(keys))}));
  const auto silence = std::chrono::duration_cast<std::chrono::seconds>(options.node_silence_limit);
  LocalNodes nodes({.directory = directory,
                    .arguments = {absl::StrCat("--scheduler=", transport->endpoint()),
                                  absl::StrCat("--curve_key_file=", curve_key_file),
                                  absl::StrCat("--silence_limit_s=", silence.count())},
                    .gpus = job.config.device == "cuda" ? UsableDevices() : std::vector<int>{},
                    .most_restarts = options.most_restarts});
  if (callbacks.on_plan) PS_RETURN_IF_ERROR(callbacks.on_plan(plan));
  SchedulerMachine scheduler(std::move(plan), callbacks.events);
  PS_RETURN_IF_ERROR(nodes.Start(scheduler.wanted()));
  WatchedScheduler watched(scheduler, callbacks, nodes);
  PS_RETURN_IF_ERROR(RunMachine(watched, *transport, MonotonicTime::zero()));
  LogTraffic("scheduler", *transport, 0);
  nodes.Finish(scheduler.status().ok() ? 5.0 : 1.0);
  if (!scheduler.status().ok()) {
    std::string message(scheduler.status().message());
    for (const std::string& death : nodes.deaths()) {
      if (message != death) absl::StrAppend(&message, "; ", death);
    }
    return absl::Status(scheduler.status().code(), message);
  }
  return ClusterResult{scheduler.passes_done(), scheduler.interrupted()};
}

absl::StatusOr<ClusterResult> RunJoinedCluster(const ClusterJob& job, ClusterShape shape,
                                               const ClusterCallbacks& callbacks,
                                               const JoinedClusterOptions& options) {
  PS_ASSIGN_OR_RETURN(SchedulerMachine::Options plan, PlanCluster(job));
  plan.shards = static_cast<std::uint32_t>(shape.servers);
  plan.workers = static_cast<std::uint32_t>(shape.workers);
  plan.gather_limit = options.gather_limit;
  plan.scaling_refusal =
      "the nodes of this job come by themselves: start more of them, with --scheduler, or drain "
      "those that are to go (in Kubernetes: kubectl scale deployment, or give --deployments)";
  plan.stop_requested = callbacks.stop_requested;
  plan.hand_over = callbacks.hand_over;
  ClusterCallbacks observers = callbacks;
  std::optional<PodScaler> scaler;
  if (!options.deployments.empty()) {
    PS_ASSIGN_OR_RETURN(KubernetesAccess access, AccessFromPod());
    scaler.emplace(PodScaler::Options{.access = std::move(access), .job = options.deployments});
    plan.scaling_refusal.clear();
    plan.ended_from_outside = true;
    observers.on_tick = [&](SchedulerMachine& scheduler, MonotonicTime now) {
      scaler->Keep(scheduler, now);
      if (callbacks.on_tick) callbacks.on_tick(scheduler, now);
    };
  }
  PS_RETURN_IF_ERROR(AddCheckpoints(job, &plan));
  PS_RETURN_IF_ERROR(AddState(job, &plan));
  PS_ASSIGN_OR_RETURN(CurveKeys keys, ReadCurveKeys(job.config.cluster.curve_key_file));
  PS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Transport> transport,
      OpenZeroMqTransport({.bind = options.listen,
                           .context = std::make_shared<ZeroMqContext>(std::move(keys))}));
  LOG(INFO) << "waiting at " << transport->endpoint() << " for " << shape.servers << " servers and "
            << shape.workers << " workers";
  if (callbacks.on_plan) PS_RETURN_IF_ERROR(callbacks.on_plan(plan));
  SchedulerMachine scheduler(std::move(plan), callbacks.events);
  ObservedScheduler observed(scheduler, observers);
  PS_RETURN_IF_ERROR(RunMachine(observed, *transport, MonotonicTime::zero()));
  LogTraffic("scheduler", *transport, 0);
  PS_RETURN_IF_ERROR(scheduler.status());
  if (scaler.has_value() && !scheduler.interrupted()) scaler->Finish();
  return ClusterResult{scheduler.passes_done(), scheduler.interrupted()};
}

}  // namespace ps
