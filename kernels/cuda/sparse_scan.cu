// The best cut of sparse rows: one answer a node, so that nothing of the columns goes to the host.
#include <cuda_runtime.h>

#include "kernels/cuda/cut_score.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/sparse_kernels.h"

namespace ps {
namespace {

constexpr unsigned kWarpsOfBlock = kRowThreads / kWarp;
// Blocks of kRowThreads that a processor holds: sums of a column take registers, and so do bounds.
constexpr unsigned kScanBlocksOfProcessor = 4, kBoundedBlocksOfProcessor = 2;
constexpr int kRounds = kBinsPerColumn / static_cast<int>(kWarp);

// Total: whatever is compared first, the same one is left.
__device__ bool Better(const SparseFinding& a, const SparseFinding& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.column != b.column) return a.column < b.column;
  if (a.missing_left != b.missing_left) return a.missing_left < b.missing_left;
  return a.bin < b.bin;
}

__device__ SparseFinding FromLaneAhead(const SparseFinding& mine, unsigned ahead) {
  SparseFinding other;
  other.score = __shfl_down_sync(kAllLanes, mine.score, ahead);
  other.left = __shfl_down_sync(kAllLanes, mine.left, ahead);
  other.missing = __shfl_down_sync(kAllLanes, mine.missing, ahead);
  other.column = __shfl_down_sync(kAllLanes, mine.column, ahead);
  other.bin = __shfl_down_sync(kAllLanes, mine.bin, ahead);
  other.missing_left = __shfl_down_sync(kAllLanes, mine.missing_left, ahead);
  return other;
}

// The best of the block's threads, on thread 0. Once a kernel.
__device__ SparseFinding BestOfBlock(SparseFinding best) {
  __shared__ SparseFinding of_warp[kWarpsOfBlock];
  for (unsigned ahead = kWarp / 2; ahead > 0; ahead /= 2) {
    const SparseFinding other = FromLaneAhead(best, ahead);
    if (Better(other, best)) best = other;
  }
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = best;
  __syncthreads();
  if (threadIdx.x != 0) return best;
  for (unsigned w = 1; w < kWarpsOfBlock; ++w) {
    if (Better(of_warp[w], best)) best = of_warp[w];
  }
  return best;
}

__device__ WideSum SumOfWarp(WideSum sum) {
  for (unsigned ahead = kWarp / 2; ahead > 0; ahead /= 2)
    sum += __shfl_down_sync(kAllLanes, sum, ahead);
  return __shfl_sync(kAllLanes, sum, 0);
}

// Looks at the cuts of one column, of which round k's lane has bin 32 k + lane + 1; all lanes come.
// Each lane keeps the best that it has met. kBounded: columns may have a direction and nodes bounds.
template <bool kBounded>
__device__ void LookAtColumn(const SparseScanWork& work, std::uint32_t column, int bins,
                             WideSum (&cell)[kRounds], SparseFinding* best) {
  const int lane = static_cast<int>(threadIdx.x % kWarp);
  const WideSum total = blockIdx.y == 0 ? work.totals[0] : work.totals[1];
  WideSum present = 0;
#pragma unroll
  for (int k = 0; k < kRounds; ++k) present += cell[k];
  present = SumOfWarp(present);
  // Each side needs its hessians, and one of the two has only rows with a value.
  if (WideHessian(present) < work.params.min_hessian) return;
  WideSum missing = total - present, before = 0;
  if (work.zero_bin != nullptr) {
    const int zero = work.zero_bin[column] - 1;
#pragma unroll
    for (int k = 0; k < kRounds; ++k) cell[k] += zero == k * int{kWarp} + lane ? missing : 0;
    missing = 0;
  }
  const auto score_of = [&](WideSum left) {
    return ScoreOfCut<kBounded>(work, static_cast<unsigned>(column), left, total);
  };
  const auto look = [&](WideSum left, int bin, int missing_left) {
    SparseFinding found;
    found.score = score_of(left);
    found.left = left;
    found.missing = missing;
    found.column = column;
    found.bin = bin;
    found.missing_left = missing_left;
    if (found.score >= 0 && Better(found, *best)) *best = found;
  };
  const int last_right = missing != 0 ? bins : bins - 1;
#pragma unroll
  for (int k = 0; k < kRounds; ++k) {
    if (k * int{kWarp} >= bins) break;
    WideSum sum = cell[k];
    for (unsigned back = 1; back < kWarp; back *= 2) {
      const WideSum other = __shfl_up_sync(kAllLanes, sum, back);
      if (lane >= static_cast<int>(back)) sum += other;
    }
    sum += before;
    before = __shfl_sync(kAllLanes, sum, kWarp - 1);
    const int bin = k * int{kWarp} + lane + 1;
    if (bin <= last_right) look(sum, bin, 0);
    if (missing != 0 && bin < bins) look(sum + missing, bin, 1);
  }
}

// A warp has a column at a time.
template <bool kBounded>
__global__ void __launch_bounds__(kRowThreads) SparseScanKernel(SparseScanWork work) {
  const std::uint32_t lane = threadIdx.x % kWarp;
  const std::uint64_t step = std::uint64_t{gridDim.x} * kWarpsOfBlock;
  SparseFinding best;
  for (std::uint64_t column = std::uint64_t{blockIdx.x} * kWarpsOfBlock + threadIdx.x / kWarp;
       column < work.columns; column += step) {
    if (work.chosen != nullptr && work.chosen[column] == 0) continue;
    const std::uint32_t first = work.first_cell[column];
    const int bins = static_cast<int>(work.first_cell[column + 1] - first);
    WideSum cell[kRounds];
#pragma unroll
    for (int k = 0; k < kRounds; ++k) {
      const int at = k * int{kWarp} + static_cast<int>(lane);
      cell[k] = 0;
      if (at >= bins) continue;
      const std::uint64_t place = std::uint64_t{first} + static_cast<unsigned>(at);
      cell[k] = work.summed[place];
      if (blockIdx.y == 1) work.parent[place] = cell[k] = work.parent[place] - cell[k];
    }
    LookAtColumn<kBounded>(work, static_cast<std::uint32_t>(column), bins, cell, &best);
  }
  best = BestOfBlock(best);
  if (threadIdx.x == 0) work.of_blocks[blockIdx.y * gridDim.x + blockIdx.x] = best;
}

// A block a node.
__global__ void BestFindingKernel(SparseScanWork work, unsigned blocks) {
  SparseFinding best;
  for (unsigned b = threadIdx.x; b < blocks; b += kRowThreads) {
    const SparseFinding& other = work.of_blocks[blockIdx.x * blocks + b];
    if (Better(other, best)) best = other;
  }
  best = BestOfBlock(best);
  if (threadIdx.x == 0) work.findings[blockIdx.x] = best;
}

}  // namespace

cudaError_t LoadSparseScanKernels() {
  return LoadKernels(SparseScanKernel<false>, SparseScanKernel<true>, BestFindingKernel);
}

unsigned SparseScanBlocks(std::uint32_t columns, int processors) {
  return ResidentBlocksFor(columns, kWarpsOfBlock, kScanBlocksOfProcessor, processors);
}

cudaError_t LaunchSparseScan(const SparseScanWork& work, int processors, cudaStream_t stream) {
  const bool bounded = work.directions != nullptr;
  const unsigned blocks = bounded ? ResidentBlocksFor(work.columns, kWarpsOfBlock,
                                                      kBoundedBlocksOfProcessor, processors)
                                  : SparseScanBlocks(work.columns, processors),
                 nodes = work.parent == nullptr ? 1 : 2;
  const cudaError_t error = Launch(bounded ? SparseScanKernel<true> : SparseScanKernel<false>,
                                   {blocks, nodes}, kRowThreads, stream, work);
  if (error != cudaSuccess) return error;
  return Launch(BestFindingKernel, {nodes}, kRowThreads, stream, work, blocks);
}

}  // namespace ps
