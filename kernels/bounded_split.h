// Splits of nodes whose value is bounded, and by columns in which values may only rise or only fall. A plain scan, for
// the nodes and columns that are; split_scan.h has the fast one for all others. A device scores cuts by the same scalar
// functions. Values and bounds are in units of quantised gradients over quantised hessians. Pure functions, any
// thread.
#pragma once

#include <limits>

#include "kernels/split_scan.h"

namespace ps {

// How the value of a node may change with a column.
enum class Direction : std::int8_t { kFree = 0, kIncreasing = 1, kDecreasing = -1 };

struct ValueBounds {
  double low = -std::numeric_limits<double>::infinity();
  double high = std::numeric_limits<double>::infinity();

  constexpr bool any() const {
    return low != -std::numeric_limits<double>::infinity() ||
           high != std::numeric_limits<double>::infinity();
  }
  constexpr double Clamp(double value) const {
    return value < low ? low : value > high ? high : value;
  }
};

// What a node is worth with this value, within the bounds or not.
constexpr double ScoreOfValue(WideSum total, double value, const ScanParams& params) {
  const double magnitude = value < 0 ? -value : value;
  return -(2 * (WideGradient(total) * value + params.l1 * magnitude) +
           (WideHessian(total) + params.l2) * value * value);
}

// The best value within the bounds of a node with this sum: -G/(H+λ) where that is.
constexpr double BoundedValue(WideSum total, const ScanParams& params, const ValueBounds& bounds) {
  const double g = WideGradient(total), d = WideHessian(total) + params.l2;
  const double magnitude = d > 0 ? Shrunk(g, params.l1) / d : 0;
  return bounds.Clamp(g < 0 ? magnitude : -magnitude);
}

// What a node is worth with that value; negative where its bounds make it worse than the value 0.
constexpr double BoundedScore(WideSum total, const ScanParams& params, const ValueBounds& bounds) {
  const double value = BoundedValue(total, params, bounds);
  return value == BoundedValue(total, params, {}) ? NodeScore(total, params)
                                                  : ScoreOfValue(total, value, params);
}

// CutScore of cuts within bounds, whose sides' values go in `direction`; negative where they do not. It
// has the node's own score taken off where that is negative, so that no cut that gains has a negative
// one. Without bounds and direction it is CutScore.
constexpr double BoundedCutScore(WideSum left, WideSum total, const ScanParams& params,
                                 const ValueBounds& bounds, Direction direction) {
  const double score = CutScore(left, total, params);
  if (score < 0) return score;
  const WideSum right = total - left;
  const double at_left = BoundedValue(left, params, bounds),
               at_right = BoundedValue(right, params, bounds);
  if (static_cast<double>(direction) * (at_right - at_left) < 0) return -1;
  const double of_node = BoundedScore(total, params, bounds), own = of_node < 0 ? of_node : 0;
  if (at_left == BoundedValue(left, params, {}) && at_right == BoundedValue(right, params, {}))
    return score - own;
  return ScoreOfValue(left, at_left, params) + ScoreOfValue(right, at_right, params) - own;
}

// As BestSplitPlain, by BoundedCutScore.
ColumnSplit BestBoundedSplit(const ColumnCells& column, const ScanParams& params,
                             const ValueBounds& bounds, Direction direction);

}  // namespace ps
