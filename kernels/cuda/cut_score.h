// The score of a cut, for kernels that scan columns of one or two children of a node.
#pragma once

#include <cuda_runtime.h>

#include "kernels/bounded_split.h"

namespace ps {

// `work` has params and, where kBounded, the directions of columns and the bounds of child blockIdx.y.
template <bool kBounded, typename Work>
__device__ inline double ScoreOfCut(const Work& work, unsigned column, WideSum left, WideSum total) {
  if constexpr (kBounded) {
    // Copied: a reference to one of two would keep all of the work in local memory.
    ValueBounds bounds = work.bounds[0];
    if (blockIdx.y == 1) bounds = work.bounds[1];
    const Direction direction = work.directions[column];
    if (bounds.any() || direction != Direction::kFree)
      return BoundedCutScore(left, total, work.params, bounds, direction);
  }
  return CutScore(left, total, work.params);
}

}  // namespace ps
