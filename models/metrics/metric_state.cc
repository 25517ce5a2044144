#include <algorithm>
#include <cmath>

#include "absl/base/attributes.h"
#include "models/metrics/logistic_loss.h"
#include "models/metrics/metrics.h"

namespace ps {
namespace {

int BinOf(double margin) {
  constexpr double kScale = MetricState::kBins / (2 * MetricState::kRange);
  // Ordered so that a NaN ends in bin 0.
  const double position = std::max(0.0, (margin + MetricState::kRange) * kScale);
  return static_cast<int>(std::min<double>(MetricState::kBins - 1, position));
}

// Knuth's two-sum: *sum becomes the rounded sum, *error collects what rounding lost. The chain
// through *sum is one addition long, and an infinite term leaves *sum infinite instead of NaN.
inline void CompensatedAdd(double term, double* sum, double* error) {
  const double total = *sum + term;
  const double seen = total - *sum;
  *error += (*sum - (total - seen)) + (term - seen);
  *sum = total;
}

}  // namespace

double LogLoss(double margin, double label) {
  const double tail = std::log1p(std::exp(-std::fabs(margin)));
  // Written per class so that an infinite margin never meets a zero factor.
  if (label == 1) return tail + std::max(-margin, 0.0);
  if (label == 0) return tail + std::max(margin, 0.0);
  return tail + std::max(margin, 0.0) - label * margin;
}

double Sigmoid(double margin) {
  const double e = std::exp(-std::fabs(margin));
  return (margin < 0 ? e : 1.0) / (1 + e);
}

// Free of branches: neither the label nor the sign of the margin can be predicted well. Inlined by
// force: the sums stay in registers only then, which halves the time of a row.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline void MetricState::AddRow(const LogisticTable& table,
                                                             const Row& row, Bin* bins,
                                                             Sums* sums) {
  const LogisticTable::Value value = table.At(std::fabs(row.margin));
  const double wrong_side = std::copysign(1.0, 0.5 - row.label) * row.margin;
  const double loss = value.softplus + std::max(wrong_side, 0.0);  // a NaN stays
  const double weight = row.weight;
  const double probability = weight * (0.5 + std::copysign(0.5 - value.sigmoid, row.margin));
  const double positive = weight * row.label;

  Bin& bin = bins[BinOf(row.margin)];
  bin.positives += positive;
  bin.negatives += weight - positive;
  bin.prediction += probability;

  sums->rows += weight;
  sums->positives += positive;
  sums->prediction += probability;
  const double weighted = weight * loss;
  CompensatedAdd(weighted, &sums->loss, &sums->loss_compensation);
  sums->loss_square += weighted * weighted;
  sums->weighted_loss += weight * weighted;
  sums->weight_square += weight * weight;
}

void MetricState::Add(double margin, float label, float weight) {
  if (bins_.empty()) bins_.resize(kBins);
  AddRow(LogisticTable::Get(), {margin, label, weight}, bins_.data(), &sums_);
}

void MetricState::AddRows(absl::Span<const float> margins, absl::Span<const float> labels,
                          absl::Span<const float> weights) {
  if (margins.empty()) return;
  if (bins_.empty()) bins_.resize(kBins);
  Sums sums = sums_;  // in registers for the loop
  const LogisticTable& table = LogisticTable::Get();
  Bin* const bins = bins_.data();
  for (std::size_t i = 0; i < margins.size(); ++i) {
    AddRow(table, {margins[i], labels[i], weights.empty() ? 1.0f : weights[i]}, bins, &sums);
  }
  sums_ = sums;
}

void MetricState::Merge(const MetricState& other) {
  if (other.bins_.empty()) return;
  if (bins_.empty()) bins_.resize(kBins);
  for (int b = 0; b < kBins; ++b) {
    bins_[b].positives += other.bins_[b].positives;
    bins_[b].negatives += other.bins_[b].negatives;
    bins_[b].prediction += other.bins_[b].prediction;
  }
  const Sums& add = other.sums_;
  sums_.rows += add.rows;
  sums_.positives += add.positives;
  sums_.prediction += add.prediction;
  CompensatedAdd(add.loss, &sums_.loss, &sums_.loss_compensation);
  sums_.loss_compensation += add.loss_compensation;
  sums_.loss_square += add.loss_square;
  sums_.weighted_loss += add.weighted_loss;
  sums_.weight_square += add.weight_square;
}

void MetricState::Clear() {
  bins_.clear();  // keeps the memory; the next Add fills it with zeros
  sums_ = Sums();
}

}  // namespace ps
