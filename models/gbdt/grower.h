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
#include "models/gbdt/histogram_source.h"
#include "models/gbdt/node_rows.h"
#include "models/gbdt/tree.h"
#include "models/gbdt/tree_builder.h"
#include "ps/base/crew.h"

namespace ps {

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
  void FindSplits(const Node* a, const Node* b, const ColumnStretch& stretch);
  void Examine(const Node& node, const ColumnStretch& stretch, SplitChoice* best) const;
  void TakeChoices(std::size_t leaf, int side);
  void SplitLeaf(std::size_t index);
  void SumChildren(HugeArray<WideSum>* parent, std::size_t small, std::size_t large);
  HugeArray<WideSum> TakeHistogram();
  void GiveBack(HugeArray<WideSum>* histogram);

  const BinnedRows& rows_;
  const std::vector<BinColumn>& columns_;
  const GrowParams params_;
  NodeRows& node_rows_;
  Crew& crew_;
  std::unique_ptr<HistogramSource> source_;

  // Of the current tree.
  SplitRules rules_;
  std::vector<std::uint8_t> chosen_;  // columns; empty: all
  TreeBuilder builder_;
  std::vector<Node> open_;            // beside the builder's leaves
  std::vector<SplitChoice> best_[2];  // by thread
  std::vector<HugeArray<WideSum>> spare_;
  std::size_t histograms_ = 0;  // in use
  std::vector<NodeRows::Node> leaf_rows_;
};

}  // namespace ps
