#include "models/gbdt/gradient_rows.h"

#include <algorithm>
#include <cmath>

#include "kernels/softmax.h"
#include "models/gbdt/histogram_source.h"
#include "ps/base/key.h"

namespace ps {
namespace {

constexpr std::size_t kRowsAtOnce = 1024;
constexpr double kMostWide = 2147483647.0;

// The largest power of two that is at most x.
double PowerBelow(double x) { return std::exp2(std::floor(std::log2(x))); }

}  // namespace

std::vector<float> StartMargins(const std::vector<double>& base_scores, std::size_t rows) {
  std::vector<float> margins;
  margins.reserve(rows * base_scores.size());
  for (const double score : base_scores) margins.resize(margins.size() + rows, static_cast<float>(score));
  return margins;
}

LabelSums LabelSums::Of(const BinnedRows& rows, std::size_t first, std::size_t end,
                        std::uint32_t classes) {
  LabelSums sums;
  sums.rows = end - first;
  if (classes > 1) sums.of_class.resize(classes);
  for (std::size_t i = first; i < end; ++i) {
    const float weight = rows.weights.empty() ? 1 : rows.weights[i], label = rows.labels[i];
    sums.labels.Add(double{weight} * label);
    sums.weights.Add(weight);
    if (classes > 1) sums.of_class[static_cast<std::size_t>(label)].Add(weight);
    sums.heaviest = std::max(sums.heaviest, weight);
    sums.lowest = i == first ? label : std::min(sums.lowest, label);
    sums.highest = i == first ? label : std::max(sums.highest, label);
  }
  return sums;
}

void LabelSums::Merge(const LabelSums& other) {
  if (other.rows == 0) return;
  lowest = rows == 0 ? other.lowest : std::min(lowest, other.lowest);
  highest = rows == 0 ? other.highest : std::max(highest, other.highest);
  rows += other.rows;
  labels.Merge(other.labels);
  weights.Merge(other.weights);
  heaviest = std::max(heaviest, other.heaviest);
  of_class.resize(std::max(of_class.size(), other.of_class.size()));
  for (std::size_t c = 0; c < other.of_class.size(); ++c) of_class[c].Merge(other.of_class[c]);
}

// Labels that are all alike have no finite log odds: as if one row in two millions were otherwise.
std::vector<double> LabelSums::BaseScores(Objective objective) const {
  constexpr double kLeastShare = 5e-7;
  const double weight = weights.value();
  if (objective == Objective::kSoftmax) {
    std::vector<double> scores;
    for (const ExactSum& of : of_class) {
      const double share = weight > 0 ? of.value() / weight : 1 / static_cast<double>(of_class.size());
      scores.push_back(std::log(std::max(share, kLeastShare)));
    }
    return scores;
  }
  const double mean = weight > 0 ? labels.value() / weight : 0;
  if (objective == Objective::kSquared) return {mean};
  const double p = std::clamp(weight > 0 ? mean : 0.5, kLeastShare, 1 - kLeastShare);
  return {std::log(p / (1 - p))};
}

GradientScale ScaleOf(Objective objective, const LabelSums& sums, float largest) {
  const float heaviest = sums.heaviest > 0 ? sums.heaviest : 1;
  const bool classes = objective != Objective::kSquared;
  const float gradient_bound = classes ? heaviest : std::max(1e-30f, largest);
  const float most = objective == Objective::kSoftmax ? 0.5f : classes ? 0.25f : 1.0f;
  const float hessian_bound = most * heaviest;
  // Sums over all rows fit 32 bits.
  const auto rows = static_cast<double>(std::max<std::uint64_t>(1, sums.rows));
  const double gradient_steps = std::min<double>(kGradientSteps, std::floor(kMostWide / rows));
  const double hessian_steps = std::min<double>(kHessianSteps, std::floor(kMostWide / rows));
  GradientScale scale;
  scale.gradient = gradient_bound / gradient_steps;
  scale.hessian = hessian_bound / hessian_steps;
  constexpr double kFixed = 1 << 30;
  scale.gradient_fixed = 1 / PowerBelow(kFixed / gradient_bound);
  scale.hessian_fixed = 1 / PowerBelow(kFixed / hessian_bound);
  return scale;
}

std::uint64_t TreeKey(std::uint64_t seed, std::uint64_t tree) {
  return Mix64(Mix64(seed ^ 0x7472656573u) + tree);
}

std::uint64_t SampleKey(std::uint64_t seed, std::uint64_t tree) { return Mix64(seed) + tree; }

Quantisation QuantisationOf(const GradientScale& scale, std::uint64_t tree_key) {
  Quantisation q;
  q.key = static_cast<std::uint32_t>(tree_key >> 32);
  q.gradient_steps = static_cast<float>(1 / scale.gradient);
  q.hessian_steps = static_cast<float>(1 / scale.hessian);
  q.gradient_fixed = static_cast<float>(1 / scale.gradient_fixed);
  q.hessian_fixed = static_cast<float>(1 / scale.hessian_fixed);
  return q;
}

GradientRows::GradientRows(const BinnedRows* rows, BoostParams params, NodeRows* node_rows,
                           Crew* crew)
    : rows_(*rows), params_(params), node_rows_(*node_rows), crew_(*crew) {}

void GradientRows::Start(const std::vector<double>& base_scores) {
  margins_ = StartMargins(base_scores, rows_.rows);
  leaf_value_.clear();
  round_ = ~std::uint64_t{0};
}

void GradientRows::TakeOverTree(std::size_t block) {
  if (leaf_value_.empty()) return;
  const RowGradient* const rows = node_rows_.entries(block);
  float* const margins = margins_.data() + leaf_output_ * rows_.rows;
  for (std::size_t leaf = 0; leaf < leaf_value_.size(); ++leaf) {
    const NodeRows::Range range = (*leaves_)[leaf][block];
    for (std::uint32_t i = range.begin; i < range.end; ++i)
      margins[rows[i].row] += leaf_value_[leaf];
  }
}

std::vector<float>* GradientRows::MutableMargins() {
  crew_.ForEach(node_rows_.blocks(), [&](int, std::size_t block) { TakeOverTree(block); });
  leaf_value_.clear();
  return &margins_;
}

void GradientRows::FindNorms(std::size_t block) {
  const std::size_t first = node_rows_.first_row(block), size = node_rows_.block_size(block);
  for (std::size_t i = 0; i < size; i += kRowsAtOnce) {
    const std::size_t row = first + i, count = std::min(kRowsAtOnce, size - i);
    FindSoftmaxNorms(margins_.data() + row, rows_.rows, params_.classes, count,
                     largest_.data() + row, inverse_.data() + row);
  }
}

void GradientRows::BeginRound(std::uint64_t round) {
  if (params_.classes == 1 || round_ == round) return;
  MutableMargins();
  largest_.resize(rows_.rows);
  inverse_.resize(rows_.rows);
  crew_.ForEach(node_rows_.blocks(), [&](int, std::size_t block) { FindNorms(block); });
  round_ = round;
}

// Squared errors have no bound of their own.
float GradientRows::LargestGradient() {
  Margins();
  std::vector<float> largest(node_rows_.blocks());
  crew_.ForEach(node_rows_.blocks(), [&](int, std::size_t block) {
    const std::size_t first = node_rows_.first_row(block),
                      end = first + node_rows_.block_size(block);
    for (std::size_t i = first; i < end; ++i) {
      const float weight = rows_.weights.empty() ? 1.0f : rows_.weights[i];
      largest[block] = std::max(largest[block], weight * std::fabs(margins_[i] - rows_.labels[i]));
    }
  });
  float most = 0;
  for (const float of_block : largest) most = std::max(most, of_block);
  return most;
}

// Rows that the tree does not learn from stay in its nodes, without weight: their margins need the
// leaf.
void GradientRows::DropRows(std::uint64_t tree_key, std::uint64_t first_row, std::size_t count,
                            RowGradient* rows) {
  const auto kept = static_cast<std::uint64_t>(params_.row_sample * 0x1p53);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t global = params_.first_global_row + first_row + i;
    if ((Mix64(tree_key ^ Mix64(global)) >> 11) < kept) continue;
    rows[i].packed = 0;
    node_rows_.fixed()[first_row + i] = FixedGradient();
  }
}

void GradientRows::Gradients(std::size_t row, std::size_t count, std::uint64_t tree, float* gradient,
                             float* hessian) const {
  const float* const weights = rows_.weights.empty() ? nullptr : rows_.weights.data() + row;
  const float* const labels = rows_.labels.data() + row;
  if (params_.objective == Objective::kSoftmax) {
    const std::uint64_t number = tree % params_.classes;
    const SoftmaxClass of{margins_.data() + number * rows_.rows + row, largest_.data() + row, inverse_.data() + row,
                          static_cast<float>(number)};
    return SoftmaxGradients(of, labels, weights, count, gradient, hessian);
  }
  const auto gradients = params_.objective == Objective::kLogistic ? LogisticGradients : SquaredGradients;
  gradients(margins_.data() + row, labels, weights, count, gradient, hessian);
}

void GradientRows::PrepareBlock(int thread, std::size_t block, const Quantisation& q,
                                std::uint64_t tree, const AddRows& add) {
  TakeOverTree(block);
  const std::size_t first = node_rows_.first_row(block), size = node_rows_.block_size(block);
  float gradient[kRowsAtOnce], hessian[kRowsAtOnce];
  for (std::size_t i = 0; i < size; i += kRowsAtOnce) {
    const std::size_t row = first + i, count = std::min(kRowsAtOnce, size - i);
    Gradients(row, count, tree, gradient, hessian);
    RowGradient* const out = node_rows_.entries(block) + i;
    QuantiseGradients(q, gradient, hessian, count, static_cast<std::uint32_t>(row),
                      params_.first_global_row + row, out, node_rows_.fixed() + row);
    if (params_.row_sample < 1) DropRows(SampleKey(params_.seed, tree), row, count, out);
    add(thread, out, count);
  }
}

void GradientRows::Prepare(const GradientScale& scale, std::uint64_t tree, const AddRows& add) {
  BeginRound(tree / params_.classes);
  const Quantisation q = QuantisationOf(scale, TreeKey(params_.seed, tree));
  crew_.ForEach(node_rows_.blocks(),
                [&](int thread, std::size_t block) { PrepareBlock(thread, block, q, tree, add); });
  leaf_value_.clear();
}

}  // namespace ps
