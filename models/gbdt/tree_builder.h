// The shape of a tree while it grows: which leaf is split next, and what comes of it. Knows nothing
// of rows or histograms, so that it serves where both are elsewhere. A function of the splits it is
// told. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/gbdt/columns.h"
#include "models/gbdt/node_rows.h"
#include "models/gbdt/split_choice.h"
#include "models/gbdt/tree.h"

namespace ps {

struct GrowParams {
  int max_leaves = 31;
  int max_depth = 0;        // 0: no limit
  bool level_wise = false;  // nodes in order of depth instead of gain
  double l1 = 0, l2 = 1;
  double min_hessian = 1;
  double min_gain = 0;
  double learning_rate = 0.1;
  double column_sample = 1;  // of each tree
  double category_smooth = 10;
  bool absent_is_zero = false;              // sparse rows: an absent value is 0; else it is missing
  std::uint64_t memory_bytes = 512u << 20;  // for histograms that are kept for subtracting
};

// What one unit of quantised and of fixed-point gradients and hessians is worth.
struct GradientScale {
  double gradient = 1, hessian = 1;
  double gradient_fixed = 1, hessian_fixed = 1;
};

SplitRules RulesOf(const GrowParams& params, const GradientScale& scale, bool sparse);

// The columns that a tree may use, one byte each; empty: all. Exactly the nearest whole number of
// them, at least one.
std::vector<std::uint8_t> SampleColumns(std::size_t columns, double fraction, std::uint64_t key);

// The value of a leaf with these sums, before the learning rate.
double FittedValue(const GrowParams& params, double gradient, double hessian);
// Covers of leaves, and of the nodes above them.
void SetCovers(const std::vector<double>& of_leaves, Tree* tree);

class TreeBuilder {
 public:
  struct Leaf {
    WideSum total = 0;
    ValueBounds bounds;
    int depth = 0;
    std::int32_t order = 0;    // of creation
    std::int32_t parent = -1;  // a node of the tree, and which side of it this is
    bool is_left = false;
    SplitChoice best;
    double gain = -1;
  };

  // `columns` must outlive it.
  TreeBuilder(const std::vector<BinColumn>* columns, const GrowParams& params)
      : columns_(*columns), params_(params) {}

  // A new tree: its root is leaf 0.
  void Begin(const GradientScale& scale, WideSum total);
  // The best split of a leaf, as its histogram says; once a leaf.
  void SetBest(std::size_t leaf, const SplitChoice& best);

  const std::vector<Leaf>& leaves() const { return leaves_; }
  static constexpr std::size_t kNone = ~std::size_t{0};
  std::size_t NextToSplit() const {  // kNone: the tree is done
    return SplitsLeft() <= 0 || order_.empty() ? kNone : order_.front();
  }
  int SplitsLeft() const { return params_.max_leaves - static_cast<int>(leaves_.size()); }
  bool IsLastSplit() const { return SplitsLeft() == 1; }
  bool ChildrenMayGrow(std::size_t leaf) const {
    return params_.max_depth == 0 || leaves_[leaf].depth + 1 < params_.max_depth;
  }
  // Hessians stand for rows: which side is cheaper to sum is a guess that the result does not
  // depend on.
  static bool LeftIsSmall(WideSum total, WideSum left) {
    return WideHessian(left) <= WideHessian(total - left);
  }
  // The left child takes the leaf's place, the right one becomes the last leaf.
  void SplitNext();
  // As if the next one could not be split.
  void SkipNext();

  // The tree, its leaves fitted to their rows.
  Tree Finish(const std::vector<LeafSums>& sums);

 private:
  bool Splittable(const Leaf& leaf) const;
  bool Before(const Leaf& a, const Leaf& b) const;
  bool HeapOrder(std::uint32_t a, std::uint32_t b) const { return Before(leaves_[b], leaves_[a]); }
  void FitLeaves(const std::vector<LeafSums>& sums);

  const std::vector<BinColumn>& columns_;
  const GrowParams params_;
  GradientScale scale_;
  SplitRules rules_;
  Tree tree_;
  std::vector<Leaf> leaves_;
  std::vector<std::uint32_t> order_;  // a heap of those that may be split, the next one in front
};

}  // namespace ps
