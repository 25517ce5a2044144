// Trees in this process.
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "models/gbdt/booster.h"
#include "kernels/cuda/device.h"
#include "models/gbdt/device_booster.h"
#include "models/gbdt/device_input.h"
#include "models/gbdt/refit.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/mean_loss.h"
#include "trainer/gbdt/tree_maker.h"

namespace ps {
namespace {

class EmbeddedTrees final : public TreeMaker {
 public:
  explicit EmbeddedTrees(const TreeJob& job)
      : job_(job), finished_(*job.finished), grown_(finished_.size()) {}

  absl::StatusOr<TrainRows> Load(LoadedRows* held_out) override {
    const JobConfig& config = job_.job->config;
    const RowSplit split(config.train.seed, config.data.split, config.data.keep_negatives);
    PS_ASSIGN_OR_RETURN(LoadedRows loaded,
                        job_.cache->Load(job_.job->train, *job_.plan, *job_.bins, &split,
                                         job_.options));
    rows_ = std::move(loaded.train);
    TrainRows train{LabelSums::Of(rows_, job_.params.classes), {}, loaded.dropped, loaded.bad_rows,
                    loaded.bad_row_text};
    *held_out = std::move(loaded);
    if (rows_.rows >= 0xffffffffu)
      return absl::ResourceExhaustedError("data.train: more than 2^32 rows in one process");
    base_scores_ = StartScores(job_);
    if (base_scores_.empty()) base_scores_ = train.sums.BaseScores(job_.params.objective);
    train.base_scores = base_scores_;
    if (rows_.rows > 0) PS_RETURN_IF_ERROR(ChooseDevice(&train));
    return train;
  }

  absl::StatusOr<Tree> GrowNext() override {
    ++grown_;
    if (const auto& refit = job_.job->config.model.gbdt.refit; refit) {
      if (!refitter_)
        refitter_.emplace(&rows_, job_.params, &job_.start->trees, base_scores_, refit->decay, job_.crew);
      return refitter_->FitNext();
    }
    if (device_ != nullptr) return device_->GrowNext();
    if (!booster_) {
      booster_.emplace(&rows_, &job_.bins->columns, job_.params, job_.crew);
      booster_->GoOnAfter(std::exchange(finished_, {}));
    }
    return booster_->GrowNext();
  }

  absl::StatusOr<TrainMetrics> Judge(const std::vector<Tree>& trees) override {
    if (trees.size() == grown_ && device_ != nullptr) {
      PS_ASSIGN_OR_RETURN(const std::vector<float> margins, device_->Margins());
      return JudgeMargins(margins);
    }
    if (booster_ && trees.size() == grown_) return JudgeMargins(booster_->Margins());
    if (refitter_ && trees.size() == grown_) return JudgeMargins(refitter_->Margins());
    std::vector<float> margins = StartMargins(rows_, base_scores_);
    for (std::size_t t = 0; t < trees.size(); ++t)
      AddTree(trees[t], rows_, job_.crew, &margins, t % job_.params.classes);
    return JudgeMargins(margins);
  }

  const BinnedRows* rows() const override { return &rows_; }
  std::string device() const override { return device_ != nullptr ? "cuda" : "cpu"; }

 private:
  // The device where the job wants it and it can; says which of the two it is, and why.
  absl::Status ChooseDevice(TrainRows* train) {
    const std::string& wanted = job_.job->config.device;
    absl::Status refused = absl::FailedPreconditionError("device: cpu");
    if (wanted != "cpu") refused = StartOnDevice();
    if (device_ != nullptr) {
      train->device_text = absl::StrFormat("trees grow on %s: %d MiB of its memory",
                                           device_->device_name(), device_->memory_bytes() >> 20);
      return absl::OkStatus();
    }
    if (wanted == "cuda" || !IsWithoutDevice(refused)) return NoDeviceError(refused);
    train->device_text = absl::StrCat("trees grow on ", job_.crew->threads(),
                                      " threads of the processor: ", refused.message());
    return absl::OkStatus();
  }

  // On an error there is no device_, and nothing of it is left.
  absl::Status StartOnDevice() {
    PS_RETURN_IF_ERROR(CheckJobForDevice(job_.job->config));
    PS_ASSIGN_OR_RETURN(std::unique_ptr<DeviceBooster> device,
                        DeviceBooster::Make(&rows_, &job_.bins->columns, job_.params));
    PS_RETURN_IF_ERROR(device->GoOnAfter(finished_));
    finished_.clear();
    device_ = std::move(device);
    return absl::OkStatus();
  }

  TrainMetrics JudgeMargins(const std::vector<float>& margins) const {
    if (job_.params.objective == Objective::kSquared)
      return {.rmse = RootMeanSquare(rows_, margins, job_.crew)};
    if (job_.params.objective == Objective::kSoftmax)
      return {.classes = ClassMetricsOfRows(rows_, margins, job_.params.classes)};
    return {.metrics = MetricsOfRows(rows_, margins, job_.offset)};
  }

  const TreeJob job_;
  std::vector<Tree> finished_;  // by a process before, until the booster has them
  BinnedRows rows_;
  std::vector<double> base_scores_;
  std::unique_ptr<DeviceBooster> device_;  // where it was chosen; or:
  std::optional<Booster> booster_;         // from the first tree on; or:
  std::optional<TreeRefitter> refitter_;
  std::size_t grown_;
};

}  // namespace

Metrics MetricsOfRows(const BinnedRows& rows, std::vector<float> margins, double offset) {
  for (float& margin : margins) margin += static_cast<float>(offset);
  MetricState state;
  state.AddRows(margins, rows.labels, rows.weights);
  return state.Finish();
}

ClassMetrics ClassMetricsOfRows(const BinnedRows& rows, const std::vector<float>& margins, std::uint32_t classes) {
  ClassMetricState state(classes);
  state.AddColumns(margins, rows.labels, rows.weights);
  return state.Finish();
}

std::vector<float> StartMargins(const BinnedRows& rows, const std::vector<double>& base_scores) {
  return rows.margins.empty() ? StartMargins(base_scores, rows.rows) : rows.margins;
}

std::vector<double> StartScores(const TreeJob& job) {
  if (job.start == nullptr) return std::vector<double>(job.options.base != nullptr ? 1 : 0, 0.0);
  if (job.params.objective == Objective::kSoftmax) return job.start->class_scores;
  return {job.start->base_score};
}

absl::Status CheckJobForDevice(const JobConfig& config) {
  if (config.tune) return absl::FailedPreconditionError("tune tries settings on the processor");
  if (config.model.gbdt.refit)
    return absl::FailedPreconditionError("model.gbdt.refit fits leaves on the processor");
  return absl::OkStatus();
}

std::unique_ptr<TreeMaker> MakeEmbeddedTrees(const TreeJob& job) {
  return std::make_unique<EmbeddedTrees>(job);
}

}  // namespace ps
