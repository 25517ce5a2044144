#include "models/gbdt/tree_builder.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ps/base/key.h"

namespace ps {

SplitRules RulesOf(const GrowParams& params, const GradientScale& scale, bool sparse) {
  SplitRules rules;
  rules.scan.l1 = params.l1 / scale.gradient;
  rules.scan.l2 = params.l2 / scale.hessian;
  rules.scan.min_hessian = std::max(1.0, params.min_hessian / scale.hessian);
  rules.smooth_hessian = params.category_smooth / scale.hessian;
  rules.absent_is_zero = params.absent_is_zero && sparse;
  return rules;
}

std::vector<std::uint8_t> SampleColumns(std::size_t columns, double fraction, std::uint64_t key) {
  if (fraction >= 1 || columns == 0) return {};
  // Those of the smallest hashes.
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (std::size_t c = 0; c < columns; ++c) order.emplace_back(Mix64(key ^ Mix64(c)), c);
  const auto count =
      static_cast<std::size_t>(std::max(1.0, std::round(fraction * static_cast<double>(columns))));
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count) - 1,
                   order.end());
  std::vector<std::uint8_t> chosen(columns);
  for (std::size_t i = 0; i < count; ++i) chosen[order[i].second] = 1;
  return chosen;
}

void TreeBuilder::Begin(const GradientScale& scale, WideSum total) {
  scale_ = scale;
  rules_ = RulesOf(params_, scale, false);
  tree_ = Tree();
  leaves_.assign(1, Leaf());
  order_.clear();
  leaves_[0].total = total;
}

void TreeBuilder::SetBest(std::size_t leaf, const SplitChoice& best) {
  const double unit = scale_.gradient * scale_.gradient / scale_.hessian;
  Leaf& at = leaves_[leaf];
  at.best = best;
  // Scores of splits have a negative one of the node taken off already.
  const double own = std::max(0.0, BoundedScore(at.total, rules_.scan, at.bounds));
  if (best.score >= 0) at.gain = 0.5 * unit * (best.score - own);
  if (!Splittable(at)) return;
  order_.push_back(static_cast<std::uint32_t>(leaf));
  std::push_heap(order_.begin(), order_.end(), [this](auto a, auto b) { return HeapOrder(a, b); });
}

bool TreeBuilder::Splittable(const Leaf& leaf) const {
  // A gain that rounding alone could make is none.
  constexpr double kLeastGain = 1e-9;
  return leaf.gain > std::max(kLeastGain, params_.min_gain);
}

bool TreeBuilder::Before(const Leaf& a, const Leaf& b) const {
  if (params_.level_wise && a.depth != b.depth) return a.depth < b.depth;
  return a.gain != b.gain ? a.gain > b.gain : a.order < b.order;
}

void TreeBuilder::SkipNext() {
  std::pop_heap(order_.begin(), order_.end(), [this](auto a, auto b) { return HeapOrder(a, b); });
  order_.pop_back();
}

void TreeBuilder::SplitNext() {
  const std::size_t index = order_.front();
  SkipNext();
  const Leaf parent = leaves_[index];
  const SplitChoice& choice = parent.best;
  Leaf left, right;
  left.total = choice.left;
  right.total = parent.total - choice.left;
  left.depth = right.depth = parent.depth + 1;
  left.order = static_cast<std::int32_t>(2 * tree_.nodes.size() + 1);
  right.order = left.order + 1;
  left.parent = right.parent = static_cast<std::int32_t>(tree_.nodes.size());
  left.is_left = true;
  const std::array<ValueBounds, 2> bounds = BoundsOfChildren(
      choice, parent.total, parent.bounds, columns_[choice.column].direction, rules_.scan);
  left.bounds = bounds[0];
  right.bounds = bounds[1];
  TreeNode node;
  node.column = choice.column;
  node.kind = choice.kind;
  node.missing_left = choice.missing_left;
  node.gain = static_cast<float>(parent.gain);
  if (choice.kind == ColumnKind::kCategory) {
    node.left_set = static_cast<std::uint32_t>(tree_.left_sets.size());
    tree_.left_sets.push_back(choice.left_bins);
  } else {
    node.bin = choice.bin;
    const std::vector<float>& cuts = columns_[choice.column].cuts;
    // All values on the left, missing ones on the right: no value is above infinity.
    node.threshold = choice.bin <= cuts.size() ? cuts[choice.bin - 1u] : INFINITY;
  }
  if (parent.parent >= 0) {
    TreeNode& above = tree_.nodes[static_cast<std::size_t>(parent.parent)];
    (parent.is_left ? above.left : above.right) = static_cast<std::int32_t>(tree_.nodes.size());
  }
  tree_.nodes.push_back(node);
  leaves_[index] = left;
  leaves_.push_back(right);
}

Tree TreeBuilder::Finish(const std::vector<LeafSums>& sums) {
  for (std::size_t leaf = 0; leaf < leaves_.size(); ++leaf) {
    if (leaves_[leaf].parent < 0) continue;
    TreeNode& above = tree_.nodes[static_cast<std::size_t>(leaves_[leaf].parent)];
    (leaves_[leaf].is_left ? above.left : above.right) = ~static_cast<std::int32_t>(leaf);
  }
  FitLeaves(sums);
  return std::move(tree_);
}

// Leaves take the exact sums of their rows: rounding for the histograms chose the splits only.
void TreeBuilder::FitLeaves(const std::vector<LeafSums>& sums) {
  std::vector<double> cover(sums.size());
  const double value_unit = scale_.gradient / scale_.hessian;
  for (std::size_t leaf = 0; leaf < sums.size(); ++leaf) {
    const double g = static_cast<double>(sums[leaf].g) * scale_.gradient_fixed;
    cover[leaf] = static_cast<double>(sums[leaf].h) * scale_.hessian_fixed;
    const ValueBounds& bounds = leaves_[leaf].bounds;
    const double value = ValueBounds{bounds.low * value_unit, bounds.high * value_unit}.Clamp(
        FittedValue(params_, g, cover[leaf]));
    tree_.leaf_value.push_back(static_cast<float>(value * params_.learning_rate));
  }
  SetCovers(cover, &tree_);
}

double FittedValue(const GrowParams& params, double gradient, double hessian) {
  const double shrunk = std::copysign(std::max(0.0, std::fabs(gradient) - params.l1), gradient);
  const double divisor = hessian + params.l2;
  return divisor > 0 ? -shrunk / divisor : 0;
}

void SetCovers(const std::vector<double>& of_leaves, Tree* tree) {
  tree->leaf_cover.assign(of_leaves.begin(), of_leaves.end());
  // Nodes come after their parents: covers add up from the back.
  std::vector<double> of_nodes(tree->nodes.size());
  for (std::size_t n = tree->nodes.size(); n-- > 0;) {
    for (const std::int32_t child : {tree->nodes[n].left, tree->nodes[n].right}) {
      of_nodes[n] += child < 0 ? of_leaves[static_cast<std::size_t>(~child)]
                               : of_nodes[static_cast<std::size_t>(child)];
    }
    tree->nodes[n].cover = static_cast<float>(of_nodes[n]);
  }
}

}  // namespace ps
