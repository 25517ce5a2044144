// The best place to cut one column's histogram in two: gain G²/(H+λ) on both sides (Chen and
// Guestrin, KDD 2016), in units of the quantised gradients. Pure functions, any thread; the plain
// version defines the result, ties go to the lowest bin and then to missing values on the right.
#pragma once

#include <algorithm>

#include "kernels/histogram.h"

namespace ps {

struct ScanParams {
  double l2 = 0;           // λ in units of quantised hessians
  double l1 = 0;           // α in units of quantised gradients
  double min_hessian = 1;  // on each side, in quantised units; at least 1
};

constexpr double Shrunk(double g, double l1) {
  const double magnitude = (g < 0 ? -g : g) - l1;
  return magnitude > 0 ? magnitude : 0;
}

// Of one cut; negative where a side is too light.
constexpr double CutScore(WideSum left, WideSum total, const ScanParams& p) {
  const WideSum right = total - left;
  const double hl = WideHessian(left), hr = WideHessian(right);
  if (hl < p.min_hessian || hr < p.min_hessian) return -1;
  const double gl = Shrunk(WideGradient(left), p.l1), gr = Shrunk(WideGradient(right), p.l1);
  const double dl = hl + p.l2, dr = hr + p.l2;
  return (gl * gl * dr + gr * gr * dl) / (dl * dr);
}

// G²/(H+λ) after soft thresholding: what a node is worth unsplit.
constexpr double NodeScore(WideSum total, const ScanParams& params) {
  const double g = Shrunk(WideGradient(total), params.l1);
  const double d = WideHessian(total) + params.l2;
  return d > 0 ? g * g / d : 0;
}

// What a column's cells say of a node. Cell i is value bin i + 1; missing rows have a sum of their
// own.
struct ColumnCells {
  const WideSum* cells = nullptr;
  int bins = 0;
  WideSum missing = 0;
  WideSum total = 0;  // of the node: cells and missing together
};

struct ColumnSplit {
  double score = -1;  // of both sides together; negative: no cut is allowed
  int bin = 0;        // bins 1..bin go left
  bool missing_left = false;
  WideSum left = 0;
};

// The cut of largest score(sum of the left side): the order in which cuts are tried decides ties.
template <typename Score>
ColumnSplit ScanCutsPlain(const ColumnCells& column, const Score& score_of) {
  ColumnSplit best;
  const bool has_missing = column.missing != 0;
  // With nothing missing the cut after the last bin would leave the right side empty.
  const int last_right = has_missing ? column.bins : column.bins - 1;
  WideSum left = 0;
  for (int j = 1; j <= last_right; ++j) {
    left += column.cells[j - 1];
    const double score = score_of(left);
    if (score > best.score) best = {score, j, false, left};
  }
  if (!has_missing) return best;
  left = column.missing;
  for (int j = 1; j < column.bins; ++j) {
    left += column.cells[j - 1];
    const double score = score_of(left);
    if (score > best.score) best = {score, j, true, left};
  }
  return best;
}

// No cut of the column scores more, rounding included; at half the work of looking at all of them. What of a cut's two
// sides has only rows with a value has at most sum(g²/h) over the cells, however they are put together (Cauchy and
// Schwarz); the other side has the rest of the gradients and all of the missing rows.
double MostScore(const ColumnCells& column, const ScanParams& params);

ColumnSplit BestSplit(const ColumnCells& column, const ScanParams& params);
ColumnSplit BestSplitPlain(const ColumnCells& column, const ScanParams& params);

}  // namespace ps
