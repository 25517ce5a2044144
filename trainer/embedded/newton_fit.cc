#include "trainer/embedded/newton_fit.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// Of the objective, which the last step promised at most. What is left is in directions that are nearly flat: 300,000
// rows of ps_datagen (bench/optimum.py --sets= --rows 300000) end within 3e-5 of the minimum after 80 products, within 2e-6
// after 331; LIBLINEAR, with its usual tolerance, 1.5e-3 above it.
constexpr double kTolerance = 5e-5;

}  // namespace

NewtonFit::NewtonFit(const IdGroups* groups, int threads, const std::atomic<bool>* stop)
    : groups_(*groups), stop_(*stop), crew_(threads) {}

absl::Status NewtonFit::Add(const ResolvedRows& rows) {
  if (rows_.rows() + rows.rows > RowMatrix::kMostRows) {
    return absl::ResourceExhaustedError(absl::StrCat("newton_cg holds at most ", RowMatrix::kMostRows, " rows: set model.optimizer.type to ftrl"));
  }
  rows_.Add(rows);
  return absl::OkStatus();
}

absl::Status NewtonFit::Load(const RowSpool& rows, std::uint32_t bias) {
  PS_RETURN_IF_ERROR(rows.ForEach([this](const ResolvedBlock& block) {
    return stop_.load() ? absl::OkStatus() : Add(block.View());
  }));
  return Finish(bias);
}

absl::Status NewtonFit::Finish(std::uint32_t bias) {
  if (stop_.load()) return absl::CancelledError("stopped");
  rows_.Finish();
  for (const std::uint32_t id : rows_.column_ids()) group_.push_back(id == bias ? kNoGroup : groups_.Of(id));
  mean_squares_ = rows_.MeanSquares();
  weights_.assign(rows_.columns(), 0.0);
  solver_ = std::make_unique<NewtonSolver>(&rows_, &crew_, &stop_);
  return absl::OkStatus();
}

Metrics NewtonFit::TrainMetrics() const {
  constexpr std::size_t kRowsAtOnce = 4096;
  MetricState metrics;
  std::vector<float> margins;
  for (std::size_t begin = 0; begin < rows_.rows(); begin += kRowsAtOnce) {
    const absl::Span<const double> some = solver_->margins().subspan(begin, kRowsAtOnce);
    margins.assign(some.begin(), some.end());
    const auto of_some = [&](absl::Span<const float> of_rows) { return of_rows.empty() ? of_rows : of_rows.subspan(begin, kRowsAtOnce); };
    metrics.AddRows(margins, of_some(rows_.labels()), of_some(rows_.weights()));
  }
  return metrics.Finish();
}

absl::StatusOr<double> NewtonFit::LossOf(const RowSpool& rows, double offset) {
  LossSum sum;
  PS_RETURN_IF_ERROR(rows.ForEach([&](const ResolvedBlock& block) {
    RowMatrix part;
    part.AddLike(rows_, block.View());
    const LossSum of_part = SumLogLoss(part, weights_, offset, &crew_);
    sum.loss += of_part.loss;
    sum.weight += of_part.weight;
    return absl::OkStatus();
  }));
  return sum.loss / sum.weight;
}

absl::StatusOr<std::vector<float>> NewtonFit::Weights(std::size_t ids) const {
  std::vector<float> weights(ids);
  for (std::size_t j = 0; j < weights_.size(); ++j) {
    const auto weight = static_cast<float>(weights_[j]);
    if (!std::isfinite(weight)) {
      return absl::OutOfRangeError("diverged: weights are beyond all bounds. Raise model.optimizer.l2, or look for extreme feature values");
    }
    weights[rows_.column_ids()[j]] = weight;
  }
  return weights;
}

NewtonSolver::End NewtonFit::Fit(const OptimizerParams& setting) {
  std::vector<double> l2(static_cast<std::size_t>(groups_.size()), 1.0);
  if (setting.l2_evidence) {
    if (group_l2_.empty()) {
      looking_ = true;
      group_l2_ = FitGroupL2(group_, groups_.size(), mean_squares_, solver_.get(), &weights_);
      looking_ = false;
    }
    l2 = group_l2_;
  }
  return solver_->Minimize(ColumnL2(group_, l2, double{setting.l2}, mean_squares_), kTolerance, &weights_);
}

std::string NewtonFit::DescribeEvidence() const {
  if (group_l2_.empty()) return "";
  if (group_l2_.size() == 1) return absl::StrFormat("l2 by the evidence: %.2g", group_l2_[0]);
  std::vector<int> order(group_l2_.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [this](int a, int b) { return group_l2_[a] < group_l2_[b]; });
  std::string text = absl::StrCat("l2 by the evidence, of ", order.size(), " groups of features: ");
  constexpr std::size_t kMostTold = 40;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (i == kMostTold / 2 && order.size() > kMostTold) {  // those between are left out
      i = order.size() - kMostTold / 2;
      absl::StrAppend(&text, "; ...");
    }
    absl::StrAppendFormat(&text, "%s%s %.2g", i == 0 ? "" : "; ", groups_.name(order[i]), group_l2_[static_cast<std::size_t>(order[i])]);
  }
  return text;
}

}  // namespace ps
