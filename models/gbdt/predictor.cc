#include "models/gbdt/predictor.h"

#include <algorithm>
#include <cmath>

namespace ps {
namespace {

constexpr std::uint32_t kMissingLeft = 1u << 31;
constexpr std::size_t kAtOnce = 8;  // walks

std::uint32_t WalkWithSets(const Tree& tree, const float* row) {
  std::int32_t at = tree.nodes.empty() ? ~0 : 0;
  while (at >= 0) {
    const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
    const float value = row[node.column];
    bool left;
    if (node.kind == ColumnKind::kCategory) {
      left = Contains(tree.left_sets[node.left_set],
                      value == value ? static_cast<std::uint8_t>(value) : 0);
    } else {
      left = value == value ? value < node.threshold : node.missing_left;
    }
    at = left ? node.left : node.right;
  }
  return static_cast<std::uint32_t>(~at);
}

}  // namespace

TreePredictor::TreePredictor(const TreeModel& model) : columns_(model.columns.size()) {
  for (std::size_t output = 0; output < model.outputs(); ++output) AddTrees(model, output);
}

void TreePredictor::AddTrees(const TreeModel& model, std::size_t output) {
  const std::size_t first = trees_.size();
  for (std::size_t t = output; t < model.trees.size(); t += model.outputs()) Flatten(model.trees[t]);
  outputs_.push_back({first, trees_.size(), model.BaseScore(output)});
}

void TreePredictor::Flatten(const Tree& tree) {
  Flat flat;
  flat.root = static_cast<std::uint32_t>(nodes_.size());
  flat.first_leaf = flat.root + static_cast<std::uint32_t>(tree.nodes.size());
  flat.categories = !tree.left_sets.empty();
  if (flat.categories) {
    flat.source = with_sets_.size();
    with_sets_.push_back(tree);
    trees_.push_back(flat);
    return;
  }
  const auto leaf_at = [&](std::int32_t leaf) {
    return flat.first_leaf + static_cast<std::uint32_t>(leaf);
  };
  std::vector<int> depth(tree.nodes.size(), 1);
  for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
    const TreeNode& node = tree.nodes[n];
    Node out;
    out.threshold = node.threshold;
    out.column = node.column | (node.missing_left ? kMissingLeft : 0);
    const std::int32_t children[2] = {node.right, node.left};
    for (int side = 0; side < 2; ++side) {
      const std::int32_t child = children[side];
      out.next[side] =
          child < 0 ? leaf_at(~child) : flat.root + static_cast<std::uint32_t>(child);
      if (child >= 0) depth[static_cast<std::size_t>(child)] = depth[n] + 1;
    }
    flat.depth = std::max(flat.depth, depth[n]);
    nodes_.push_back(out);
  }
  for (std::size_t leaf = 0; leaf < tree.leaf_value.size(); ++leaf) {
    const auto self = static_cast<std::uint32_t>(nodes_.size());
    nodes_.push_back({tree.leaf_value[leaf], 0, {self, self}});
  }
  trees_.push_back(flat);
}

// A step of a walk without a branch to mispredict. Comparisons with NaN are false.
#define PS_STEP(at, row)                                                         \
  do {                                                                           \
    const Node& node = nodes[at];                                                \
    const float value = (row)[node.column & ~kMissingLeft];                      \
    const bool below = value < node.threshold;                                   \
    const bool missing = (value != value) & ((node.column & kMissingLeft) != 0); \
    at = node.next[below | missing];                                             \
  } while (false)

double TreePredictor::Margin(const float* row, std::size_t output) const {
  const Node* const nodes = nodes_.data();
  const Output& of = outputs_[output];
  double sum = of.base_score;
  std::size_t t = of.first;
  for (; t + kAtOnce <= of.end; t += kAtOnce) {
    std::uint32_t at[kAtOnce];
    int depth = 0;
    bool sets = false;
    for (std::size_t i = 0; i < kAtOnce; ++i) {
      at[i] = trees_[t + i].root;
      depth = std::max(depth, trees_[t + i].depth);
      sets |= trees_[t + i].categories;
    }
    if (sets) break;
    for (int d = 0; d < depth; ++d) {
      for (std::size_t i = 0; i < kAtOnce; ++i) PS_STEP(at[i], row);
    }
    for (std::size_t i = 0; i < kAtOnce; ++i) sum += nodes[at[i]].threshold;
  }
  for (; t < of.end; ++t) sum += Leaf(trees_[t], row);
  return sum;
}

float TreePredictor::Leaf(const Flat& tree, const float* row) const {
  if (tree.categories) {
    const Tree& with_sets = with_sets_[tree.source];
    return with_sets.leaf_value[WalkWithSets(with_sets, row)];
  }
  const Node* const nodes = nodes_.data();
  std::uint32_t at = tree.root;
  for (int d = 0; d < tree.depth; ++d) PS_STEP(at, row);
  return nodes[at].threshold;
}

void TreePredictor::Leaves(const float* row, std::uint32_t* leaves) const {
  const Node* const nodes = nodes_.data();
  for (std::size_t first = 0; first < trees_.size(); first += kAtOnce) {
    const std::size_t count = std::min(kAtOnce, trees_.size() - first);
    const Flat* const trees = trees_.data() + first;
    std::uint32_t at[kAtOnce] = {};
    int depth = 0;
    for (std::size_t i = 0; i < count; ++i) {
      if (trees[i].categories) continue;  // at node 0 meanwhile
      at[i] = trees[i].root;
      depth = std::max(depth, trees[i].depth);
    }
    for (int d = 0; d < depth; ++d) {
      for (std::size_t i = 0; i < kAtOnce; ++i) PS_STEP(at[i], row);
    }
    for (std::size_t i = 0; i < count; ++i) {
      leaves[first + i] = trees[i].categories ? WalkWithSets(with_sets_[trees[i].source], row)
                                              : at[i] - trees[i].first_leaf;
    }
  }
}

void TreePredictor::MarginsAsGrown(const float* row, float* margins) const {
  for (std::size_t m = 0; m < outputs_.size(); ++m) {
    auto sum = static_cast<float>(outputs_[m].base_score);
    for (std::size_t t = outputs_[m].first; t < outputs_[m].end; ++t) sum += Leaf(trees_[t], row);
    margins[m] = sum;
  }
}

// Of kAtOnce rows; margins lie outputs() apart.
void TreePredictor::SomeMargins(const float* row, std::size_t output, float* margins) const {
  const Node* const nodes = nodes_.data();
  const Output& of = outputs_[output];
  double sum[kAtOnce];
  for (double& s : sum) s = of.base_score;
  for (std::size_t t = of.first; t < of.end; ++t) {
    const Flat& tree = trees_[t];
    if (tree.categories) {
      for (std::size_t i = 0; i < kAtOnce; ++i) sum[i] += Leaf(tree, row + i * columns_);
      continue;
    }
    std::uint32_t at[kAtOnce];
    for (std::uint32_t& a : at) a = tree.root;
    for (int d = 0; d < tree.depth; ++d) {
      for (std::size_t i = 0; i < kAtOnce; ++i) PS_STEP(at[i], row + i * columns_);
    }
    for (std::size_t i = 0; i < kAtOnce; ++i) sum[i] += nodes[at[i]].threshold;
  }
  for (std::size_t i = 0; i < kAtOnce; ++i) margins[i * outputs()] = static_cast<float>(sum[i]);
}

void TreePredictor::Margins(const float* rows, std::size_t count, float* margins) const {
  std::size_t first = 0;
  for (; first + kAtOnce <= count; first += kAtOnce) {
    for (std::size_t m = 0; m < outputs(); ++m)
      SomeMargins(rows + first * columns_, m, margins + first * outputs() + m);
  }
  for (; first < count; ++first) {
    for (std::size_t m = 0; m < outputs(); ++m)
      margins[first * outputs() + m] = static_cast<float>(Margin(rows + first * columns_, m));
  }
}

#undef PS_STEP

}  // namespace ps
