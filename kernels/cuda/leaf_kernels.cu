// What follows from a grown tree: exact sums of its leaves, and their values added to margins.
#include <cuda_runtime.h>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/tree_kernels.h"

namespace ps {
namespace {

// The leaf that has the entry at `place`.
__device__ std::uint32_t LeafAt(const LeafWork& work, std::uint64_t place) {
  std::uint32_t low = 0, high = work.count - 1;
  while (low < high) {
    const std::uint32_t middle = (low + high) / 2;
    if (work.leaves[middle].range.end > place) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return low;
}

// Calls visit(leaf, begin, end) for the parts of leaves in the block's tile, all threads alike.
template <typename Visit>
__device__ void VisitTile(const LeafWork& work, const Visit& visit) {
  const std::uint64_t tile = std::uint64_t{blockIdx.x} * kTileRows;
  const std::uint64_t tile_end =
      tile + kTileRows < work.rows ? tile + kTileRows : std::uint64_t{work.rows};
  std::uint64_t begin = tile;
  for (std::uint32_t leaf = LeafAt(work, tile); begin < tile_end; ++leaf) {
    const std::uint64_t leaf_end = work.leaves[leaf].range.end;
    const std::uint64_t end = leaf_end < tile_end ? leaf_end : tile_end;
    visit(leaf, begin, end);
    begin = end;
  }
}

__global__ void LeafSumsKernel(LeafWork work, const FixedGradient* fixed, std::int64_t* g,
                               std::int64_t* h) {
  VisitTile(work, [&](std::uint32_t leaf, std::uint64_t begin, std::uint64_t end) {
    const RowGradient* const entries = work.entries[work.leaves[leaf].buffer];
    long long sum_g = 0, sum_h = 0;
    for (std::uint64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
      const FixedGradient gradient = fixed[entries[i].row];
      sum_g += gradient.g;
      sum_h += gradient.h;
    }
    for (unsigned ahead = kWarp / 2; ahead > 0; ahead /= 2) {
      sum_g += __shfl_down_sync(kAllLanes, sum_g, ahead);
      sum_h += __shfl_down_sync(kAllLanes, sum_h, ahead);
    }
    if (threadIdx.x % kWarp == 0 && (sum_g != 0 || sum_h != 0)) {
      AtomicAdd(g + leaf, sum_g);
      AtomicAdd(h + leaf, sum_h);
    }
  });
}

__global__ void LeafValuesKernel(LeafWork work, float* margins) {
  VisitTile(work, [&](std::uint32_t leaf, std::uint64_t begin, std::uint64_t end) {
    const RowGradient* const entries = work.entries[work.leaves[leaf].buffer];
    const float value = work.leaves[leaf].value;
    for (std::uint64_t i = begin + threadIdx.x; i < end; i += blockDim.x)
      margins[entries[i].row] += value;
  });
}

}  // namespace

cudaError_t LoadLeafKernels() {
  return LoadKernels(LeafSumsKernel, LeafValuesKernel);
}

cudaError_t LaunchLeafSums(const LeafWork& work, const FixedGradient* fixed, std::int64_t* g,
                    std::int64_t* h, cudaStream_t stream) {
  return Launch(LeafSumsKernel, {BlocksFor(work.rows, kTileRows)}, kRowThreads, stream, work, fixed, g, h);
}

cudaError_t LaunchLeafValues(const LeafWork& work, float* margins, cudaStream_t stream) {
  return Launch(LeafValuesKernel, {BlocksFor(work.rows, kTileRows)}, kRowThreads, stream, work, margins);
}

}  // namespace ps
