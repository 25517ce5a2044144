#include "models/gbdt/grower.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "ps/base/key.h"

namespace ps {

struct TreeGrower::Node {
  NodeRows::Node rows;
  WideSum total = 0;
  int depth = 0;
  std::int32_t order = 0;    // of creation
  std::int32_t parent = -1;  // a node of the tree, and which side of it this is
  bool is_left = false;
  HugeArray<WideSum> histogram;  // empty: not kept
  SplitChoice best;
  double gain = -1;
};

TreeGrower::TreeGrower(const BinnedRows* rows, const std::vector<BinColumn>* columns,
                       GrowParams params, NodeRows* node_rows, Crew* crew)
    : rows_(*rows), columns_(*columns), params_(params), node_rows_(*node_rows), crew_(*crew) {
  source_ = rows->sparse ? MakeSparseSource(rows, columns, node_rows, crew)
                         : MakeDenseSource(rows, columns, node_rows, crew);
  for (std::vector<SplitChoice>& best : best_)
    best.resize(static_cast<std::size_t>(crew->threads()));
}

TreeGrower::~TreeGrower() = default;

void TreeGrower::ChooseColumns(std::uint64_t key) {
  chosen_.clear();
  if (params_.column_sample >= 1) return;
  // Exactly the nearest whole number of columns, at least one: those of the smallest hashes.
  std::vector<std::pair<std::uint64_t, std::size_t>> order;
  for (std::size_t c = 0; c < columns_.size(); ++c) order.emplace_back(Mix64(key ^ Mix64(c)), c);
  const auto count = static_cast<std::size_t>(
      std::max(1.0, std::round(params_.column_sample * static_cast<double>(columns_.size()))));
  std::nth_element(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count) - 1,
                   order.end());
  chosen_.assign(columns_.size(), 0);
  for (std::size_t i = 0; i < count; ++i) chosen_[order[i].second] = 1;
}

void TreeGrower::Examine(const Node& node, const ColumnStretch& stretch, SplitChoice* best) const {
  for (std::uint32_t c = stretch.first; c < stretch.end; ++c) {
    if (!chosen_.empty() && chosen_[c] == 0) continue;
    const ColumnHistogram column = source_->Column(node.histogram.data(), c, node.total);
    SplitChoice choice;
    if (columns_[c].kind == ColumnKind::kCategory) {
      choice =
          BestCategorySplit(column.with_missing, columns_[c].bins(), node.total, scan_, smooth_);
    } else {
      // Each side needs min_hessian, and one of the two has only rows with a value.
      const WideSum present = node.total - column.numbers.missing;
      if (WideHessian(present) < scan_.min_hessian) continue;
      MissingSides sides;
      if (params_.absent_is_zero && rows_.sparse) {
        // The bin in which 0 would be: all bins before it hold negative numbers.
        const int below = BinOf(columns_[c], 0.0f) - 1;
        sides = {below, below};
      }
      const ColumnSplit cut = BestSplit(column.numbers, scan_, sides);
      if (cut.score < 0) continue;
      choice.score = cut.score;
      choice.bin = static_cast<std::uint8_t>(cut.bin);
      choice.left = cut.left;
      // Where the node has nothing missing, what is met later goes with the heavier side.
      choice.missing_left = column.numbers.missing != 0
                                ? cut.missing_left
                                : 2 * std::int64_t{WideHessian(cut.left)} > WideHessian(node.total);
    }
    choice.column = c;
    if (choice.score >= 0 && choice.BetterThan(*best)) *best = choice;
  }
}

void TreeGrower::FindSplits(Node* a, Node* b, const ColumnStretch& stretch) {
  const auto thread = static_cast<std::size_t>(stretch.thread);
  if (a != nullptr) Examine(*a, stretch, &best_[0][thread]);
  if (b != nullptr) Examine(*b, stretch, &best_[1][thread]);
}

void TreeGrower::TakeChoices(Node* node, int side) {
  for (SplitChoice& best : best_[side]) {
    if (best.score >= 0 && best.BetterThan(node->best)) node->best = best;
    best = SplitChoice();
  }
  if (node->best.score >= 0)
    node->gain = 0.5 * unit_ * (node->best.score - NodeScore(node->total, scan_));
}

bool TreeGrower::MayGrow(const Node& node) const {
  return params_.max_depth == 0 || node.depth < params_.max_depth;
}

bool TreeGrower::Before(const Node& a, const Node& b) const {
  if (params_.level_wise && a.depth != b.depth) return a.depth < b.depth;
  return a.gain != b.gain ? a.gain > b.gain : a.order < b.order;
}

std::size_t TreeGrower::NextToSplit() const {
  // A gain that rounding alone could make is none.
  constexpr double kLeastGain = 1e-9;
  std::size_t next = open_.size();
  for (std::size_t i = 0; i < open_.size(); ++i) {
    if (open_[i].gain <= std::max(kLeastGain, params_.min_gain)) continue;
    if (next == open_.size() || Before(open_[i], open_[next])) next = i;
  }
  return next;
}

HugeArray<WideSum> TreeGrower::TakeHistogram() {
  ++histograms_;
  if (spare_.empty()) return HugeArray<WideSum>(source_->cells());
  HugeArray<WideSum> histogram = std::move(spare_.back());
  spare_.pop_back();
  return histogram;
}

void TreeGrower::GiveBack(HugeArray<WideSum>* histogram) {
  if (histogram->size() == 0) return;
  --histograms_;
  spare_.push_back(std::move(*histogram));
  *histogram = HugeArray<WideSum>();
}

void TreeGrower::SumChildren(Node* parent, Node* left, Node* right, bool left_is_small) {
  Node* const small = left_is_small ? left : right;
  Node* const large = left_is_small ? right : left;
  small->histogram = TakeHistogram();
  if (parent->histogram.size() > 0) {
    large->histogram = std::move(parent->histogram);
    parent->histogram = HugeArray<WideSum>();
    source_->Collect(small->histogram.data(), [&](const ColumnStretch& stretch) {
      WideSum* const rest = large->histogram.data();
      const WideSum* const taken = small->histogram.data();
      const std::size_t end = source_->first_cell(stretch.end);
      for (std::size_t i = source_->first_cell(stretch.first); i < end; ++i) rest[i] -= taken[i];
      FindSplits(small, large, stretch);
    });
  } else {
    source_->Collect(small->histogram.data(),
                     [&](const ColumnStretch& s) { FindSplits(small, nullptr, s); });
    source_->Sum(large->rows);
    large->histogram = TakeHistogram();
    source_->Collect(large->histogram.data(),
                     [&](const ColumnStretch& s) { FindSplits(nullptr, large, s); });
  }
  TakeChoices(small, 0);
  TakeChoices(large, 1);
  // Kept while there is room for it; without it both children of a node are summed from their rows.
  const std::size_t room =
      std::max<std::size_t>(3, params_.memory_bytes / (source_->cells() * sizeof(WideSum)));
  for (Node* node : {small, large}) {
    if (node->gain < 0 || histograms_ > room) GiveBack(&node->histogram);
  }
}

void TreeGrower::SplitNode(std::size_t index, bool last, Tree* tree) {
  Node parent = std::move(open_[index]);
  const SplitChoice& choice = parent.best;
  Node left, right;
  left.total = choice.left;
  right.total = parent.total - choice.left;
  left.depth = right.depth = parent.depth + 1;
  left.order = static_cast<std::int32_t>(2 * tree->nodes.size() + 1);
  right.order = left.order + 1;
  left.parent = right.parent = static_cast<std::int32_t>(tree->nodes.size());
  left.is_left = true;
  // Hessians stand for rows: which side is cheaper to sum is a guess that the result does not
  // depend on.
  const bool left_is_small = WideHessian(left.total) <= WideHessian(right.total);
  const bool grow = !last && MayGrow(left);
  source_->Split({&choice, &parent.rows, &left.rows, &right.rows, grow && left_is_small,
                  grow && !left_is_small});
  TreeNode node;
  node.column = choice.column;
  node.kind = choice.kind;
  node.missing_left = choice.missing_left;
  node.gain = static_cast<float>(parent.gain);
  if (choice.kind == ColumnKind::kCategory) {
    node.left_set = static_cast<std::uint32_t>(tree->left_sets.size());
    tree->left_sets.push_back(choice.left_bins);
  } else {
    node.bin = choice.bin;
    const std::vector<float>& cuts = columns_[choice.column].cuts;
    // All values on the left, missing ones on the right: no value is above infinity.
    node.threshold = choice.bin <= cuts.size() ? cuts[choice.bin - 1u] : INFINITY;
  }
  if (parent.parent >= 0) {
    TreeNode& above = tree->nodes[static_cast<std::size_t>(parent.parent)];
    (parent.is_left ? above.left : above.right) = static_cast<std::int32_t>(tree->nodes.size());
  }
  tree->nodes.push_back(node);
  if (grow) {
    SumChildren(&parent, &left, &right, left_is_small);
  }
  GiveBack(&parent.histogram);
  open_[index] = std::move(left);
  open_.push_back(std::move(right));
}

Tree TreeGrower::Grow(const GradientScale& scale, std::uint64_t key) {
  unit_ = scale.gradient * scale.gradient / scale.hessian;
  scan_.l1 = params_.l1 / scale.gradient;
  scan_.l2 = params_.l2 / scale.hessian;
  scan_.min_hessian = std::max(1.0, params_.min_hessian / scale.hessian);
  smooth_ = params_.category_smooth / scale.hessian;
  ChooseColumns(key);
  Node root;
  root.rows = node_rows_.Root();
  root.histogram = TakeHistogram();
  // The total is in any column's cells; sums of entries do not need one.
  std::vector<WideSum> totals(node_rows_.blocks());
  crew_.ForEach(node_rows_.blocks(), [&](int, std::size_t block) {
    const RowGradient* const rows = node_rows_.entries(block);
    WideSum sum = 0;
    for (std::size_t i = 0; i < node_rows_.block_size(block); ++i) sum += Widen(rows[i].packed);
    totals[block] = sum;
  });
  for (const WideSum sum : totals) root.total += sum;
  source_->BeginTree(root.rows);
  source_->Collect(root.histogram.data(),
                   [&](const ColumnStretch& s) { FindSplits(&root, nullptr, s); });
  TakeChoices(&root, 0);
  open_.clear();
  open_.push_back(std::move(root));
  Tree tree;
  while (static_cast<int>(open_.size()) < params_.max_leaves) {
    const std::size_t next = NextToSplit();
    if (next == open_.size()) break;
    SplitNode(next, static_cast<int>(open_.size()) + 1 == params_.max_leaves, &tree);
  }
  leaf_rows_.clear();
  for (std::size_t leaf = 0; leaf < open_.size(); ++leaf) {
    Node& node = open_[leaf];
    GiveBack(&node.histogram);
    if (node.parent >= 0) {
      TreeNode& above = tree.nodes[static_cast<std::size_t>(node.parent)];
      (node.is_left ? above.left : above.right) = ~static_cast<std::int32_t>(leaf);
    }
    leaf_rows_.push_back(std::move(node.rows));
  }
  FitLeaves(scale, &tree);
  return tree;
}

// Leaves take the exact sums of their rows, in fixed point: rounding for the histograms chose the
// splits only.
void TreeGrower::FitLeaves(const GradientScale& scale, Tree* tree) {
  struct Sums {
    std::int64_t g = 0, h = 0;
  };
  const std::size_t leaves = leaf_rows_.size();
  std::vector<Sums> sums(node_rows_.blocks() * leaves);
  crew_.ForEach(node_rows_.blocks(), [&](int, std::size_t block) {
    const RowGradient* const rows = node_rows_.entries(block);
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
      const NodeRows::Range range = leaf_rows_[leaf][block];
      Sums sum;
      for (std::uint32_t i = range.begin; i < range.end; ++i) {
        const FixedGradient& fixed = node_rows_.fixed()[rows[i].row];
        sum.g += fixed.g;
        sum.h += fixed.h;
      }
      sums[block * leaves + leaf] = sum;
    }
  });
  std::vector<double> cover(leaves);
  for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
    Sums sum;
    for (std::size_t block = 0; block < node_rows_.blocks(); ++block) {
      sum.g += sums[block * leaves + leaf].g;
      sum.h += sums[block * leaves + leaf].h;
    }
    const double g = static_cast<double>(sum.g) * scale.gradient_fixed;
    const double h = static_cast<double>(sum.h) * scale.hessian_fixed;
    const double shrunk = std::copysign(std::max(0.0, std::fabs(g) - params_.l1), g);
    const double divisor = h + params_.l2;
    tree->leaf_value.push_back(
        divisor > 0 ? static_cast<float>(-shrunk / divisor * params_.learning_rate) : 0.0f);
    tree->leaf_cover.push_back(static_cast<float>(h));
    cover[leaf] = h;
  }
  // Nodes come after their parents: covers add up from the back.
  std::vector<double> node_cover(tree->nodes.size());
  for (std::size_t n = tree->nodes.size(); n-- > 0;) {
    for (const std::int32_t child : {tree->nodes[n].left, tree->nodes[n].right}) {
      node_cover[n] += child < 0 ? cover[static_cast<std::size_t>(~child)]
                                 : node_cover[static_cast<std::size_t>(child)];
    }
    tree->nodes[n].cover = static_cast<float>(node_cover[n]);
  }
}

}  // namespace ps
