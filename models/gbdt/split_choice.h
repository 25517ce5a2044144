// The best split of a node over a range of columns: a pure function of its histogram, so that
// whoever holds the histograms of some columns can answer for them, and answers can be compared.
// Any thread.
#pragma once

#include <array>
#include <cstdint>

#include "kernels/bounded_split.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/tree.h"

namespace ps {

// Of one column within a node's histogram: `cells` begin with bin 1; missing is apart.
struct ColumnHistogram {
  ColumnCells numbers;
  const WideSum* with_missing = nullptr;  // cell 0 is bin 0; dense only
};

struct SplitChoice {
  double score = -1;  // of both sides, in quantised units; negative: none
  std::uint32_t column = 0;
  ColumnKind kind = ColumnKind::kNumber;
  std::uint8_t bin = 0;  // numbers: bins 1..bin go left
  bool missing_left = false;
  BinSet left_bins{};  // categories, with bin 0 where missing values go left
  WideSum left = 0;    // sum of the left side

  // Higher scores first, lower columns among equals: the same choice in whatever order answers
  // come.
  bool BetterThan(const SplitChoice& other) const {
    return score != other.score ? score > other.score : column < other.column;
  }
};

// Whether rows with this bin of the choice's column go left.
inline bool GoesLeft(const SplitChoice& choice, std::uint8_t bin) {
  if (choice.kind == ColumnKind::kCategory) return Contains(choice.left_bins, bin);
  return bin == 0 ? choice.missing_left : bin <= choice.bin;
}

// How the columns of a tree are scanned.
struct SplitRules {
  ScanParams scan;
  double smooth_hessian = 0;    // of categories, in quantised units
  bool absent_is_zero = false;  // sparse rows: an absent value is 0
};

// Takes the best split of a node by one column where it is better than *best.
void ImproveSplit(const ColumnHistogram& histogram, std::uint32_t number, const BinColumn& column,
                  const SplitRules& rules, const ValueBounds& bounds, SplitChoice* best);

// The choice that a cut of a column of numbers is. `missing` and `total` are sums of the node.
SplitChoice ChoiceOfCut(const ColumnSplit& cut, WideSum missing, WideSum total);
// The same where absent values are in the bin of 0, and nothing is missing.
SplitChoice ChoiceOfCutAroundZero(const ColumnSplit& cut, const BinColumn& column, WideSum total);

// Of a categorical column: categories in order of G/(H + smooth), many against many, rare ones (with
// hessians of less than a quarter of `smooth_hessian`) side by side. `cells` begin with bin 0.
SplitChoice BestCategorySplit(const WideSum* cells, int bins, WideSum total,
                              const ScanParams& params, double smooth_hessian,
                              const ValueBounds& bounds = {});

// The bounds of a split node's children, left and right. Where the column has a direction, whatever
// grows below the one child stays on its side of the middle between the two.
std::array<ValueBounds, 2> BoundsOfChildren(const SplitChoice& choice, WideSum total,
                                            const ValueBounds& bounds, Direction direction,
                                            const ScanParams& params);

}  // namespace ps
