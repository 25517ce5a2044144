#include "models/gbdt/booster.h"

#include <algorithm>

namespace ps {

Booster::Booster(const BinnedRows* rows, const std::vector<BinColumn>* columns, BoostParams params,
                 Crew* crew)
    : rows_(*rows),
      crew_(*crew),
      params_(params),
      sums_(LabelSums::Of(*rows, params.classes)),
      base_scores_(sums_.BaseScores(params.objective)),
      node_rows_(rows->rows),
      gradients_(rows, params, &node_rows_, crew),
      grower_(rows, columns, params.grow, &node_rows_, crew),
      trees_(params.first_tree) {
  if (rows->margins.empty()) {
    gradients_.Start(base_scores_);
  } else {
    gradients_.StartFrom(rows->margins);
  }
}

void Booster::GoOnAfter(const std::vector<Tree>& trees) {
  for (const Tree& tree : trees) {
    gradients_.BeginRound(trees_ / params_.classes);
    AddTree(tree, rows_, &crew_, gradients_.MutableMargins(), trees_ % params_.classes);
    ++trees_;
  }
}

Tree Booster::GrowNext() {
  const bool bounded = params_.objective != Objective::kSquared;
  const GradientScale scale =
      ScaleOf(params_.objective, sums_, bounded ? 0 : gradients_.LargestGradient());
  gradients_.Prepare(scale, trees_, [&](int thread, const RowGradient* rows, std::size_t count) {
    grower_.AddRootRows(thread, rows, count);
  });
  Tree tree = grower_.Grow(scale, TreeKey(params_.seed, trees_));
  gradients_.SetLeaves(trees_, &grower_.leaves(), tree.leaf_value);
  ++trees_;
  return tree;
}

namespace {

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

std::uint32_t LeafOfRow(const Tree& tree, const BinnedRows& rows, std::size_t row) {
  std::int32_t at = tree.nodes.empty() ? ~0 : 0;
  while (at >= 0) {
    const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
    at = GoesLeft(tree, node, BinAt(rows, row, node.column)) ? node.left : node.right;
  }
  return static_cast<std::uint32_t>(~at);
}

void AddTree(const Tree& tree, const BinnedRows& rows, Crew* crew, std::vector<float>* margins,
             std::size_t output) {
  constexpr std::size_t kRowsAtOnce = 8192;
  float* const to = margins->data() + output * rows.rows;
  crew->ForEach((rows.rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](int, std::size_t piece) {
    const std::size_t end = std::min(rows.rows, (piece + 1) * kRowsAtOnce);
    for (std::size_t row = piece * kRowsAtOnce; row < end; ++row) {
      to[row] += tree.leaf_value[LeafOfRow(tree, rows, row)];
    }
  });
}

}  // namespace ps
