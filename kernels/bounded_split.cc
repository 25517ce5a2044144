#include "kernels/bounded_split.h"

#include <algorithm>

namespace ps {
namespace {

double ScoreOfValue(WideSum total, double value, const ScanParams& params) {
  const double magnitude = value < 0 ? -value : value;
  return -(2 * (WideGradient(total) * value + params.l1 * magnitude) +
           (WideHessian(total) + params.l2) * value * value);
}

}  // namespace

double BoundedValue(WideSum total, const ScanParams& params, const ValueBounds& bounds) {
  const double g = WideGradient(total), d = WideHessian(total) + params.l2;
  const double magnitude = d > 0 ? Shrunk(g, params.l1) / d : 0;
  return bounds.Clamp(g < 0 ? magnitude : -magnitude);
}

double BoundedScore(WideSum total, const ScanParams& params, const ValueBounds& bounds) {
  const double value = BoundedValue(total, params, bounds);
  return value == BoundedValue(total, params, {}) ? NodeScore(total, params)
                                                  : ScoreOfValue(total, value, params);
}

ColumnSplit BestBoundedSplit(const ColumnCells& column, const ScanParams& params,
                             const ValueBounds& bounds, Direction direction) {
  const double own = std::min(0.0, BoundedScore(column.total, params, bounds));
  return ScanCutsPlain(column, [&](WideSum left) {
    const WideSum right = column.total - left;
    const double score = CutScore(left, column.total, params);
    if (score < 0) return score;
    const double at_left = BoundedValue(left, params, bounds),
                 at_right = BoundedValue(right, params, bounds);
    if (static_cast<double>(direction) * (at_right - at_left) < 0) return -1.0;
    if (at_left == BoundedValue(left, params, {}) && at_right == BoundedValue(right, params, {}))
      return score - own;
    return ScoreOfValue(left, at_left, params) + ScoreOfValue(right, at_right, params) - own;
  });
}

}  // namespace ps
