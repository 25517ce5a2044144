#include "trainer/gbdt/gbdt_trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "models/gbdt/booster.h"
#include "models/gbdt/tree_model.h"
#include "ps/base/cgroup.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/pass_log.h"

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

double SecondsSince(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

BoostParams ParamsOfJob(const JobConfig& config) {
  const GbdtConfig& gbdt = config.model.gbdt;
  BoostParams params;
  params.objective = gbdt.objective == "squared" ? Objective::kSquared : Objective::kLogistic;
  params.row_sample = gbdt.row_sample;
  params.seed = config.train.seed;
  params.grow.max_leaves = gbdt.max_leaves;
  params.grow.max_depth = gbdt.max_depth;
  params.grow.level_wise = gbdt.level_wise;
  params.grow.l1 = gbdt.l1;
  params.grow.l2 = gbdt.l2;
  params.grow.min_hessian = gbdt.min_hessian;
  params.grow.min_gain = gbdt.min_gain;
  params.grow.learning_rate = gbdt.learning_rate;
  params.grow.column_sample = gbdt.column_sample;
  params.grow.category_smooth = gbdt.category_smooth;
  params.grow.absent_is_zero = gbdt.absent_is_zero;
  return params;
}

double RootMeanSquare(const std::vector<float>& margins, const BinnedRows& rows) {
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const double weight = rows.weights.empty() ? 1 : rows.weights[i],
                 error = margins[i] - rows.labels[i];
    sum += weight * error * error;
    weights += weight;
  }
  return weights > 0 ? std::sqrt(sum / weights) : 0;
}

}  // namespace

class GbdtTrainer::Run {
 public:
  Run(const PreparedJob* job, ProgressReporter* reporter, const std::atomic<bool>* stop)
      : job_(*job),
        stop_(*stop),
        reporter_(*reporter),
        params_(ParamsOfJob(job->config)),
        squared_(params_.objective == Objective::kSquared),
        offset_(squared_ ? 0 : MarginOffset(job->config.data)),
        crew_(job->threads) {}

  absl::StatusOr<JobResult> Train();
  absl::Status Export(BundleWriter* writer, BundleInfo* info);

 private:
  struct HeldOut {
    BinnedRows rows;
    std::vector<float> margins;
  };

  absl::Status Load();
  absl::Status LoadFiles(const DataFiles& files, const LoadOptions& options, HeldOut* to);
  absl::Status CheckLabels();
  absl::Status GrowTrees();
  void Report(int tree, Booster* booster, bool last);
  double ValidLoss() const;
  bool EarlyStop(int tree);
  Metrics MetricsOf(const BinnedRows& rows, const std::vector<float>& margins) const;
  void Finish(Booster* booster);

  const PreparedJob& job_;
  const std::atomic<bool>& stop_;
  ProgressReporter& reporter_;
  const BoostParams params_;
  const bool squared_;
  const double offset_;
  Crew crew_;
  features::Plan plan_;
  std::unique_ptr<BinPlan> bins_;
  BinnedRows train_;
  HeldOut valid_, test_;
  std::vector<Tree> trees_;
  std::vector<double> tree_seconds_;
  double base_score_ = 0;
  double best_loss_ = INFINITY;
  int best_trees_ = 0;
  Clock::time_point grow_start_;
  JobResult result_;
};

absl::Status GbdtTrainer::Run::LoadFiles(const DataFiles& files, const LoadOptions& options,
                                         HeldOut* to) {
  BinPlan plan = *bins_;
  // Its lines are not counted yet; a line has two bytes at least, but for the last of a file.
  PS_ASSIGN_OR_RETURN(const std::uint64_t bytes, files.DecompressedBytes());
  plan.rows = bytes / 2 + files.files().size();
  PS_ASSIGN_OR_RETURN(LoadedRows loaded, LoadRows(files, plan_, plan, nullptr, options));
  if (loaded.bad_rows > 0) reporter_.Say(loaded.bad_row_text);
  to->rows = std::move(loaded.train);
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::Load() {
  if (!plan_.ParseFromString(job_.extractor->Serialize()))
    return absl::InternalError("the plan cannot be read back");
  const JobConfig& config = job_.config;
  LoadOptions options;
  options.max_bins = config.model.gbdt.max_bins;
  options.seed = config.train.seed;
  options.threads = job_.threads;
  options.max_bad_rows = config.data.max_bad_rows;
  options.absent_is_zero = config.model.gbdt.absent_is_zero;
  options.labels = squared_ ? LabelRule::kNumber : LabelRule::kBinary;
  options.stop = &stop_;
  PS_ASSIGN_OR_RETURN(bins_, PlanBins(job_.train, plan_, options));
  const RowSplit split(config.train.seed, config.data.split, config.data.keep_negatives);
  PS_ASSIGN_OR_RETURN(LoadedRows loaded, LoadRows(job_.train, plan_, *bins_, &split, options));
  result_.bad_rows = loaded.bad_rows;
  result_.rows_dropped = loaded.dropped;
  if (loaded.bad_rows > 0) reporter_.Say(loaded.bad_row_text);
  train_ = std::move(loaded.train);
  valid_.rows = std::move(loaded.valid);
  test_.rows = std::move(loaded.test);
  if (job_.valid) PS_RETURN_IF_ERROR(LoadFiles(*job_.valid, options, &valid_));
  if (job_.test) PS_RETURN_IF_ERROR(LoadFiles(*job_.test, options, &test_));
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::CheckLabels() {
  if (train_.rows == 0)
    return absl::InvalidArgumentError("data.train: there are no rows to learn from");
  if (train_.rows >= 0xffffffffu) {
    return absl::ResourceExhaustedError("data.train: more than 2^32 rows in one process");
  }
  const auto [low, high] = std::minmax_element(train_.labels.begin(), train_.labels.end());
  if (*low == *high) {
    LOG(WARNING)
        << "all rows of data.train have the same label: the model can only learn a constant."
        << (squared_ ? "" : " Is data.label.positive right?");
  }
  return absl::OkStatus();
}

Metrics GbdtTrainer::Run::MetricsOf(const BinnedRows& rows,
                                    const std::vector<float>& margins) const {
  std::vector<float> corrected = margins;
  for (float& margin : corrected) margin += static_cast<float>(offset_);
  MetricState state;
  state.AddRows(corrected, rows.labels, rows.weights);
  return state.Finish();
}

double GbdtTrainer::Run::ValidLoss() const {
  return squared_ ? RootMeanSquare(valid_.margins, valid_.rows)
                  : MetricsOf(valid_.rows, valid_.margins).logloss;
}

bool GbdtTrainer::Run::EarlyStop(int tree) {
  const auto& early = job_.config.train.early_stopping;
  if (!early || valid_.rows.rows == 0) return false;
  const double loss = ValidLoss();
  if (loss < best_loss_ - early->min_delta) {
    best_loss_ = loss;
    best_trees_ = tree;
    return false;
  }
  return tree - best_trees_ >= early->patience;
}

// Lines at 1, 2, 4, ... trees, and at the end.
void GbdtTrainer::Run::Report(int tree, Booster* booster, bool last) {
  if (!last && (tree & (tree - 1)) != 0) return;
  ProgressLine line;
  line.pass = tree;
  line.passes = job_.config.model.gbdt.trees;
  line.rows = static_cast<std::uint64_t>(tree) * train_.rows;
  line.elapsed_seconds = SecondsSince(grow_start_);
  line.rows_per_second = static_cast<double>(line.rows) / std::max(1e-9, line.elapsed_seconds);
  line.fraction_read = static_cast<double>(tree) / line.passes;
  line.eta_seconds = line.elapsed_seconds / tree * (line.passes - tree);
  line.features = bins_->columns.size();
  line.resident_bytes = ResidentBytes();
  if (!squared_) {
    line.logloss = MetricsOf(train_, booster->Margins()).logloss;
    if (valid_.rows.rows > 0) {
      const Metrics valid = MetricsOf(valid_.rows, valid_.margins);
      line.valid_logloss = valid.logloss;
      line.valid_auc = valid.auc;
    }
  }
  last ? reporter_.Final(line) : reporter_.Report(line);
}

absl::Status GbdtTrainer::Run::GrowTrees() {
  grow_start_ = Clock::now();
  Booster booster(&train_, &bins_->columns, params_, &crew_);
  base_score_ = booster.base_score();
  for (HeldOut* part : {&valid_, &test_}) {
    part->margins.assign(part->rows.rows, static_cast<float>(base_score_));
  }
  const int wanted = job_.config.model.gbdt.trees;
  best_trees_ = 0;
  for (int tree = 1; tree <= wanted && !stop_.load(); ++tree) {
    const auto start = Clock::now();
    trees_.push_back(booster.GrowNext());
    tree_seconds_.push_back(SecondsSince(start));
    if (valid_.rows.rows > 0) AddTree(trees_.back(), valid_.rows, &crew_, &valid_.margins);
    const bool enough = EarlyStop(tree);
    Report(tree, &booster, enough || tree == wanted);
    if (!enough) continue;
    reporter_.Say(absl::StrFormat(
        "early stop after tree %d: the first %d had the best validation loss", tree, best_trees_));
    break;
  }
  if (trees_.empty()) return StoppedBeforeLearningError();
  Finish(&booster);
  return absl::OkStatus();
}

void GbdtTrainer::Run::Finish(Booster* booster) {
  TreesResult trees;
  trees.grown = static_cast<int>(trees_.size());
  std::vector<float> margins = booster->Margins();
  if (job_.config.train.early_stopping && valid_.rows.rows > 0 && best_trees_ < trees.grown) {
    trees_.resize(static_cast<std::size_t>(std::max(best_trees_, 0)));
    for (auto [rows, to] :
         {std::pair{&train_, &margins}, std::pair{&valid_.rows, &valid_.margins}}) {
      to->assign(rows->rows, static_cast<float>(base_score_));
      for (const Tree& tree : trees_) AddTree(tree, *rows, &crew_, to);
    }
  }
  for (const Tree& tree : trees_) {
    if (test_.rows.rows > 0) AddTree(tree, test_.rows, &crew_, &test_.margins);
  }
  trees.trees = static_cast<int>(trees_.size());
  trees.squared = squared_;
  std::vector<double> seconds = tree_seconds_;
  std::nth_element(seconds.begin(),
                   seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  trees.median_tree_ms = 1e3 * seconds[seconds.size() / 2];
  const auto judge = [&](const BinnedRows& rows, const std::vector<float>& of_rows, double* rmse) {
    if (!squared_) return MetricsOf(rows, of_rows);
    *rmse = RootMeanSquare(of_rows, rows);
    return Metrics();
  };
  result_.train = judge(train_, margins, &trees.train_rmse);
  if (valid_.rows.rows > 0) result_.valid = judge(valid_.rows, valid_.margins, &trees.valid_rmse);
  if (test_.rows.rows > 0) result_.test = judge(test_.rows, test_.margins, &trees.test_rmse);
  result_.trees = trees;
}

absl::StatusOr<JobResult> GbdtTrainer::Run::Train() {
  const auto start = Clock::now();
  PS_RETURN_IF_ERROR(Load());
  PS_RETURN_IF_ERROR(CheckLabels());
  const double load_seconds = SecondsSince(start);
  PS_RETURN_IF_ERROR(GrowTrees());
  result_.trees->load_seconds = load_seconds;
  result_.rows_read = result_.rows_learnt = train_.rows;
  result_.rows_valid = valid_.rows.rows;
  result_.rows_test = test_.rows.rows;
  result_.passes = 1;
  result_.features = bins_->columns.size();
  result_.train_seconds = SecondsSince(grow_start_);
  result_.complete = !stop_.load();
  return result_;
}

absl::Status GbdtTrainer::Run::Export(BundleWriter* writer, BundleInfo* info) {
  TreeModel model;
  model.objective = params_.objective;
  model.base_score = base_score_;
  model.absent_is_zero = params_.grow.absent_is_zero;
  for (std::size_t c = 0; c < bins_->columns.size(); ++c) {
    const ValueColumn& source = bins_->sources[c];
    model.columns.push_back({bins_->columns[c].name, source.source, bins_->columns[c].kind,
                             source.text_is_missing, bins_->columns[c].categories});
  }
  model.trees = trees_;
  model.DropUnusedColumns();
  PS_RETURN_IF_ERROR(writer->AddFile(kTreesName, model.Serialize()));
  const GbdtConfig& gbdt = job_.config.model.gbdt;
  info->model_type = "gbdt";
  info->optimizer = absl::StrCat("gbdt ", gbdt.objective, " trees=", trees_.size(),
                                 " max_leaves=", gbdt.max_leaves,
                                 " learning_rate=", gbdt.learning_rate, " l2=", gbdt.l2);
  info->margin_offset = offset_;
  info->rows_learnt = result_.rows_learnt;
  info->complete = result_.complete;
  return absl::OkStatus();
}

GbdtTrainer::GbdtTrainer(const PreparedJob* job, ProgressReporter* reporter,
                         const std::atomic<bool>* stop)
    : run_(std::make_unique<Run>(job, reporter, stop)) {}
GbdtTrainer::~GbdtTrainer() = default;
absl::StatusOr<JobResult> GbdtTrainer::Train() { return run_->Train(); }
absl::Status GbdtTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  return run_->Export(writer, info);
}

}  // namespace ps
