#include "trainer/gbdt/gbdt_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "kernels/cuda/device.h"
#include "models/gbdt/booster.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/monotone_columns.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/start_trees.h"
#include "trainer/gbdt/target_planner.h"
#include "trainer/gbdt/tree_bundle.h"
#include "trainer/gbdt/tree_maker.h"
#include "trainer/gbdt/tree_runs.h"
#include "trainer/gbdt/tree_tuning.h"
#include "trainer/pass_log.h"

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

}  // namespace

class GbdtTrainer::Run {
 public:
  Run(const PreparedJob* job, std::optional<TreeClusterOptions> cluster, ProgressReporter* reporter, const std::atomic<bool>* stop)
      : job_(*job),
        cluster_(std::move(cluster)),
        stop_(*stop),
        reporter_(*reporter),
        params_(ParamsOf(job->config.model.gbdt, job->config.train.seed)),
        setting_(job->config.model.gbdt),
        squared_(params_.objective == Objective::kSquared),
        softmax_(params_.objective == Objective::kSoftmax),
        offset_(squared_ ? 0 : MarginOffset(job->config.data)),
        say_([reporter](const std::string& line) { reporter->Say(line); }),
        cache_(job->config.data.cache, say_, say_),
        crew_(job->threads) {}

  absl::StatusOr<JobResult> Train();
  absl::Status Export(BundleWriter* writer, BundleInfo* info);
  absl::Status AfterExport() { return progress_->Clear(); }

 private:
  struct HeldOut {
    BinnedRows rows;
    std::vector<float> margins;
  };

  absl::Status Load();
  absl::Status ReadStart();
  void PlaceStart(LoadOptions* options);
  int wanted() const {
    return refits() ? static_cast<int>(start_->trees.size()) : job_.config.model.gbdt.trees;
  }
  bool goes_on() const { return start_.has_value() && !refits(); }
  bool refits() const { return job_.config.model.gbdt.refit.has_value(); }
  absl::Status LoadFiles(const DataFiles& files, const LoadOptions& options, HeldOut* to);
  absl::Status CheckLabels() const;
  void StartHeldOut();
  // Trees [first, end) enter the margins.
  void AddTrees(std::size_t first, std::size_t end, HeldOut* part);
  void AddAllTrees(HeldOut* part) { AddTrees(0, trees_.size(), part); }
  absl::Status GrowTrees();
  absl::StatusOr<bool> GrowRound(int round);  // false: stopped
  // What is told to the store of finished trees; its end is the job's.
  absl::Status Kept(absl::Status kept);
  absl::Status Tune();
  absl::Status Report(int round, bool last);
  double ValidLoss() const;
  bool EarlyStop(int round);
  Metrics MetricsOf(const BinnedRows& rows, const std::vector<float>& margins) const {
    return MetricsOfRows(rows, margins, offset_);
  }
  ClassMetrics ClassMetricsOf(const HeldOut& part) const {
    return ClassMetricsOfRows(part.rows, part.margins, params_.classes);
  }
  absl::Status Finish();

  const PreparedJob& job_;
  const std::optional<TreeClusterOptions> cluster_;
  const std::atomic<bool>& stop_;
  ProgressReporter& reporter_;
  BoostParams params_;  // its classes as soon as they are known
  GbdtConfig setting_;  // as tuned
  const bool squared_, softmax_;
  const double offset_;
  const BinCache::Say say_;
  const BinCache cache_;
  Crew crew_;
  features::Plan plan_;
  std::optional<TreeModel> start_;  // trees to go on from, or to fit again
  std::unique_ptr<TreePredictor> start_margins_;
  std::unique_ptr<const BaseModel> base_;  // or null
  std::unique_ptr<TreeProgress> progress_;
  std::unique_ptr<BinPlan> bins_;
  std::unique_ptr<TreeMaker> maker_;
  TrainRows train_;
  HeldOut valid_, test_;
  std::vector<Tree> trees_;
  std::vector<double> tree_seconds_;
  double best_loss_ = INFINITY;
  int best_rounds_ = 0;  // of a tree, or one a class
  Clock::time_point grow_start_;
  JobResult result_;
};

absl::Status GbdtTrainer::Run::LoadFiles(const DataFiles& files, const LoadOptions& options, HeldOut* to) {
  BinPlan plan = *bins_;
  plan.rows = 0;  // its own are not counted yet
  LoadOptions of_these = options;
  of_these.held_out = true;
  PS_ASSIGN_OR_RETURN(LoadedRows loaded, cache_.Load(files, plan_, plan, nullptr, of_these));
  if (loaded.bad_rows > 0) reporter_.Say(loaded.bad_row_text);
  to->rows = std::move(loaded.train);
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::Load() {
  if (!plan_.ParseFromString(job_.extractor->Serialize()))
    return absl::InternalError("the plan cannot be read back");
  const JobConfig& config = job_.config;
  if (config.device == "cuda") {  // before anything is read
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) return NoDeviceError(device.status());
  }
  LoadOptions options;
  options.max_bins = config.model.gbdt.max_bins;
  options.seed = config.train.seed;
  options.threads = job_.threads;
  options.max_bad_rows = config.data.max_bad_rows;
  options.absent_is_zero = config.model.gbdt.absent_is_zero;
  options.labels = softmax_ ? LabelRule::kClass : squared_ ? LabelRule::kNumber : LabelRule::kBinary;
  options.classes = config.data.label.classes;
  options.stop = &stop_;
  PS_RETURN_IF_ERROR(ReadStart());
  if (start_) options.start = &*start_;
  if (start_ && softmax_) options.classes = start_->classes;
  options.base = base_.get();
  options.base_offset = offset_;
  options.start_cuts = refits();
  const RowSplit split(config.train.seed, config.data.split, config.data.keep_negatives);
  options.targets = {config.model.gbdt.target_encoding && !softmax_ && !refits(), config.model.gbdt.target_columns,
                     config.model.gbdt.target_smooth, &split};
  PS_ASSIGN_OR_RETURN(progress_, TreeProgress::Open(job_, options.start, options.base, say_));
  PS_ASSIGN_OR_RETURN(bins_, progress_->ReadBins(plan_));
  if (bins_ == nullptr) {
    PS_ASSIGN_OR_RETURN(bins_, cache_.Plan(job_.train, plan_, options));
  }
  options.targets.split = nullptr;
  PS_ASSIGN_OR_RETURN(trees_, progress_->Begin(*bins_));
  if (!bins_->odd_texts.empty()) reporter_.Say(bins_->odd_texts);
  if (const std::string targets = DescribeTargets(*bins_); !targets.empty())
    reporter_.Say(absl::StrCat("columns as the mean label of their categories: ", targets));
  if (!bins_->not_by_target.empty()) reporter_.Say(bins_->not_by_target);
  if (softmax_) {
    params_.classes = static_cast<std::uint32_t>(bins_->classes.size());
    reporter_.Say(absl::StrCat("classes ", DescribeClasses(bins_->classes)));
  }
  if (start_) PlaceStart(&options);
  PS_RETURN_IF_ERROR(SetDirections(config.model.gbdt, bins_.get()));
  BoostParams params = params_;
  params.first_tree = goes_on() ? start_->trees.size() : 0;
  if (!trees_.empty()) reporter_.Say(absl::StrCat("going on after ", trees_.size(), " trees of an earlier run"));
  const TreeJob job{&job_, &plan_, bins_.get(), params, options, offset_, &crew_, options.start, &cache_, &trees_,
                    progress_->session()};
  maker_ = cluster_ ? MakeClusterTrees(job, *cluster_) : MakeEmbeddedTrees(job);
  LoadedRows held_out;
  PS_ASSIGN_OR_RETURN(train_, maker_->Load(&held_out));
  PS_RETURN_IF_ERROR(Kept(progress_->SetRows(train_.sums)));
  result_.bad_rows = train_.bad_rows;
  result_.rows_dropped = train_.dropped;
  if (train_.bad_rows > 0) reporter_.Say(train_.bad_row_text);
  for (const std::string& text : {train_.device_text, train_.distribution_text}) {
    if (!text.empty()) reporter_.Say(text);
  }
  valid_.rows = std::move(held_out.valid);
  test_.rows = std::move(held_out.test);
  if (job_.valid) PS_RETURN_IF_ERROR(LoadFiles(*job_.valid, options, &valid_));
  if (job_.test) PS_RETURN_IF_ERROR(LoadFiles(*job_.test, options, &test_));
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::ReadStart() {
  PS_ASSIGN_OR_RETURN(base_, OpenBaseModel(job_.config));
  if (base_ != nullptr) {
    reporter_.Say(absl::StrCat("trees begin with the margins of ",
                               job_.config.model.gbdt.base_model));
  }
  PS_ASSIGN_OR_RETURN(start_, OpenStartTrees(job_, params_.objective, offset_));
  if (!start_) return absl::OkStatus();
  if (refits() && start_->trees.empty())
    return absl::InvalidArgumentError("model.warm_start: there are no trees to fit again");
  reporter_.Say(absl::StrCat(refits() ? "fitting again " : "going on from ", start_->trees.size(),
                             " trees of ", job_.config.model.warm_start));
  if (start_->has_targets()) {
    reporter_.Say(
        "warning: the model of model.warm_start has columns as the mean label of their categories: "
        "rows that it has learnt know their own labels through them; give later rows");
  }
  return absl::OkStatus();
}

// The trees to start from get the columns of the bins, and rows are scored with them while they are read.
void GbdtTrainer::Run::PlaceStart(LoadOptions* options) {
  PlaceStartTrees(*bins_, &*start_);
  if (refits()) return SetBinsOfThresholds(*bins_, &*start_);
  start_margins_ = std::make_unique<TreePredictor>(*start_);
  options->start_margins = start_margins_.get();
}

absl::Status GbdtTrainer::Run::CheckLabels() const {
  if (train_.sums.rows == 0)
    return absl::InvalidArgumentError("data.train: there are no rows to learn from");
  if (train_.sums.lowest == train_.sums.highest) {
    LOG(WARNING)
        << "all rows of data.train have the same label: the model can only learn a constant."
        << (squared_ ? "" : softmax_ ? " Are data.label.classes right?" : " Is data.label.positive right?");
  }
  return absl::OkStatus();
}

double GbdtTrainer::Run::ValidLoss() const {
  if (softmax_) return SoftmaxLossOf(valid_.rows, valid_.margins, params_.classes);
  return squared_ ? RootMeanSquare(valid_.margins, valid_.rows)
                  : MetricsOf(valid_.rows, valid_.margins).logloss;
}

bool GbdtTrainer::Run::EarlyStop(int round) {
  const auto& early = job_.config.train.early_stopping;
  if (!early || valid_.rows.rows == 0) return false;
  const double loss = ValidLoss();
  if (loss < best_loss_ - early->min_delta) {
    best_loss_ = loss;
    best_rounds_ = round;
    return false;
  }
  return round - best_rounds_ >= early->patience;
}

// Lines at 1, 2, 4, ... rounds, and at the end.
absl::Status GbdtTrainer::Run::Report(int round, bool last) {
  if (!last && (round & (round - 1)) != 0) return absl::OkStatus();
  ProgressLine line;
  line.pass = round;
  line.passes = wanted();
  line.rows = static_cast<std::uint64_t>(round) * train_.sums.rows;
  line.elapsed_seconds = SecondsSince(grow_start_);
  line.rows_per_second = static_cast<double>(line.rows) / std::max(1e-9, line.elapsed_seconds);
  line.fraction_read = static_cast<double>(round) / line.passes;
  line.eta_seconds = line.elapsed_seconds / round * (line.passes - round);
  line.features = bins_->columns.size();
  line.resident_bytes = ResidentBytes();
  if (!squared_) {
    PS_ASSIGN_OR_RETURN(const TrainMetrics train, maker_->Judge(trees_));
    line.logloss = softmax_ ? train.classes.logloss : train.metrics.logloss;
    if (softmax_ && valid_.rows.rows > 0) {
      const ClassMetrics valid = ClassMetricsOf(valid_);
      line.valid_logloss = valid.logloss;
      line.valid_auc = valid.auc_macro;
      line.valid_error = valid.error_rate;
    } else if (valid_.rows.rows > 0) {
      const Metrics valid = MetricsOf(valid_.rows, valid_.margins);
      line.valid_logloss = valid.logloss;
      line.valid_auc = valid.auc;
    }
  }
  last ? reporter_.Final(line) : reporter_.Report(line);
  return absl::OkStatus();
}

void GbdtTrainer::Run::StartHeldOut() {
  for (HeldOut* part : {&valid_, &test_}) part->margins = StartMargins(part->rows, train_.base_scores);
}

void GbdtTrainer::Run::AddTrees(std::size_t first, std::size_t end, HeldOut* part) {
  for (std::size_t t = first; t < end && part->rows.rows > 0; ++t)
    AddTree(trees_[t], part->rows, &crew_, &part->margins, t % params_.classes);
}

absl::Status GbdtTrainer::Run::Kept(absl::Status kept) {
  if (progress_->lost()) maker_->LeaveNodes();
  return kept;
}

// A tree, of softmax one for each class; not a part of those. Of trees that are there already none.
absl::StatusOr<bool> GbdtTrainer::Run::GrowRound(int round) {
  const std::size_t end = static_cast<std::size_t>(round) * params_.classes, first = end - params_.classes;
  while (trees_.size() < end) {
    if (stop_.load()) {
      PS_RETURN_IF_ERROR(Kept(progress_->KeepAll(trees_, maker_->made().attempts)));
      trees_.resize(first);
      return false;
    }
    const auto start = Clock::now();
    PS_ASSIGN_OR_RETURN(Tree grown, maker_->GrowNext());
    trees_.push_back(std::move(grown));
    tree_seconds_.push_back(SecondsSince(start));
    PS_RETURN_IF_ERROR(Kept(progress_->Keep(trees_, maker_->made().attempts)));
  }
  AddTrees(first, end, &valid_);
  return true;
}

absl::Status GbdtTrainer::Run::GrowTrees() {
  grow_start_ = Clock::now();
  StartHeldOut();
  best_rounds_ = 0;
  if ((start_ || base_ != nullptr) && valid_.rows.rows > 0) best_loss_ = ValidLoss();
  const std::size_t had = trees_.size();
  if (had > static_cast<std::size_t>(wanted()) * params_.classes) {
    return absl::InvalidArgumentError(absl::StrCat("an earlier run of the job has ", had / params_.classes,
                                                   " trees already, but model.gbdt.trees is ", wanted()));
  }
  for (int round = 1; round <= wanted(); ++round) {
    PS_ASSIGN_OR_RETURN(const bool grown, GrowRound(round));
    if (!grown) break;
    const bool enough = EarlyStop(round);
    if (trees_.size() > had || enough || round == wanted())
      PS_RETURN_IF_ERROR(Report(round, enough || round == wanted()));
    if (!enough) continue;
    reporter_.Say(absl::StrFormat("early stop after %s %d: the first %d had the best validation loss",
                                  softmax_ ? "round" : "tree", round, best_rounds_));
    break;
  }
  PS_RETURN_IF_ERROR(Kept(progress_->KeepAll(trees_, maker_->made().attempts)));
  if (trees_.empty()) return StoppedBeforeLearningError();
  return Finish();
}

absl::Status GbdtTrainer::Run::Tune() {
  grow_start_ = Clock::now();
  PS_ASSIGN_OR_RETURN(TunedTrees tuned, TuneTrees({&job_, maker_->rows(), &valid_.rows, &bins_->columns,
                                                   offset_, params_.classes, &reporter_, &stop_}));
  const double grown = static_cast<double>(std::max<std::uint64_t>(1, tuned.grown)) * params_.classes;
  tree_seconds_ = {SecondsSince(grow_start_) / grown};
  trees_ = std::move(tuned.trees);
  best_rounds_ = static_cast<int>(trees_.size() / params_.classes);
  setting_ = tuned.setting;
  result_.tuning = TuningResult{.trace_json = std::move(tuned.trace_json),
                                .job_yaml = std::move(tuned.job_yaml),
                                .setting_text = std::move(tuned.setting_text)};
  StartHeldOut();
  AddAllTrees(&valid_);
  PS_RETURN_IF_ERROR(Finish());
  result_.trees->grown = static_cast<int>(tuned.grown * params_.classes);
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::Finish() {
  TreesResult trees;
  trees.grown = static_cast<int>(trees_.size());
  const std::size_t best = static_cast<std::size_t>(std::max(best_rounds_, 0)) * params_.classes;
  if (job_.config.train.early_stopping && valid_.rows.rows > 0 && best < trees_.size()) {
    trees_.resize(best);
    valid_.margins = StartMargins(valid_.rows, train_.base_scores);
    AddAllTrees(&valid_);
  }
  AddAllTrees(&test_);
  trees.trees = static_cast<int>(trees_.size() + (goes_on() ? start_->trees.size() : 0));
  trees.squared = squared_;
  std::vector<double> seconds = tree_seconds_;
  std::nth_element(seconds.begin(),
                   seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  if (!seconds.empty()) trees.median_tree_ms = 1e3 * seconds[seconds.size() / 2];
  const auto judge = [&](const BinnedRows& rows, const std::vector<float>& of_rows, double* rmse) {
    if (!squared_) return MetricsOf(rows, of_rows);
    *rmse = RootMeanSquare(of_rows, rows);
    return Metrics();
  };
  PS_ASSIGN_OR_RETURN(const TrainMetrics train, maker_->Judge(trees_));
  result_.train = train.metrics;
  trees.train_rmse = train.rmse;
  if (softmax_) {
    trees.classes.emplace(ClassResult{bins_->classes, train.classes, std::nullopt, std::nullopt});
    if (valid_.rows.rows > 0) trees.classes->valid = ClassMetricsOf(valid_);
    if (test_.rows.rows > 0) trees.classes->test = ClassMetricsOf(test_);
  } else {
    if (valid_.rows.rows > 0) result_.valid = judge(valid_.rows, valid_.margins, &trees.valid_rmse);
    if (test_.rows.rows > 0) result_.test = judge(test_.rows, test_.margins, &trees.test_rmse);
  }
  const MadeOnCluster made = maker_->made();
  trees.wire_bytes = made.wire_bytes;
  result_.device = train_.device;
  trees.steps = made.steps;
  trees.attempts = made.attempts > 0 ? progress_->attempts_before() + made.attempts : 0;
  trees.distribution = made.distribution;
  trees.estimate_by_rows = made.estimate_by_rows;
  trees.estimate_by_columns = made.estimate_by_columns;
  result_.trees = trees;
  return absl::OkStatus();
}

absl::StatusOr<JobResult> GbdtTrainer::Run::Train() {
  const auto start = Clock::now();
  PS_RETURN_IF_ERROR(Load());
  PS_RETURN_IF_ERROR(CheckLabels());
  const double load_seconds = SecondsSince(start);
  PS_RETURN_IF_ERROR(job_.config.tune ? Tune() : GrowTrees());
  result_.trees->load_seconds = load_seconds;
  result_.rows_read = result_.rows_learnt = train_.sums.rows;
  result_.rows_valid = valid_.rows.rows;
  result_.rows_test = test_.rows.rows;
  result_.passes = 1;
  result_.features = bins_->columns.size();
  result_.train_seconds = SecondsSince(grow_start_);
  result_.complete = !stop_.load();
  if (!result_.complete) PS_RETURN_IF_ERROR(Kept(progress_->EndSession()));
  return result_;
}

absl::Status GbdtTrainer::Run::Export(BundleWriter* writer, BundleInfo* info) {
  PS_RETURN_IF_ERROR(WriteTrees({&params_, &setting_, bins_.get(), &train_.base_scores,
                                 goes_on() ? &*start_ : nullptr, &trees_, base_.get(), offset_},
                                writer, info));
  info->rows_learnt = result_.rows_learnt;
  info->complete = result_.complete;
  return absl::OkStatus();
}

absl::Status GbdtTrainer::AfterExport() { return run_->AfterExport(); }

GbdtTrainer::GbdtTrainer(const PreparedJob* job, std::optional<TreeClusterOptions> cluster,
                         ProgressReporter* reporter, const std::atomic<bool>* stop)
    : run_(std::make_unique<Run>(job, std::move(cluster), reporter, stop)) {}
GbdtTrainer::~GbdtTrainer() = default;
absl::StatusOr<JobResult> GbdtTrainer::Train() { return run_->Train(); }
absl::Status GbdtTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  return run_->Export(writer, info);
}

}  // namespace ps
