#include "trainer/gbdt/gbdt_trainer.h"

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "models/gbdt/booster.h"
#include "ps/base/cgroup.h"
#include "ps/base/seconds.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/gbdt_trainer_run.h"
#include "trainer/gbdt/tree_bundle.h"
#include "trainer/gbdt/tree_tuning.h"
#include "trainer/row_losses.h"

namespace ps {
absl::Status GbdtTrainer::Run::HeldOut::Fetch() {
  if (!fetched) PS_RETURN_IF_ERROR(on_device->Copy(&margins));
  fetched = true;
  return absl::OkStatus();
}

absl::StatusOr<double> GbdtTrainer::Run::ValidLoss() {
  PS_RETURN_IF_ERROR(valid_.Fetch());
  return squared_ ? RootMeanSquare(valid_.rows, valid_.margins, &crew_)
                  : MeanLoss(judged_by(), valid_.rows, valid_.margins, &crew_);
}

absl::StatusOr<bool> GbdtTrainer::Run::EarlyStop(int round) {
  if (!IsJudged()) return false;
  PS_ASSIGN_OR_RETURN(const double loss, ValidLoss());
  const auto& early = *job_.config.train.early_stopping;
  if (loss < best_loss_ - early.min_delta) {
    best_loss_ = loss;
    best_rounds_ = round;
    best_margins_ = valid_.margins;
    return false;
  }
  return round - best_rounds_ >= early.patience;
}

absl::Status GbdtTrainer::Run::SetValid(ProgressLine* line) {
  PS_RETURN_IF_ERROR(valid_.Fetch());
  if (squared_) {
    PS_ASSIGN_OR_RETURN(line->valid_rmse, ValidLoss());
  } else if (softmax_) {
    const ClassMetrics valid = ClassMetricsOf(valid_);
    line->valid_logloss = valid.logloss;
    line->valid_auc = valid.auc_macro;
    line->valid_error = valid.error_rate;
  } else {
    const Metrics valid = MetricsOf(valid_.rows, valid_.margins);
    line->valid_logloss = valid.logloss;
    line->valid_auc = valid.auc;
  }
  return absl::OkStatus();
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
  PS_ASSIGN_OR_RETURN(const TrainMetrics train, maker_->Judge(trees_));
  if (squared_) {
    line.rmse = train.rmse;
  } else {
    line.logloss = softmax_ ? train.classes.logloss : train.metrics.logloss;
  }
  if (valid_.rows.rows > 0) PS_RETURN_IF_ERROR(SetValid(&line));
  last ? reporter_.Final(line) : reporter_.Report(line);
  return absl::OkStatus();
}

void GbdtTrainer::Run::StartHeldOut() {
  for (HeldOut* part : {&valid_, &test_}) part->margins = StartMargins(part->rows, train_.base_scores);
}

absl::Status GbdtTrainer::Run::PlaceValid() {
  if (maker_->device() != "cuda" || cluster_ || valid_.rows.rows == 0) return absl::OkStatus();
  absl::StatusOr<std::unique_ptr<DeviceMargins>> placed = DeviceMargins::Make(&valid_.rows, valid_.margins);
  if (absl::IsResourceExhausted(placed.status())) {
    say_(absl::StrCat("validation rows are predicted on the processor: ", placed.status().message()));
    return absl::OkStatus();
  }
  PS_RETURN_IF_ERROR(placed.status());
  valid_.on_device = *std::move(placed);
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::AddTrees(std::size_t first, std::size_t end, HeldOut* part) {
  if (part->rows.rows == 0) return absl::OkStatus();
  for (std::size_t t = first; t < end; ++t) {
    if (part->on_device != nullptr) {
      const absl::Status added = part->on_device->Add(trees_[t], t % params_.classes);
      if (added.ok()) part->fetched = false;
      if (added.ok()) continue;
      if (!absl::IsResourceExhausted(added)) return added;
      say_(absl::StrCat(added.message(), "; from here on validation rows are predicted on the processor"));
      PS_RETURN_IF_ERROR(part->Fetch());
      part->on_device.reset();
    }
    AddTree(trees_[t], part->rows, &crew_, &part->margins, t % params_.classes);
  }
  return absl::OkStatus();
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
  PS_RETURN_IF_ERROR(AddTrees(first, end, &valid_));
  return true;
}

absl::Status GbdtTrainer::Run::CheckFinished(std::size_t trees) const {
  if (trees <= static_cast<std::size_t>(wanted()) * params_.classes) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("an earlier run of the job has ", trees / params_.classes, softmax_ ? " rounds of trees" : " trees",
                   " already, but model.gbdt.trees is ", wanted(), ": set it to as many or more, or, ",
                   progress_->HowToBeginAnew()));
}

absl::Status GbdtTrainer::Run::GrowTrees() {
  grow_start_ = Clock::now();
  StartHeldOut();
  PS_RETURN_IF_ERROR(PlaceValid());
  best_rounds_ = 0;
  if ((start_ || base_ != nullptr) && valid_.rows.rows > 0) {
    PS_ASSIGN_OR_RETURN(best_loss_, ValidLoss());
  }
  if (IsJudged()) best_margins_ = valid_.margins;
  const std::size_t had = trees_.size();
  PS_RETURN_IF_ERROR(CheckFinished(had));
  for (int round = 1; round <= wanted(); ++round) {
    PS_ASSIGN_OR_RETURN(const bool grown, GrowRound(round));
    if (!grown) break;
    PS_ASSIGN_OR_RETURN(const bool enough, EarlyStop(round));
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
  PS_RETURN_IF_ERROR(AddAllTrees(&valid_));
  PS_RETURN_IF_ERROR(Finish());
  result_.trees->grown = static_cast<int>(tuned.grown * params_.classes);
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::Finish() {
  TreesResult trees;
  trees.grown = static_cast<int>(trees_.size());
  const std::size_t best = static_cast<std::size_t>(std::max(best_rounds_, 0)) * params_.classes;
  if (IsJudged() && best < trees_.size()) {
    trees_.resize(best);
    valid_.margins = std::move(best_margins_);
    valid_.fetched = true;
    valid_.on_device.reset();
  }
  PS_RETURN_IF_ERROR(valid_.Fetch());
  PS_RETURN_IF_ERROR(AddAllTrees(&test_));
  trees.trees = static_cast<int>(trees_.size() + (goes_on() ? start_->trees.size() : 0));
  trees.squared = squared_;
  std::vector<double> seconds = tree_seconds_;
  std::nth_element(seconds.begin(),
                   seconds.begin() + static_cast<std::ptrdiff_t>(seconds.size() / 2),
                   seconds.end());
  if (!seconds.empty()) trees.median_tree_ms = 1e3 * seconds[seconds.size() / 2];
  const auto judge = [&](const BinnedRows& rows, const std::vector<float>& of_rows, double* rmse) {
    if (!squared_) return MetricsOf(rows, of_rows);
    *rmse = RootMeanSquare(rows, of_rows, &crew_);
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
  result_.device = maker_->device();
  trees.steps = made.steps;
  trees.attempts = made.attempts > 0 ? progress_->attempts_before() + made.attempts : 0;
  trees.distribution = made.distribution;
  trees.estimate_by_rows = made.estimate_by_rows;
  trees.estimate_by_columns = made.estimate_by_columns;
  result_.trees = trees;
  if (const absl::Status kept = WriteValidLosses(); !kept.ok()) reporter_.Say(LossesNotKept(kept));
  return absl::OkStatus();
}

absl::Status GbdtTrainer::Run::WriteValidLosses() {
  const BinnedRows& rows = valid_.rows;
  if (job_.valid_losses.empty() || rows.rows == 0) return absl::OkStatus();
  std::vector<float> losses;
  MeanLoss(judged_by(), rows, valid_.margins, &crew_, &losses);
  PS_ASSIGN_OR_RETURN(RowLossFile file, RowLossFile::Create(job_.valid_losses));
  file.Add(losses, rows.labels, rows.weights);
  return file.Finish();
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
absl::Status GbdtTrainer::Check() { return run_->Check(); }
absl::StatusOr<JobResult> GbdtTrainer::Train() { return run_->Train(); }
absl::Status GbdtTrainer::Export(BundleWriter* writer, BundleInfo* info) {
  return run_->Export(writer, info);
}

}  // namespace ps
