// Trees in this process.
#include <cmath>
#include <utility>

#include "models/gbdt/booster.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/tree_maker.h"

namespace ps {
namespace {

class EmbeddedTrees final : public TreeMaker {
 public:
  explicit EmbeddedTrees(const TreeJob& job) : job_(job) {}

  absl::StatusOr<TrainRows> Load(LoadedRows* held_out) override {
    const JobConfig& config = job_.job->config;
    const RowSplit split(config.train.seed, config.data.split, config.data.keep_negatives);
    PS_ASSIGN_OR_RETURN(LoadedRows loaded,
                        LoadRows(job_.job->train, *job_.plan, *job_.bins, &split, job_.options));
    rows_ = std::move(loaded.train);
    TrainRows train{LabelSums::Of(rows_), 0, loaded.dropped, loaded.bad_rows, loaded.bad_row_text};
    *held_out = std::move(loaded);
    if (rows_.rows >= 0xffffffffu)
      return absl::ResourceExhaustedError("data.train: more than 2^32 rows in one process");
    base_score_ = train.base_score = train.sums.BaseScore(job_.params.objective);
    return train;
  }

  absl::StatusOr<Tree> GrowNext() override {
    if (!booster_) booster_.emplace(&rows_, &job_.bins->columns, job_.params, job_.crew);
    ++grown_;
    return booster_->GrowNext();
  }

  absl::StatusOr<TrainMetrics> Judge(const std::vector<Tree>& trees) override {
    if (booster_ && trees.size() == grown_) return JudgeMargins(booster_->Margins());
    std::vector<float> margins(rows_.rows, static_cast<float>(base_score_));
    for (const Tree& tree : trees) AddTree(tree, rows_, job_.crew, &margins);
    return JudgeMargins(margins);
  }

  const BinnedRows* rows() const override { return &rows_; }

 private:
  TrainMetrics JudgeMargins(const std::vector<float>& margins) const {
    if (job_.params.objective == Objective::kSquared)
      return {Metrics(), RootMeanSquare(margins, rows_)};
    return {MetricsOfRows(rows_, margins, job_.offset), 0};
  }

  const TreeJob job_;
  BinnedRows rows_;
  double base_score_ = 0;
  std::optional<Booster> booster_;  // from the first tree on
  std::size_t grown_ = 0;
};

}  // namespace

Metrics MetricsOfRows(const BinnedRows& rows, std::vector<float> margins, double offset) {
  for (float& margin : margins) margin += static_cast<float>(offset);
  MetricState state;
  state.AddRows(margins, rows.labels, rows.weights);
  return state.Finish();
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

std::unique_ptr<TreeMaker> MakeEmbeddedTrees(const TreeJob& job) {
  return std::make_unique<EmbeddedTrees>(job);
}

}  // namespace ps
