// The state of one training of trees: what GbdtTrainer hides. One thread.
#pragma once

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/gbdt/device_margins.h"
#include "trainer/gbdt/gbdt_trainer.h"
#include "trainer/gbdt/mean_loss.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/tree_maker.h"
#include "trainer/gbdt/tree_runs.h"
#include "trainer/pass_log.h"

namespace ps {

class GbdtTrainer::Run {
 public:
  using Clock = std::chrono::steady_clock;

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

  absl::Status Check();
  absl::StatusOr<JobResult> Train();
  absl::Status Export(BundleWriter* writer, BundleInfo* info);
  absl::Status AfterExport() { return progress_->Clear(); }

 private:
  struct HeldOut {
    BinnedRows rows;
    std::vector<float> margins;                // once they are fetched
    std::unique_ptr<DeviceMargins> on_device;  // null: the processor predicts
    bool fetched = true;                       // else the device has newer ones
    absl::Status Fetch();
  };

  absl::Status Load();
  absl::Status CheckDevice() const;
  absl::Status ReadStart();
  void PlaceStart(LoadOptions* options);
  int wanted() const {  // rounds
    return refits() ? static_cast<int>(start_->trees.size() / params_.classes) : job_.config.model.gbdt.trees;
  }
  bool goes_on() const { return start_.has_value() && !refits(); }
  bool refits() const { return job_.config.model.gbdt.refit.has_value(); }
  absl::Status LoadFiles(const char* part, const DataFiles& files, const LoadOptions& options, HeldOut* to);
  absl::Status CheckLabels() const;
  void StartHeldOut();
  // What trees are judged by after each of them is predicted where they grow.
  absl::Status PlaceValid();
  // Trees [first, end) enter the margins. Internal: a device has failed.
  absl::Status AddTrees(std::size_t first, std::size_t end, HeldOut* part);
  absl::Status AddAllTrees(HeldOut* part) { return AddTrees(0, trees_.size(), part); }
  absl::Status GrowTrees();
  absl::Status CheckFinished(std::size_t trees) const;  // by an earlier run: no more than there shall be
  absl::StatusOr<bool> GrowRound(int round);  // false: stopped
  // What is told to the store of finished trees; its end is the job's.
  absl::Status Kept(absl::Status kept);
  absl::Status Tune();
  absl::Status Report(int round, bool last);
  absl::Status SetValid(ProgressLine* line);  // there are validation rows
  RowLoss judged_by() const { return {squared_, params_.classes, offset_}; }
  absl::StatusOr<double> ValidLoss();  // there are validation rows; of squared errors the root of the mean
  bool IsJudged() const { return job_.config.train.early_stopping.has_value() && valid_.rows.rows > 0; }
  absl::StatusOr<bool> EarlyStop(int round);
  Metrics MetricsOf(const BinnedRows& rows, const std::vector<float>& margins) const {
    return MetricsOfRows(rows, margins, offset_);
  }
  ClassMetrics ClassMetricsOf(const HeldOut& part) const {
    return ClassMetricsOfRows(part.rows, part.margins, params_.classes);
  }
  absl::Status Finish();
  absl::Status WriteValidLosses();  // where somebody wants them

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
  std::vector<float> best_margins_;  // of validation rows, with those; where early stopping judges
  Clock::time_point grow_start_;
  JobResult result_;
};

}  // namespace ps
