#include "models/gbdt/refit.h"

#include <algorithm>

#include "models/gbdt/booster.h"

namespace ps {
namespace {

constexpr std::size_t kRowsAtOnce = 8192;

}  // namespace

TreeRefitter::TreeRefitter(const BinnedRows* rows, BoostParams params,
                           const std::vector<Tree>* trees,
                           const std::vector<double>& base_scores, double decay, Crew* crew)
    : rows_(*rows),
      params_(params),
      trees_(*trees),
      decay_(decay),
      sums_(LabelSums::Of(*rows, params.classes)),
      crew_(*crew),
      node_rows_(rows->rows),
      gradients_(rows, params, &node_rows_, crew),
      leaf_of_row_(rows->rows) {
  gradients_.Start(base_scores);
}

std::vector<LeafSums> TreeRefitter::SumLeaves(const Tree& tree) {
  std::vector<std::vector<LeafSums>> of_thread(static_cast<std::size_t>(crew_.threads()));
  for (std::vector<LeafSums>& sums : of_thread) sums.resize(tree.leaf_value.size());
  crew_.ForEach((rows_.rows + kRowsAtOnce - 1) / kRowsAtOnce, [&](int thread, std::size_t piece) {
    std::vector<LeafSums>& sums = of_thread[static_cast<std::size_t>(thread)];
    const std::size_t end = std::min(rows_.rows, (piece + 1) * kRowsAtOnce);
    for (std::size_t row = piece * kRowsAtOnce; row < end; ++row) {
      const std::uint32_t leaf = leaf_of_row_[row] = LeafOfRow(tree, rows_, row);
      sums[leaf].g += node_rows_.fixed()[row].g;
      sums[leaf].h += node_rows_.fixed()[row].h;
    }
  });
  std::vector<LeafSums> sums(tree.leaf_value.size());
  for (const std::vector<LeafSums>& part : of_thread) {
    for (std::size_t leaf = 0; leaf < sums.size(); ++leaf) {
      sums[leaf].g += part[leaf].g;
      sums[leaf].h += part[leaf].h;
    }
  }
  return sums;
}

Tree TreeRefitter::FitNext() {
  Tree tree = trees_[next_];
  const bool bounded = params_.objective != Objective::kSquared;
  const GradientScale scale =
      ScaleOf(params_.objective, sums_, bounded ? 0 : gradients_.LargestGradient());
  gradients_.Prepare(scale, next_, [](int, const RowGradient*, std::size_t) {});
  const std::vector<LeafSums> sums = SumLeaves(tree);
  std::vector<double> cover(sums.size());
  for (std::size_t leaf = 0; leaf < sums.size(); ++leaf) {
    const double g = static_cast<double>(sums[leaf].g) * scale.gradient_fixed;
    cover[leaf] = static_cast<double>(sums[leaf].h) * scale.hessian_fixed;
    if (cover[leaf] <= 0) continue;
    const double fitted = FittedValue(params_.grow, g, cover[leaf]) * params_.grow.learning_rate;
    tree.leaf_value[leaf] =
        static_cast<float>(decay_ * double{tree.leaf_value[leaf]} + (1 - decay_) * fitted);
  }
  SetCovers(cover, &tree);
  float* const margins = gradients_.MutableMargins()->data() + next_ % params_.classes * rows_.rows;
  for (std::size_t row = 0; row < rows_.rows; ++row)
    margins[row] += tree.leaf_value[leaf_of_row_[row]];
  ++next_;
  return tree;
}

}  // namespace ps
