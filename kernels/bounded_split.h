// Splits of nodes whose value is bounded, and by columns in which values may only rise or only
// fall. A plain scan, for the nodes and columns that are; split_scan.h has the fast one for all
// others. Values and bounds are in units of quantised gradients over quantised hessians. Pure
// functions, any thread.
#pragma once

#include <limits>

#include "kernels/split_scan.h"

namespace ps {

// How the value of a node may change with a column.
enum class Direction : std::int8_t { kFree = 0, kIncreasing = 1, kDecreasing = -1 };

struct ValueBounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  bool any() const {
    return low != -std::numeric_limits<double>::infinity() ||
           high != std::numeric_limits<double>::infinity();
  }
  double Clamp(double value) const { return value < low ? low : value > high ? high : value; }
};

// The best value within the bounds of a node with this sum: -G/(H+λ) where that is.
double BoundedValue(WideSum total, const ScanParams& params, const ValueBounds& bounds);
// What a node is worth with that value; negative where its bounds make it worse than the value 0.
double BoundedScore(WideSum total, const ScanParams& params, const ValueBounds& bounds);

// As BestSplitPlain, of cuts whose sides' values go in `direction`. The score has the node's own
// taken off where that is negative, so that no cut that gains has a negative one.
ColumnSplit BestBoundedSplit(const ColumnCells& column, const ScanParams& params,
                             const ValueBounds& bounds, Direction direction);

}  // namespace ps
