// The cluster as processes over ZeroMQ, the scheduler in this thread: either of this machine,
// ps_server and ps_worker started, watched and reaped here; or from anywhere, come by themselves.
#include <limits.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/status_macros.h"
#include "ps/wire/zeromq_transport.h"
#include "trainer/cluster/child_processes.h"
#include "trainer/cluster/cluster_run.h"
#include "trainer/cluster/node_process.h"
#include "trainer/cluster/observed_scheduler.h"

namespace ps {
namespace {

absl::StatusOr<std::string> ThisProgramsDirectory() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof(path));
  if (length <= 0) return absl::UnavailableError("cannot read /proc/self/exe");
  const std::string program(path, static_cast<std::size_t>(length));
  return program.substr(0, program.rfind('/'));
}

// Drives the scheduler and, beside it, looks after the children: one that dies is news long before
// its silence is, and another is started in its place.
class WatchedScheduler : public Machine {
 public:
  WatchedScheduler(SchedulerMachine& scheduler, const ClusterCallbacks& callbacks,
                   ChildProcesses& children, int most_restarts)
      : scheduler_(scheduler),
        observed_(scheduler, callbacks),
        children_(children),
        restarts_left_(most_restarts) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    scheduler_.OnMessage(from, std::move(message), now, outbox);
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    for (const ChildProcesses::Ended& ended : children_.Reap()) {
      LOG(WARNING) << ended.what;
      deaths_.push_back(ended.what);
      scheduler_.OnProcessEnded(static_cast<std::uint32_t>(ended.pid), ended.what);
      Replace(ended, now);
    }
    observed_.OnTick(now, outbox);
  }
  MonotonicTime tick_interval() const override { return scheduler_.tick_interval(); }
  bool work_pending() const override { return scheduler_.work_pending(); }
  bool finished() const override { return scheduler_.finished(); }

  const std::vector<std::string>& deaths() const { return deaths_; }

 private:
  void Replace(const ChildProcesses::Ended& ended, MonotonicTime now) {
    // Before training begins a process that ends is a mistake that would be made again.
    if (!scheduler_.slots().started() || !scheduler_.status().ok()) return;
    // So are several that end one upon the other.
    constexpr int kAtOnce = 12;
    constexpr MonotonicTime kWithin = std::chrono::seconds(2);
    restarted_at_.push_back(now);
    const auto recent = std::count_if(restarted_at_.begin(), restarted_at_.end(),
                                      [&](MonotonicTime at) { return now - at < kWithin; });
    if (recent > kAtOnce || restarts_left_-- <= 0) return;
    const absl::Status started = children_.Start(ended.argv);
    LOG_IF(ERROR, !started.ok()) << started;
  }

  SchedulerMachine& scheduler_;
  ObservedScheduler observed_;
  ChildProcesses& children_;
  int restarts_left_;
  std::vector<MonotonicTime> restarted_at_;
  std::vector<std::string> deaths_;
};

absl::Status StartNodes(const std::string& directory, ClusterShape shape,
                        const std::string& scheduler, const std::string& curve_key_file,
                        const LocalClusterOptions& options, ChildProcesses& children) {
  const std::string silence = absl::StrCat(
      "--silence_limit_s=",
      std::chrono::duration_cast<std::chrono::seconds>(options.node_silence_limit).count());
  const auto start = [&](const char* program, int count) -> absl::Status {
    for (int i = 0; i < count; ++i) {
      PS_RETURN_IF_ERROR(children.Start({absl::StrCat(directory, "/", program),
                                         absl::StrCat("--scheduler=", scheduler),
                                         absl::StrCat("--curve_key_file=", curve_key_file), silence}));
    }
    return absl::OkStatus();
  };
  PS_RETURN_IF_ERROR(start("ps_server", shape.servers));
  return start("ps_worker", shape.workers);
}

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
  // ZeroMQ has threads by now; a child calls nothing but execv after fork, so it does not miss
  // them.
  const std::string& curve_key_file = job.config.cluster.curve_key_file;
  PS_ASSIGN_OR_RETURN(CurveKeys keys, ReadCurveKeys(curve_key_file));
  PS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Transport> transport,
      OpenZeroMqTransport({.context = std::make_shared<ZeroMqContext>(std::move(keys))}));
  ChildProcesses children;
  PS_RETURN_IF_ERROR(
      StartNodes(directory, shape, transport->endpoint(), curve_key_file, options, children));
  SchedulerMachine scheduler(std::move(plan), callbacks.events);
  WatchedScheduler watched(scheduler, callbacks, children, options.most_restarts);
  PS_RETURN_IF_ERROR(RunMachine(watched, *transport, MonotonicTime::zero()));
  LogTraffic("scheduler", *transport, 0);
  children.Finish(scheduler.status().ok() ? 5.0 : 1.0);
  if (!scheduler.status().ok()) {
    std::string message(scheduler.status().message());
    for (const std::string& death : watched.deaths()) {
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
  plan.stop_requested = callbacks.stop_requested;
  PS_ASSIGN_OR_RETURN(CurveKeys keys, ReadCurveKeys(job.config.cluster.curve_key_file));
  PS_ASSIGN_OR_RETURN(
      const std::unique_ptr<Transport> transport,
      OpenZeroMqTransport({.bind = options.listen,
                           .context = std::make_shared<ZeroMqContext>(std::move(keys))}));
  LOG(INFO) << "waiting at " << transport->endpoint() << " for " << shape.servers << " shards and "
            << shape.workers << " workers";
  SchedulerMachine scheduler(std::move(plan), callbacks.events);
  ObservedScheduler observed(scheduler, callbacks);
  PS_RETURN_IF_ERROR(RunMachine(observed, *transport, MonotonicTime::zero()));
  LogTraffic("scheduler", *transport, 0);
  PS_RETURN_IF_ERROR(scheduler.status());
  return ClusterResult{scheduler.passes_done(), scheduler.interrupted()};
}

}  // namespace ps
