// Grows one tree at a time on binned rows whose gradients are in place: best leaf first, or level
// by level.
//
// The tree is a function of the rows' quantised gradients and the parameters only: the same for any
// number of threads. One caller at a time; it works on the crew. Rows and columns must outlive it.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/crew.h"
#include "models/gbdt/histogram_source.h"
#include "models/gbdt/node_rows.h"
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

class TreeGrower {
 public:
  TreeGrower(const BinnedRows* rows, const std::vector<BinColumn>* columns, GrowParams params,
             NodeRows* node_rows, Crew* crew);
  ~TreeGrower();

  // For every block, by whichever thread filled its entries: they enter the root's histogram.
  void AddRootRows(int thread, const RowGradient* rows, std::size_t count) {
    source_->AddRootRows(thread, rows, count);
  }

  // `key` decides the sampled columns.
  Tree Grow(const GradientScale& scale, std::uint64_t key);

  // Of the tree grown last: the rows of each leaf.
  const std::vector<NodeRows::Node>& leaves() const { return leaf_rows_; }

 private:
  struct Node;
  void ChooseColumns(std::uint64_t key);
  void FindSplits(Node* a, Node* b, const ColumnStretch& stretch);
  void Examine(const Node& node, const ColumnStretch& stretch, SplitChoice* best) const;
  void TakeChoices(Node* node, int side);
  bool MayGrow(const Node& node) const;
  bool Before(const Node& a, const Node& b) const;
  std::size_t NextToSplit() const;
  void SplitNode(std::size_t index, bool last, Tree* tree);
  void SumChildren(Node* parent, Node* left, Node* right, bool left_is_small);
  HugeArray<WideSum> TakeHistogram();
  void GiveBack(HugeArray<WideSum>* histogram);
  void FitLeaves(const GradientScale& scale, Tree* tree);

  const BinnedRows& rows_;
  const std::vector<BinColumn>& columns_;
  const GrowParams params_;
  NodeRows& node_rows_;
  Crew& crew_;
  std::unique_ptr<HistogramSource> source_;

  // Of the current tree.
  ScanParams scan_;
  double unit_ = 1;  // what one of a quantised score is worth
  double smooth_ = 0;
  std::vector<std::uint8_t> chosen_;  // columns; empty: all
  std::vector<Node> open_;            // leaves so far
  std::vector<SplitChoice> best_[2];  // by thread
  std::vector<HugeArray<WideSum>> spare_;
  std::size_t histograms_ = 0;  // in use
  std::vector<NodeRows::Node> leaf_rows_;
};

}  // namespace ps
