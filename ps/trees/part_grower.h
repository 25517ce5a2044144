// Trees on a part of the rows: does to them what it is told, and sums them. One caller at a time;
// it has threads of its own.
#pragma once

#include <map>
#include <memory>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/histogram_source.h"
#include "ps/base/crew.h"

namespace ps {

class PartGrower {
 public:
  PartGrower(BinnedRows rows, std::vector<BinColumn> columns, const BoostParams& params,
             int threads);

  const BinnedRows& rows() const { return rows_; }
  const std::vector<BinColumn>& columns() const { return columns_; }
  const std::vector<std::uint64_t>& offsets() const { return offset_; }

  void Start(std::vector<double> base_scores, std::uint64_t first_row);
  std::size_t trees() const { return trees_.size(); }
  // `leaves`: the tree was grown here, and those are its leaves' nodes; empty: elsewhere.
  void AddTree(Tree tree, const std::vector<std::uint32_t>& leaves);
  // Forgets all but the first `trees` trees, no more than there are.
  void Rewind(std::size_t trees);
  // With the first `trees` trees, no more than there are; as StartMargins lays them out.
  std::vector<float> MarginsWith(std::size_t trees);
  float LargestGradient() { return gradients_.LargestGradient(); }

  // Gradients of the tree that is next, and the root, node 0. Returns its sum.
  WideSum Begin(const GradientScale& scale);
  bool Has(std::uint32_t node) const { return nodes_.count(node) > 0; }
  // Parts a node that is there; the right child is left + 1.
  enum class Sum { kNone, kLeft, kRight };
  void Split(std::uint32_t node, std::uint32_t left, const SplitChoice& choice, Sum sum);
  // Of the root, or of the child that was summed: a column's cells are at first_cell().
  const WideSum* Collect();
  std::uint64_t first_cell(std::uint32_t column) const { return source_->first_cell(column); }
  std::vector<LeafSums> SumLeaves(const std::vector<std::uint32_t>& leaves);

 private:
  const BinnedRows rows_;
  const std::vector<BinColumn> columns_;
  const std::vector<std::uint64_t> offset_;
  Crew crew_;
  NodeRows node_rows_;
  GradientRows gradients_;
  std::unique_ptr<HistogramSource> source_;
  HugeArray<WideSum> histogram_;
  const std::uint32_t classes_;
  const std::uint64_t first_tree_;  // whole rounds
  std::vector<double> base_scores_;
  std::vector<Tree> trees_;
  std::map<std::uint32_t, NodeRows::Node> nodes_;
  std::vector<NodeRows::Node> last_leaves_;  // until the margins have them
};

}  // namespace ps
