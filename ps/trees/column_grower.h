// Trees on a share of the columns of all rows: finds the best splits of its columns, says where
// rows go at those that are chosen, and parts rows as others say of theirs. Knows the rows of all
// nodes, and the histograms of its columns for those that may be split.
//
// Its answers are functions of the rows and of what it is told, whoever has the other columns. One
// caller at a time; it has threads of its own.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/histogram_source.h"
#include "ps/base/crew.h"
#include "ps/trees/row_reports.h"

namespace ps {

class ColumnGrower {
 public:
  // `part.rows` has the columns of `share` only, which are ascending numbers of `columns`. Their
  // first `trees` trees are in the margins that they have, if they have any.
  ColumnGrower(LoadedPart part, std::vector<BinColumn> columns, std::vector<std::uint32_t> share,
               const BoostParams& params, std::size_t trees, int threads);

  const BinnedRows& rows() const { return rows_; }
  const std::vector<BinColumn>& columns() const { return columns_; }
  bool has_margins() const { return has_margins_; }
  // Rows of whole blocks, the `part`th of as many parts: of those the sums and metrics are said
  // here.
  RowStretch StretchOf(std::uint32_t part, std::uint32_t parts) const;

  void Start(const std::vector<double>& base_scores);
  std::size_t trees() const { return trees_; }
  // The next tree, whose leaves are these nodes.
  void AddTree(const std::vector<float>& values, const std::vector<std::uint32_t>& leaves);
  const std::vector<float>& Margins() { return gradients_.Margins(); }
  float LargestGradient() { return gradients_.LargestGradient(); }

  // Of a child, or of the root.
  struct Found {
    WideSum total = 0;
    SplitChoice best;  // by one of the share's columns
  };
  // The tree that is next: its root is node 0.
  Found Begin(const GradientScale& scale, std::uint64_t key);
  bool Has(std::uint32_t node) const { return nodes_.count(node) > 0; }
  bool HasHistogram(std::uint32_t node) const { return open_.count(node) > 0; }
  const NodeRows::Node& RowsOf(std::uint32_t node) const { return nodes_.at(node); }
  // `choice` is by a column of the share.
  PlacedRows Place(std::uint32_t node, const SplitChoice& choice);

  struct Split {
    std::uint32_t node = 0, left = 0;  // the right child is left + 1
    SplitChoice choice;
    bool left_is_small = false;
  };
  // Parts the rows of a node that has a histogram, and finds the best splits of its children, which
  // have histograms then, and it has none.
  std::array<Found, 2> SplitNode(const Split& split, const PlacedRows& placed);
  // Parts rows only.
  void PartNode(const Split& split, const PlacedRows& placed);
  // Of the rows of a stretch of whole blocks.
  std::vector<LeafSums> SumLeaves(const std::vector<std::uint32_t>& leaves, const RowStretch& of);

 private:
  struct Histogram {
    HugeArray<WideSum> cells;
    WideSum total = 0;
    ValueBounds bounds;
  };

  Histogram TakeHistogram(WideSum total);
  void Examine(const Histogram& histogram, const ColumnStretch& stretch, SplitChoice* best) const;
  SplitChoice BestOfThreads(std::vector<SplitChoice>* best) const;

  const BinnedRows rows_;
  const std::vector<BinColumn> columns_;    // of all
  const std::vector<std::uint32_t> share_;  // numbers of those here
  std::vector<std::uint32_t> place_;        // by column: which of those here it is
  std::vector<BinColumn> own_;              // those
  const BoostParams params_;
  Crew crew_;
  NodeRows node_rows_;
  GradientRows gradients_;
  std::unique_ptr<HistogramSource> source_;
  std::size_t trees_;
  const bool has_margins_;

  // Of the tree under way.
  SplitRules rules_;
  std::vector<std::uint8_t> chosen_;  // of all columns; empty: all
  std::map<std::uint32_t, NodeRows::Node> nodes_;
  std::map<std::uint32_t, Histogram> open_;
  std::vector<HugeArray<WideSum>> spare_;
  std::vector<SplitChoice> best_[2];         // by thread
  std::vector<NodeRows::Node> last_leaves_;  // until the margins have them
};

}  // namespace ps
