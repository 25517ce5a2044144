#include "models/gbdt/booster.h"

#include <algorithm>
#include <cmath>

#include "ps/base/key.h"

namespace ps {
namespace {

constexpr std::size_t kPieceRows = 1024;
constexpr double kMostWide = 2147483647.0;

// Labels that are all alike have no finite log odds: as if one row in two millions were otherwise.
double BaseScore(const BinnedRows& rows, Objective objective) {
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < rows.rows; ++i) {
    const double weight = rows.weights.empty() ? 1 : rows.weights[i];
    sum += weight * rows.labels[i];
    weights += weight;
  }
  const double mean = weights > 0 ? sum / weights : 0;
  if (objective == Objective::kSquared) return mean;
  const double p = std::clamp(weights > 0 ? mean : 0.5, 5e-7, 1 - 5e-7);
  return std::log(p / (1 - p));
}

// The largest power of two that is at most x.
double PowerBelow(double x) { return std::exp2(std::floor(std::log2(x))); }

}  // namespace

Booster::Booster(const BinnedRows* rows, const std::vector<BinColumn>* columns, BoostParams params,
                 Crew* crew)
    : rows_(*rows),
      params_(params),
      crew_(*crew),
      node_rows_(rows->rows),
      grower_(rows, columns, params.grow, &node_rows_, crew),
      base_score_(BaseScore(*rows, params.objective)),
      margins_(rows->rows, static_cast<float>(base_score_)) {
  float heaviest = rows->weights.empty() ? 1.0f : 0.0f;
  for (const float weight : rows->weights) heaviest = std::max(heaviest, weight);
  if (heaviest <= 0) heaviest = 1;
  gradient_bound_ = heaviest;
  hessian_bound_ = params.objective == Objective::kLogistic ? 0.25f * heaviest : heaviest;
}

void Booster::TakeOverTree(std::size_t block) {
  if (leaf_value_.empty()) return;
  const RowGradient* const rows = node_rows_.entries(block);
  for (std::size_t leaf = 0; leaf < leaf_value_.size(); ++leaf) {
    const NodeRows::Range range = grower_.leaves()[leaf][block];
    for (std::uint32_t i = range.begin; i < range.end; ++i)
      margins_[rows[i].row] += leaf_value_[leaf];
  }
}

const std::vector<float>& Booster::Margins() {
  crew_.ForEach(node_rows_.blocks(), [&](int, std::size_t block) { TakeOverTree(block); });
  leaf_value_.clear();
  return margins_;
}

// Squared errors have no bound of their own.
void Booster::LargestGradient() {
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
  gradient_bound_ = std::max(1e-30f, *std::max_element(largest.begin(), largest.end()));
}

void Booster::SetScale() {
  if (params_.objective == Objective::kSquared) LargestGradient();
  // Sums over all rows fit 32 bits.
  const auto rows = static_cast<double>(std::max<std::size_t>(1, rows_.rows));
  const double gradient_steps = std::min<double>(kGradientSteps, std::floor(kMostWide / rows));
  const double hessian_steps = std::min<double>(kHessianSteps, std::floor(kMostWide / rows));
  scale_.gradient = gradient_bound_ / gradient_steps;
  scale_.hessian = hessian_bound_ / hessian_steps;
  constexpr double kFixed = 1 << 30;
  scale_.gradient_fixed = 1 / PowerBelow(kFixed / gradient_bound_);
  scale_.hessian_fixed = 1 / PowerBelow(kFixed / hessian_bound_);
}

// Rows that the tree does not learn from stay in its nodes, without weight: their margins need the
// leaf.
void Booster::DropRows(std::uint64_t tree_key, std::uint64_t first_row, std::size_t count,
                       RowGradient* rows) {
  const auto kept = static_cast<std::uint64_t>(params_.row_sample * 0x1p53);
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t global = params_.first_global_row + first_row + i;
    if ((Mix64(tree_key ^ Mix64(global)) >> 11) < kept) continue;
    rows[i].packed = 0;
    node_rows_.fixed()[first_row + i] = FixedGradient();
  }
}

void Booster::PrepareBlock(int thread, std::size_t block, const Quantisation& q) {
  TakeOverTree(block);
  const std::size_t first = node_rows_.first_row(block), size = node_rows_.block_size(block);
  float gradient[kPieceRows], hessian[kPieceRows];
  for (std::size_t i = 0; i < size; i += kPieceRows) {
    const std::size_t row = first + i, count = std::min(kPieceRows, size - i);
    const float* const weights = rows_.weights.empty() ? nullptr : rows_.weights.data() + row;
    const auto gradients =
        params_.objective == Objective::kLogistic ? LogisticGradients : SquaredGradients;
    gradients(margins_.data() + row, rows_.labels.data() + row, weights, count, gradient, hessian);
    RowGradient* const out = node_rows_.entries(block) + i;
    QuantiseGradients(q, gradient, hessian, count, static_cast<std::uint32_t>(row),
                      params_.first_global_row + row, out, node_rows_.fixed() + row);
    if (params_.row_sample < 1) DropRows(Mix64(params_.seed) + trees_, row, count, out);
    grower_.AddRootRows(thread, out, count);
  }
}

Tree Booster::GrowNext() {
  SetScale();
  const std::uint64_t key = Mix64(Mix64(params_.seed ^ 0x7472656573u) + trees_);
  Quantisation q;
  q.key = static_cast<std::uint32_t>(key >> 32);
  q.gradient_steps = static_cast<float>(1 / scale_.gradient);
  q.hessian_steps = static_cast<float>(1 / scale_.hessian);
  q.gradient_fixed = static_cast<float>(1 / scale_.gradient_fixed);
  q.hessian_fixed = static_cast<float>(1 / scale_.hessian_fixed);
  crew_.ForEach(node_rows_.blocks(),
                [&](int thread, std::size_t block) { PrepareBlock(thread, block, q); });
  Tree tree = grower_.Grow(scale_, key);
  leaf_value_ = tree.leaf_value;
  ++trees_;
  return tree;
}

namespace {

bool GoesLeft(const Tree& tree, const TreeNode& node, std::uint8_t bin) {
  if (node.kind == ColumnKind::kCategory) return Contains(tree.left_sets[node.left_set], bin);
  return bin == 0 ? node.missing_left : bin <= node.bin;
}

std::uint8_t BinAt(const BinnedRows& rows, std::size_t row, std::uint32_t column) {
  if (!rows.sparse) return rows.bins[row * rows.stride + column];
  const std::uint32_t* const end = rows.cells.data() + rows.row_begin[row + 1];
  const std::uint32_t* const at =
      std::lower_bound(rows.cells.data() + rows.row_begin[row], end, rows.first_cell[column]);
  return at != end && *at < rows.first_cell[column + 1]
             ? static_cast<std::uint8_t>(*at - rows.first_cell[column] + 1)
             : 0;
}

}  // namespace

void AddTree(const Tree& tree, const BinnedRows& rows, Crew* crew, std::vector<float>* margins) {
  constexpr std::size_t kRowsAtOnce = 8192;
  crew->ForEach((rows.rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](int, std::size_t piece) {
    const std::size_t end = std::min(rows.rows, (piece + 1) * kRowsAtOnce);
    for (std::size_t row = piece * kRowsAtOnce; row < end; ++row) {
      std::int32_t at = tree.nodes.empty() ? ~0 : 0;
      while (at >= 0) {
        const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
        at = GoesLeft(tree, node, BinAt(rows, row, node.column)) ? node.left : node.right;
      }
      (*margins)[row] += tree.leaf_value[static_cast<std::size_t>(~at)];
    }
  });
}

}  // namespace ps
