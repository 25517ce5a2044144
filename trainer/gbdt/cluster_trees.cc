#include "trainer/gbdt/cluster_trees.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <set>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "kernels/cuda/device.h"
#include "models/data/bad_rows.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "ps/wire/frame.h"
#include "ps/wire/zeromq_transport.h"
#include "trainer/cluster/local_nodes.h"
#include "trainer/cluster/node_process.h"
#include "trainer/gbdt/distribution.h"
#include "trainer/gbdt/gbdt_trainer.h"
#include "trainer/gbdt/part_loader.h"
#include "trainer/gbdt/split_forecast.h"
#include "trainer/gbdt/target_planner.h"
#include "trainer/gbdt/tree_coordinator.h"
#include "trainer/planned_split.h"

namespace ps {
namespace {

// Long: nodes end with this process anyway, and an evaluation may keep it silent.
constexpr int kNodeSilenceSeconds = 1800;

// Other processes may have another current directory.
std::string AbsolutePath(const std::string& path) {
  std::error_code error;
  const std::filesystem::path absolute = std::filesystem::absolute(path, error);
  return error ? path : absolute.string();
}

// What trees grow on at the workers, and at how many of them.
std::string DescribeDevices(const WorkerDevices& devices) {
  if (devices.kinds.empty()) return "trees grow on the processors of the workers, by columns";
  return absl::StrCat("trees grow at ", devices.Text());
}

// Drives the coordinator and looks after the processes, if they are ours.
class Watched final : public Machine, public NodeOwner {
 public:
  Watched(TreeCoordinator* coordinator, LocalNodes* nodes)
      : coordinator_(*coordinator), nodes_(nodes) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override {
    coordinator_.OnMessage(from, std::move(message), now, outbox);
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    if (nodes_ != nullptr) nodes_->Keep(*this, now);
    coordinator_.OnTick(now, outbox);
  }
  bool finished() const override { return coordinator_.finished(); }

  SchedulerMachine::Wanted wanted() const override {
    const TreeCoordinator::Wanted wanted = coordinator_.wanted();
    return {wanted.servers, wanted.workers};
  }
  bool running() const override { return coordinator_.running(); }
  std::set<std::uint32_t> LeavingPids() const override { return {}; }
  void OnProcessEnded(std::uint32_t pid, const std::string& what) override {
    coordinator_.OnProcessEnded(pid, what);
  }

 private:
  TreeCoordinator& coordinator_;
  LocalNodes* const nodes_;
};

class ClusterTrees final : public TreeMaker {
 public:
  ClusterTrees(const TreeJob& job, TreeClusterOptions options)
      : job_(job), options_(std::move(options)) {}

  ~ClusterTrees() override {
    if (coordinator_ == nullptr) return;
    if (left_) return;
    coordinator_->Stop(!coordinator_->status().ok());
    RunMachine(*watched_, *transport_, MonotonicTime::zero()).IgnoreError();
    LogTraffic("scheduler", *transport_, 0);
    if (nodes_ != nullptr) nodes_->Finish(coordinator_->status().ok() ? 5.0 : 1.0);
  }

  absl::StatusOr<TrainRows> Load(LoadedRows* held_out) override;
  absl::StatusOr<Tree> GrowNext() override;
  absl::StatusOr<TrainMetrics> Judge(const std::vector<Tree>& trees) override;
  // Nodes that take the places of others may have what those had not.
  std::string device() const override { return coordinator_->counts().devices.Name(); }
  MadeOnCluster made() const override {
    return {wire_bytes_ + coordinator_->pushed_bytes(), coordinator_->steps(),
            coordinator_->attempts(), choice_.by_columns ? "columns" : "rows",
            choice_.rows.wire_bytes, choice_.columns.wire_bytes};
  }
  void LeaveNodes() override { left_ = true; }

 private:
  absl::Status Start();
  absl::Status ChooseShares();
  TreeCoordinator::Options Plan() const;
  // Until the coordinator has done what it was asked for.
  absl::Status Run();
  bool HasHeldOut() const {
    const SplitConfig& split = job_.job->config.data.split;
    return split.valid > 0 || split.test > 0;
  }

  const TreeJob job_;
  const TreeClusterOptions options_;
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<TreeCoordinator> coordinator_;
  std::unique_ptr<LocalNodes> nodes_;  // null where they come by themselves
  std::unique_ptr<Watched> watched_;
  std::uint64_t wire_bytes_ = 0;  // to and from here, for trees
  DistributionChoice choice_;
  bool left_ = false;
};

absl::Status ClusterTrees::ChooseShares() {
  PS_ASSIGN_OR_RETURN(const TreesPlan plan, PlanTrees(*job_.job, std::nullopt, TreesPlanOf::kNeeds));
  DistributionShape shape = ShapeOf(*job_.job, plan, options_);
  const bool sparse = job_.bins->sparse;
  if (job_.bins->rows > 0) shape.rows = static_cast<double>(job_.bins->rows);
  shape.columns = static_cast<double>(job_.bins->columns.size());
  shape.cells = static_cast<double>(CellOffsets(job_.bins->columns, sparse).back());
  shape.sparse = sparse;
  if (!sparse) shape.values = shape.rows * shape.columns;
  choice_ = ChooseDistribution(job_.job->config.model.gbdt.distribution, shape,
                               WorkerMemory(plan, options_));
  return absl::OkStatus();
}

TreeCoordinator::Options ClusterTrees::Plan() const {
  const JobConfig& config = job_.job->config;
  TreeCoordinator::Options options;
  wire::Plan& plan = options.plan;
  plan.set_extractor(job_.job->extractor->Serialize());
  for (const DataFile& file : job_.job->train.files()) plan.add_files(file.path);
  PlanSplit(config, &plan);
  wire::TreePlan& trees = *plan.mutable_trees();
  SetBinPlan(*job_.bins, &trees);
  trees.set_squared(job_.params.objective == Objective::kSquared);
  trees.set_row_sample(job_.params.row_sample);
  trees.set_seed(job_.params.seed);
  trees.set_l1(job_.params.grow.l1);
  trees.set_l2(job_.params.grow.l2);
  trees.set_min_hessian(job_.params.grow.min_hessian);
  trees.set_column_sample(job_.params.grow.column_sample);
  trees.set_category_smooth(job_.params.grow.category_smooth);
  trees.set_absent_is_zero(job_.params.grow.absent_is_zero);
  trees.set_margin_offset(job_.offset);
  trees.set_by_columns(choice_.by_columns);
  trees.set_device(config.device);
  trees.set_run(job_.session.run);
  trees.set_first_tree(job_.params.first_tree);
  if (job_.start != nullptr) {
    TreeModel start = *job_.start;
    for (TreeColumn& column : start.columns) column.target = nullptr;  // the bins have them
    trees.set_start_trees(start.Serialize());
  }
  if (job_.options.base != nullptr) {
    trees.set_base_model(AbsolutePath(config.model.gbdt.base_model));
    trees.set_base_digest(job_.options.base->Digest());
    trees.set_base_offset(job_.options.base_offset);
  }
  if (!config.data.cache.empty()) trees.set_cache(AbsolutePath(config.data.cache));
  options.base_scores = StartScores(job_);
  options.leader = job_.session.leader;
  options.returns = job_.session.returns;
  options.first_attempt = job_.session.first_attempt;
  // Workers of this machine share its cores.
  const bool here = options_.listen.empty();
  trees.set_threads(static_cast<std::uint32_t>(
      here ? std::max(1, job_.job->threads / options_.shape.workers) : config.train.threads));
  options.params = job_.params;
  options.columns = job_.bins->columns;
  options.servers = static_cast<std::uint32_t>(options_.shape.servers);
  options.workers = static_cast<std::uint32_t>(options_.shape.workers);
  if (config.cluster.failure_timeout > 0) {
    options.dead_after = std::chrono::duration_cast<MonotonicTime>(
        std::chrono::duration<double>(config.cluster.failure_timeout));
  }
  options.heartbeat = std::min(options.heartbeat, options.dead_after / 8);
  options.gather_limit = here ? MonotonicTime(std::chrono::minutes(1)) : std::chrono::minutes(10);
  options.replace_limit = here ? MonotonicTime(std::chrono::seconds(30)) : std::chrono::minutes(5);
  options.stop_requested = [stop = job_.options.stop] { return stop != nullptr && stop->load(); };
  return options;
}

absl::Status ClusterTrees::Start() {
  const JobConfig& config = job_.job->config;
  PS_RETURN_IF_ERROR(ChooseShares());
  // Servers keep the histograms of all open nodes of a tree, or workers do.
  const double cells =
      static_cast<double>(CellOffsets(job_.bins->columns, job_.bins->sparse).back());
  const double needed = cells * sizeof(WideSum) * static_cast<double>(MostSplitsAhead(config.model.gbdt.max_leaves));
  const auto limit = static_cast<double>(EffectiveMemory().limit_bytes);
  if (options_.listen.empty() && limit > 0 && needed > limit) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "the nodes would keep up to ", static_cast<std::uint64_t>(needed / (1 << 20)),
        " MiB of histograms: lower model.gbdt.max_leaves or max_bins, or train without a cluster"));
  }
  PS_ASSIGN_OR_RETURN(CurveKeys keys, ReadCurveKeys(config.cluster.curve_key_file));
  ZeroMqOptions zeromq;
  if (!options_.listen.empty()) zeromq.bind = options_.listen;
  zeromq.context = std::make_shared<ZeroMqContext>(std::move(keys));
  PS_ASSIGN_OR_RETURN(transport_, OpenZeroMqTransport(zeromq));
  TreeCoordinator::Options plan = Plan();
  constexpr std::size_t kRoom = 1 << 20;  // for the rest of a Welcome
  if (plan.plan.ByteSizeLong() + kRoom > kMaxBodyBytes) {
    const std::string targets = DescribeTargetSizes(*job_.bins);
    return absl::ResourceExhaustedError(
        absl::StrCat("the bins of all columns",
                     job_.start != nullptr ? " and the trees of model.warm_start" : "",
                     targets.empty() ? "" : absl::StrCat(" and the target statistics of ", targets),
                     " are too many for a cluster in this version: ",
                     targets.empty()         ? "lower model.gbdt.max_bins"
                     : job_.start != nullptr ? "start from a model without target statistics"
                                             : "remove columns from model.gbdt.target_columns, set "
                                               "model.gbdt.target_encoding: none",
                     ", or train without a cluster"));
  }
  auto coordinator = std::make_unique<TreeCoordinator>(std::move(plan));
  coordinator->GoOnAfter(*job_.finished);
  if (options_.listen.empty()) {
    PS_ASSIGN_OR_RETURN(const std::string directory, ThisProgramsDirectory());
    nodes_ = std::make_unique<LocalNodes>(LocalNodes::Options{
        .directory = directory,
        .arguments = {absl::StrCat("--scheduler=", transport_->endpoint()),
                      absl::StrCat("--curve_key_file=", config.cluster.curve_key_file),
                      absl::StrCat("--silence_limit_s=", kNodeSilenceSeconds)},
        .gpus = config.device == "cpu" || choice_.by_columns ? std::vector<int>{} : UsableDevices()});
    const TreeCoordinator::Wanted wanted = coordinator->wanted();
    PS_RETURN_IF_ERROR(nodes_->Start({wanted.servers, wanted.workers}));
  } else {
    if (job_.session.returns) LOG(INFO) << "the scheduler is back, with " << job_.finished->size() << " trees";
    LOG(INFO) << "waiting at " << transport_->endpoint() << " for " << options_.shape.servers
              << " servers and " << options_.shape.workers << " workers";
  }
  coordinator_ = std::move(coordinator);
  watched_ = std::make_unique<Watched>(coordinator_.get(), nodes_.get());
  return absl::OkStatus();
}

absl::Status ClusterTrees::Run() {
  PS_RETURN_IF_ERROR(RunMachine(*watched_, *transport_, MonotonicTime::zero()));
  const absl::Status& status = coordinator_->status();
  if (status.ok() || nodes_ == nullptr) return status;
  std::string message(status.message());
  for (const std::string& death : nodes_->deaths()) {
    if (message != death) absl::StrAppend(&message, "; ", death);
  }
  return absl::Status(status.code(), message);
}

absl::StatusOr<TrainRows> ClusterTrees::Load(LoadedRows* held_out) {
  PS_RETURN_IF_ERROR(Start());
  const JobConfig& config = job_.job->config;
  // The coordinator judges the held-out rows, so it reads them, while the workers read theirs.
  absl::StatusOr<LoadedRows> loaded = LoadedRows();
  std::thread reader;
  if (HasHeldOut()) {
    reader = std::thread([&] {
      const RowSplit split(config.train.seed, config.data.split, config.data.keep_negatives);
      LoadOptions options = job_.options;
      options.wanted = RowsWanted::kHeldOut;
      loaded = job_.cache->Load(job_.job->train, *job_.plan, *job_.bins, &split, options);
    });
  }
  coordinator_->Gather();
  const absl::Status gathered = Run();
  if (reader.joinable()) reader.join();
  PS_RETURN_IF_ERROR(gathered);
  PS_RETURN_IF_ERROR(loaded.status());
  *held_out = *std::move(loaded);
  const PartCounts counts = coordinator_->counts();
  if (static_cast<double>(counts.bad_rows) >
      config.data.max_bad_rows * static_cast<double>(counts.bad_rows + counts.good_rows)) {
    return absl::InvalidArgumentError(TooManyBadRows(counts.bad_rows, counts.bad_rows + counts.good_rows, /*at_end=*/true,
                                                     config.data.max_bad_rows, "data.max_bad_rows", counts.bad_row_text));
  }
  TrainRows rows{coordinator_->sums(), coordinator_->base_scores(), counts.dropped,
                 counts.bad_rows, counts.bad_row_text};
  rows.distribution_text = choice_.text;
  rows.device_text = DescribeDevices(counts.devices);
  return rows;
}

absl::StatusOr<Tree> ClusterTrees::GrowNext() {
  const TransportStats before = transport_->stats();
  coordinator_->GrowTree();
  PS_RETURN_IF_ERROR(Run());
  const TransportStats after = transport_->stats();
  wire_bytes_ += after.bytes_in + after.bytes_out - before.bytes_in - before.bytes_out;
  return coordinator_->trees().back();
}

absl::StatusOr<TrainMetrics> ClusterTrees::Judge(const std::vector<Tree>& trees) {
  coordinator_->Judge(static_cast<std::uint32_t>(trees.size()));
  PS_RETURN_IF_ERROR(Run());
  const TreeCoordinator::Judged& judged = coordinator_->judged();
  if (job_.params.objective == Objective::kSquared)
    return TrainMetrics{.rmse = judged.weight > 0 ? std::sqrt(judged.squared_error / judged.weight) : 0};
  if (job_.params.objective == Objective::kSoftmax) return TrainMetrics{.classes = judged.classes.Finish()};
  return TrainMetrics{.metrics = judged.metrics.Finish()};
}

}  // namespace

std::unique_ptr<TreeMaker> MakeClusterTrees(const TreeJob& job, const TreeClusterOptions& options) {
  return std::make_unique<ClusterTrees>(job, options);
}

}  // namespace ps
