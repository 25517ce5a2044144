#include "trainer/cluster/node_process.h"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <functional>
#include <memory>
#include <random>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "models/features/extractor.h"
#include "ps/base/status_macros.h"
#include "ps/base/cgroup.h"
#include "ps/server/shard_machine.h"
#include "ps/state_store/kubernetes_client.h"
#include "ps/trees/column_worker.h"
#include "ps/trees/tree_server.h"
#include "ps/trees/tree_worker.h"
#include "ps/wire/protocol.h"
#include "ps/wire/zeromq_transport.h"
#include "trainer/cluster/cluster_checkpoints.h"
#include "trainer/exit_code.h"
#include "trainer/gbdt/part_loader.h"
#include "trainer/planned_split.h"
#include "worker/logistic_model.h"

namespace ps {
namespace {

// Paths are taken as they are, although DataFiles matches patterns.
std::string QuotePattern(const std::string& path) {
  std::string quoted;
  for (char c : path) {
    if (std::string_view("*?[]{}~\\").find(c) != std::string_view::npos) quoted += '\\';
    quoted += c;
  }
  return quoted;
}

absl::StatusOr<DataFiles> OpenPlannedFiles(const wire::Plan& plan) {
  std::vector<std::string> patterns;
  for (const std::string& path : plan.files()) patterns.push_back(QuotePattern(path));
  return DataFiles::Open(patterns);
}

wire::Hello HelloOf(wire::Role role, std::uint64_t incarnation, const std::string& endpoint) {
  wire::Hello hello;
  hello.set_role(role);
  hello.set_incarnation(incarnation);
  hello.set_endpoint(endpoint);
  hello.set_host(ThisPod());
  hello.set_pid(static_cast<std::uint32_t>(::getpid()));
  hello.set_protocol(ProtocolDigest());
  return hello;
}

// A node of either kind of job: says who it is as one of linear models, and becomes one of trees
// when the plan in its Welcome says so. Asks to leave once a flag is set.
template <typename Node>
class NodeByPlan : public Machine {
 public:
  using MakeTrees = std::function<absl::StatusOr<std::unique_ptr<TreeMember>>(
      const TreeMember::Options&, const wire::Welcome&, MonotonicTime)>;
  // Node and flag must outlive it; the flag may be null.
  NodeByPlan(Node& node, TreeMember::Options options, MakeTrees make_trees,
             const std::atomic<bool>* leave)
      : node_(node),
        options_(std::move(options)),
        make_trees_(std::move(make_trees)),
        leave_(leave) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    if (trees_ != nullptr) return trees_->OnMessage(from, std::move(message), now, outbox);
    const wire::Welcome& welcome = message.body.welcome();
    if (!welcome.plan().has_trees()) return node_.OnMessage(from, std::move(message), now, outbox);
    if (from != options_.scheduler || welcome.incarnation() != options_.incarnation) return;
    absl::StatusOr<std::unique_ptr<TreeMember>> made = make_trees_(options_, welcome, now);
    if (made.ok()) {
      trees_ = *std::move(made);
    } else {
      trees_ = std::make_unique<FailedMember>(options_, welcome, made.status(), now, outbox);
    }
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    if (leave_ != nullptr && leave_->load()) trees_ != nullptr ? trees_->Leave() : node_.Leave();
    current().OnTick(now, outbox);
  }
  MonotonicTime tick_interval() const override { return current().tick_interval(); }
  bool work_pending() const override { return current().work_pending(); }
  bool finished() const override { return current().finished(); }
  absl::Status status() const { return trees_ != nullptr ? trees_->status() : node_.status(); }

 private:
  Machine& current() const { return trees_ != nullptr ? static_cast<Machine&>(*trees_) : node_; }

  Node& node_;
  const TreeMember::Options options_;
  const MakeTrees make_trees_;
  const std::atomic<bool>* const leave_;
  std::unique_ptr<TreeMember> trees_;
};

std::atomic<bool> sigterm_came{false};
static_assert(std::atomic<bool>::is_always_lock_free);

void OnSigterm(int) {
  sigterm_came.store(true);
  std::signal(SIGTERM, SIG_DFL);
}

absl::Status RunShard(const ServerNodeOptions& options, std::unique_ptr<Transport> transport) {
  const std::uint64_t incarnation = NewIncarnation();
  ShardMachine machine({.scheduler = options.scheduler,
                        .endpoint = transport->endpoint(),
                        .host = ThisPod(),
                        .pid = static_cast<std::uint32_t>(::getpid()),
                        .incarnation = incarnation,
                        .scheduler_timeout = options.silence_limit,
                        .open_checkpoints = OpenCheckpointIo});
  NodeByPlan<ShardMachine> node(
      machine,
      {options.scheduler, incarnation, options.silence_limit,
       HelloOf(wire::SERVER, incarnation, transport->endpoint())},
      [](const TreeMember::Options& of_node, const wire::Welcome& welcome, MonotonicTime now) {
        return TreeServer::Make(of_node, welcome, now);
      },
      options.leave);
  PS_RETURN_IF_ERROR(RunMachine(node, *transport, MonotonicTime::zero()));
  LogTraffic("server", *transport, 0);
  return node.status();
}

// The address for shard number `shard`: with a port that is not 0, that and the following ones.
std::string BindOf(const std::string& bind, int shard) {
  const std::size_t colon = bind.rfind(':');
  int port = 0;
  if (colon == std::string::npos || !absl::SimpleAtoi(bind.substr(colon + 1), &port) || port == 0) {
    return bind;
  }
  return absl::StrCat(bind.substr(0, colon + 1), port + shard);
}

}  // namespace

void LogTraffic(const std::string& who, const Transport& transport, std::uint64_t repeated) {
  const TransportStats stats = transport.stats();
  LOG_AT_LEVEL(repeated > 0 ? google::GLOG_WARNING : google::GLOG_INFO)
      << who << " " << transport.endpoint() << ": " << stats.frames_out << " frames ("
      << stats.bytes_out << " bytes) out, " << stats.frames_in << " (" << stats.bytes_in
      << " bytes) in, " << stats.dropped << " dropped, " << stats.bad_frames << " refused, "
      << repeated << " requests repeated";
}

std::uint64_t NewIncarnation() {
  std::random_device device;
  return (std::uint64_t{device()} << 32 | device()) | 1;
}

absl::Status RunServerNode(const ServerNodeOptions& options) {
  PS_ASSIGN_OR_RETURN(CurveKeys keys, ReadCurveKeys(options.curve_key_file));
  auto context = std::make_shared<ZeroMqContext>(std::move(keys));
  std::vector<std::unique_ptr<Transport>> transports;
  for (int shard = 0; shard < options.shards; ++shard) {
    ZeroMqOptions zeromq;
    zeromq.bind = BindOf(options.bind, shard);
    zeromq.advertised_host = options.advertised_host;
    zeromq.context = context;
    PS_ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport, OpenZeroMqTransport(zeromq));
    transports.push_back(std::move(transport));
  }
  std::vector<absl::Status> results(transports.size());
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < transports.size(); ++i) {
    threads.emplace_back([&, i] { results[i] = RunShard(options, std::move(transports[i])); });
  }
  for (std::thread& thread : threads) thread.join();
  for (absl::Status& result : results) PS_RETURN_IF_ERROR(std::move(result));
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<ChunkSource>> OpenPlannedData(const wire::Plan& plan) {
  PS_ASSIGN_OR_RETURN(const DataFiles files, OpenPlannedFiles(plan));
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Extractor> extractor,
                      Extractor::Parse(plan.extractor()));
  PS_ASSIGN_OR_RETURN(const RowSplit split, SplitOf(plan));
  return MakeTextChunkSource(files, extractor->MakeParser(), split);
}

absl::Status RunWorkerNode(const WorkerNodeOptions& options) {
  PS_ASSIGN_OR_RETURN(CurveKeys keys, ReadCurveKeys(options.curve_key_file));
  ZeroMqOptions zeromq;
  zeromq.bind = options.bind;
  zeromq.advertised_host = options.advertised_host;
  zeromq.context = std::make_shared<ZeroMqContext>(std::move(keys));
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Transport> transport, OpenZeroMqTransport(zeromq));
  const std::uint64_t incarnation = NewIncarnation();
  WorkerMachine machine({.scheduler = options.scheduler,
                         .endpoint = transport->endpoint(),
                         .host = ThisPod(),
                         .pid = static_cast<std::uint32_t>(::getpid()),
                         .incarnation = incarnation,
                         .scheduler_timeout = options.silence_limit,
                         .clock = [] {
                           return std::chrono::duration_cast<MonotonicTime>(
                               std::chrono::steady_clock::now().time_since_epoch());
                         }},
                        OpenPlannedData, std::make_unique<LogisticModel>());
  NodeByPlan<WorkerMachine> node(
      machine,
      {options.scheduler, incarnation, options.silence_limit,
       HelloOf(wire::WORKER, incarnation, transport->endpoint())},
      [](const TreeMember::Options& of_node, const wire::Welcome& welcome,
         MonotonicTime now) -> absl::StatusOr<std::unique_ptr<TreeMember>> {
        const auto planned = static_cast<int>(std::min(welcome.plan().trees().threads(), 1024u));
        const int threads = planned > 0 ? planned : EffectiveCpuCount();
        const OpenPart open =
            [threads](const wire::Plan& plan,
                      PartWanted wanted) -> absl::StatusOr<std::unique_ptr<PartLoader>> {
          PS_ASSIGN_OR_RETURN(DataFiles files, OpenPlannedFiles(plan));
          return StartPartLoader(std::move(files), plan, std::move(wanted), threads);
        };
        if (welcome.plan().trees().by_columns())
          return ColumnWorker::Make(of_node, welcome, open, threads, now);
        return TreeWorker::Make(of_node, welcome, open, threads, now);
      },
      options.leave);
  PS_RETURN_IF_ERROR(RunMachine(node, *transport, MonotonicTime::zero()));
  LogTraffic("worker", *transport, machine.repeated());
  return node.status();
}

const std::atomic<bool>* LeaveAtSigterm() {
  if (std::signal(SIGTERM, OnSigterm) != SIG_IGN) return &sigterm_came;
  std::signal(SIGTERM, SIG_IGN);
  return nullptr;
}

int NodeExitCode(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return 0;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return 75;
    case absl::StatusCode::kDataLoss:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kPermissionDenied:
      return 3;
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kResourceExhausted:
      return static_cast<int>(ExitCode::kImpossible);
    default:
      return 1;
  }
}

}  // namespace ps
