#include "models/gbdt/predictor.h"

#include <algorithm>
#include <bit>
#include <memory>

#include "absl/container/inlined_vector.h"

namespace ps {
namespace {

constexpr std::uint32_t kMissingLeft = 1u << 31;
constexpr std::size_t kAtOnce = 8;  // walks
constexpr std::size_t kLeavesOfAWord = 32;
// Tests by masks that take as long as a walk's step: many rows' at a time, and one row's.
constexpr std::size_t kTestsOfAStep = 64, kRowTestsOfAStep = 16;
constexpr std::size_t kOneByOne = 8;  // rows
// Of what masks are made of: beyond, they would not be smaller than a walk's nodes, and their numbers not fit 32 bits.
constexpr std::size_t kMostLeaves = 4096, kMostTests = 1 << 26, kMostColumns = 1 << 26;

// Of a categorical column's value. What is no bin is a missing value.
std::uint8_t BinOf(float value) { return value >= 0 && value < 256 ? static_cast<std::uint8_t>(value) : 0; }

std::uint32_t WalkWithSets(const Tree& tree, const float* row) {
  std::int32_t at = tree.nodes.empty() ? ~0 : 0;
  while (at >= 0) {
    const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
    const float value = row[node.column];
    bool left;
    if (node.kind == ColumnKind::kCategory) {
      left = Contains(tree.left_sets[node.left_set], BinOf(value));
    } else {
      left = value == value ? value < node.threshold : node.missing_left;
    }
    at = left ? node.left : node.right;
  }
  return static_cast<std::uint32_t>(~at);
}

// Leaves below each node; those on its left come first. Nodes come before their children.
struct LeafOrder {
  std::vector<std::uint32_t> first, count, below_left;  // of each node
  std::vector<std::uint32_t> leaf_at;                   // by place from the left

  explicit LeafOrder(const Tree& tree)
      : first(tree.nodes.size()), count(tree.nodes.size()), below_left(tree.nodes.size()), leaf_at(tree.leaf_value.size()) {
    const auto below = [&](std::int32_t child) { return child < 0 ? 1 : count[static_cast<std::size_t>(child)]; };
    for (std::size_t n = tree.nodes.size(); n-- > 0;) {
      below_left[n] = below(tree.nodes[n].left);
      count[n] = below_left[n] + below(tree.nodes[n].right);
    }
    const auto place = [&](std::int32_t child, std::uint32_t at) {
      if (child >= 0) {
        first[static_cast<std::size_t>(child)] = at;
      } else {
        leaf_at[at] = static_cast<std::uint32_t>(~child);
      }
    };
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
      place(tree.nodes[n].left, first[n]);
      place(tree.nodes[n].right, first[n] + below_left[n]);
    }
  }
};

std::uint32_t Number(std::size_t n) { return static_cast<std::uint32_t>(n); }

}  // namespace

TreePredictor::TreePredictor(const TreeModel& model, Way way) : columns_(model.columns.size()) {
  for (std::size_t output = 0; output < model.outputs(); ++output) {
    Output of{trees_.size(), 0, row_masks_.words(), 0, model.BaseScore(output)};
    for (std::size_t t = output; t < model.trees.size(); t += model.outputs()) AddTree(model.trees[t], way);
    of.end = trees_.size();
    of.end_word = row_masks_.words();
    outputs_.push_back(of);
  }
  all_ = {0, trees_.size(), 0, row_masks_.words(), 0};
}

void TreePredictor::AddTree(const Tree& tree, Way way) {
  Flat flat;
  Flatten(tree, &flat);
  if (!tree.left_sets.empty()) {
    flat.with_sets = Number(with_sets_.size());
    with_sets_.push_back(tree);
  }
  const bool small = tree.leaf_value.size() <= kMostLeaves && tree.left_sets.size() <= tree.nodes.size();
  if (way == Way::kFastest && LeafMasks::Supported() && small && columns_ < kMostColumns) AddMasks(tree, &flat);
  trees_.push_back(flat);
}

void TreePredictor::Flatten(const Tree& tree, Flat* flat) {
  flat->root = Number(nodes_.size());
  flat->first_leaf = Number(nodes_.size() + tree.nodes.size());
  std::vector<int> depth(tree.nodes.size(), 1);
  for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
    const TreeNode& node = tree.nodes[n];
    Node out;
    out.threshold = node.threshold;
    out.column = node.column | (node.missing_left ? kMissingLeft : 0);
    const std::int32_t children[2] = {node.right, node.left};
    for (int side = 0; side < 2; ++side) {
      const std::int32_t child = children[side];
      out.next[side] = child < 0 ? flat->first_leaf + static_cast<std::uint32_t>(~child)
                                 : flat->root + static_cast<std::uint32_t>(child);
      if (child >= 0) depth[static_cast<std::size_t>(child)] = depth[n] + 1;
    }
    flat->depth = std::max(flat->depth, depth[n]);
    nodes_.push_back(out);
  }
  for (const float value : tree.leaf_value) {
    const std::uint32_t self = Number(nodes_.size());
    nodes_.push_back({value, 0, {self, self}});
  }
}

void TreePredictor::AddMasks(const Tree& tree, Flat* flat) {
  const LeafOrder order(tree);
  std::vector<LeafSet> sets;
  for (const BinSet& set : tree.left_sets) {
    LeafSet& halves = sets.emplace_back();
    for (std::size_t i = 0; i < halves.size(); ++i) halves[i] = static_cast<std::uint32_t>(set[i / 2] >> (i % 2 * 32));
  }
  std::vector<LeafTest> tests;
  for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
    const TreeNode& node = tree.nodes[n];
    const bool category = node.kind == ColumnKind::kCategory;
    tests.push_back({node.column, order.first[n], order.first[n] + order.below_left[n], node.missing_left, node.threshold,
                     category ? node.left_set : LeafTest::kNoSet});
  }
  const std::size_t cost = MaskedTests(tests), depth = static_cast<std::size_t>(flat->depth);
  if ((masked_tests_ += cost) > kMostTests) return;
  if (cost <= kTestsOfAStep * depth) {
    std::vector<float> values;
    for (const std::uint32_t leaf : order.leaf_at) values.push_back(tree.leaf_value[leaf]);
    flat->masked = Number(masks_.AddTree(tests, sets, values));
  }
  if (cost <= kRowTestsOfAStep * depth) {
    flat->word = Number(row_masks_.AddTree(tests, sets, order.leaf_at.size()));
    leaf_nodes_.resize(flat->word * kLeavesOfAWord);
    for (const std::uint32_t leaf : order.leaf_at) leaf_nodes_.push_back(flat->first_leaf + leaf);
  }
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

// Trees are numbered from `first`: kAtOnce or fewer.
void TreePredictor::Walk(const float* row, std::size_t first, absl::Span<const std::uint32_t> trees,
                         std::uint32_t* at) const {
  const Node* const nodes = nodes_.data();
  std::uint32_t now[kAtOnce] = {};
  int depth = 0;
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const Flat& tree = trees_[first + trees[i]];
    now[i] = tree.root;
    depth = std::max(depth, tree.depth);
  }
  for (int d = 0; d < depth; ++d) {
    for (std::size_t i = 0; i < kAtOnce; ++i) PS_STEP(now[i], row);
  }
  for (std::size_t i = 0; i < trees.size(); ++i) {
    const Flat& tree = trees_[first + trees[i]];
    at[trees[i]] = tree.with_sets == kNone ? now[i] : tree.first_leaf + WalkWithSets(with_sets_[tree.with_sets], row);
  }
}

void TreePredictor::LeafNodes(const float* row, const Output& of, std::uint32_t* at) const {
  absl::InlinedVector<std::uint32_t, 256> words;
  const std::size_t before = of.first_word / RowLeafMasks::kLanes * RowLeafMasks::kLanes;
  if (of.end_word > of.first_word) {
    words.resize((of.end_word - before + RowLeafMasks::kLanes - 1) / RowLeafMasks::kLanes * RowLeafMasks::kLanes);
    row_masks_.Words(row, columns_, of.first_word, of.end_word, words.data());
  }
  std::uint32_t walk[kAtOnce] = {};
  std::size_t walks = 0;
  for (std::size_t t = of.first; t < of.end; ++t) {
    std::size_t word = trees_[t].word;
    if (word != kNone) {
      while (words[word - before] == 0) ++word;
      const auto leaf = static_cast<std::size_t>(std::countl_zero(words[word - before]));
      at[t - of.first] = leaf_nodes_[word * kLeavesOfAWord + leaf];
      continue;
    }
    walk[walks++] = Number(t - of.first);
    if (walks == kAtOnce) {
      Walk(row, of.first, walk, at);
      walks = 0;
    }
  }
  if (walks > 0) Walk(row, of.first, {walk, walks}, at);
}

double TreePredictor::Margin(const float* row, std::size_t output) const {
  const Output& of = outputs_[output];
  absl::InlinedVector<std::uint32_t, 256> at(of.end - of.first);
  LeafNodes(row, of, at.data());
  double sum = of.base_score;
  for (const std::uint32_t leaf : at) sum += nodes_[leaf].threshold;
  return sum;
}

void TreePredictor::Leaves(const float* row, std::uint32_t* leaves) const {
  LeafNodes(row, all_, leaves);
  for (std::size_t t = 0; t < trees_.size(); ++t) leaves[t] -= trees_[t].first_leaf;
}

void TreePredictor::MarginsAsGrown(const float* row, float* margins) const {
  absl::InlinedVector<std::uint32_t, 256> at(trees_.size());
  LeafNodes(row, all_, at.data());
  for (std::size_t m = 0; m < outputs_.size(); ++m) {
    auto sum = static_cast<float>(outputs_[m].base_score);
    for (std::size_t t = outputs_[m].first; t < outputs_[m].end; ++t) sum += nodes_[at[t]].threshold;
    margins[m] = sum;
  }
}

void TreePredictor::AddWalks(const Flat& tree, const float* rows, std::size_t count, double* sums) const {
  if (tree.with_sets != kNone) {
    const Tree& with_sets = with_sets_[tree.with_sets];
    for (std::size_t i = 0; i < count; ++i) sums[i] += with_sets.leaf_value[WalkWithSets(with_sets, rows + i * columns_)];
    return;
  }
  const Node* const nodes = nodes_.data();
  for (std::size_t first = 0; first < count; first += kAtOnce) {
    const std::size_t some = std::min(kAtOnce, count - first);
    std::uint32_t at[kAtOnce];
    for (std::uint32_t& a : at) a = tree.root;
    const float* row[kAtOnce];
    for (std::size_t i = 0; i < kAtOnce; ++i) row[i] = rows + (first + std::min(i, some - 1)) * columns_;
    for (int d = 0; d < tree.depth; ++d) {
      for (std::size_t i = 0; i < kAtOnce; ++i) PS_STEP(at[i], row[i]);
    }
    for (std::size_t i = 0; i < some; ++i) sums[first + i] += nodes[at[i]].threshold;
  }
}

void TreePredictor::SomeMargins(const float* rows, const float* turned, std::size_t count, std::size_t output,
                                float* margins) const {
  const Output& of = outputs_[output];
  double sums[LeafMasks::kRows];
  std::fill_n(sums, LeafMasks::kRows, of.base_score);
  for (std::size_t t = of.first; t < of.end;) {
    if (trees_[t].masked == kNone) {
      AddWalks(trees_[t++], rows, count, sums);
      continue;
    }
    const std::size_t first = t;
    while (t < of.end && trees_[t].masked != kNone) ++t;
    masks_.Add(turned, count, trees_[first].masked, trees_[first].masked + (t - first), sums);
  }
  for (std::size_t i = 0; i < count; ++i) margins[i * outputs()] = static_cast<float>(sums[i]);
}

void TreePredictor::Margins(const float* rows, std::size_t count, float* margins) const {
  std::unique_ptr<float[]> turned;
  for (std::size_t first = 0; first < count; first += LeafMasks::kRows) {
    const float* const some = rows + first * columns_;
    const std::size_t left = std::min(LeafMasks::kRows, count - first);
    if (left <= kOneByOne) {
      for (std::size_t i = 0; i < left * outputs(); ++i)
        margins[first * outputs() + i] = static_cast<float>(Margin(some + i / outputs() * columns_, i % outputs()));
      return;
    }
    if (masks_.trees() > 0) {
      if (turned == nullptr) turned = std::make_unique_for_overwrite<float[]>(columns_ * LeafMasks::kRows);
      LeafMasks::Turn(some, columns_, left, turned.get());
    }
    for (std::size_t m = 0; m < outputs(); ++m)
      SomeMargins(some, turned.get(), left, m, margins + first * outputs() + m);
  }
}

#undef PS_STEP

}  // namespace ps
