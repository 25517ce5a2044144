#include "kernels/bounded_split.h"

namespace ps {

ColumnSplit BestBoundedSplit(const ColumnCells& column, const ScanParams& params,
                             const ValueBounds& bounds, Direction direction) {
  return ScanCutsPlain(column, [&](WideSum left) {
    return BoundedCutScore(left, column.total, params, bounds, direction);
  });
}

}  // namespace ps
