#include <cuda_runtime.h>

#include "kernels/cuda/cut_score.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/tree_kernels.h"
#include "kernels/gradient_of_row.h"
#include "kernels/softmax_of_row.h"
#include "ps/base/key.h"

namespace ps {
namespace {

// ---- Gradients

// A thread a row: neighbours read neighbouring margins of a class.
__global__ void SoftmaxNormsKernel(NormWork work) {
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t row = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; row < work.rows;
       row += step) {
    SoftmaxNormsOfRow(work.margins + row, work.rows, work.classes, work.largest + row,
                      work.inverse + row);
  }
}

__device__ void GradientOfRow(const GradientWork& work, std::uint64_t row, float* gradient,
                              float* hessian) {
  const float weight = work.weights == nullptr ? 1.0f : work.weights[row];
  const float margin = work.margins[row], label = work.labels[row];
  if (work.kind == GradientKind::kLogistic) {
    LogisticOfRow(margin, label, weight, gradient, hessian);
  } else if (work.kind == GradientKind::kSoftmax) {
    SoftmaxOfRow(margin, work.largest[row], work.inverse[row], label == work.number, weight,
                 gradient, hessian);
  } else {
    *gradient = weight * (margin - label);
    *hessian = weight;
  }
}

__global__ void GradientKernel(GradientWork work) {
  __shared__ WideSum of_warp[kRowThreads / kWarp];
  WideSum sum = 0;
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t row = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; row < work.rows;
       row += step) {
    float gradient, hessian;
    GradientOfRow(work, row, &gradient, &hessian);
    const std::uint64_t global = work.first_global_row + row;
    RowGradient entry;
    entry.row = static_cast<std::uint32_t>(row);
    FixedGradient fixed;
    if ((Mix64(work.sample_key ^ Mix64(global)) >> 11) < work.sample_below) {
      entry.packed = PackedOfRow(work.quantisation, gradient, hessian, global);
      fixed = FixedOfRow(work.quantisation, gradient, hessian);
    }
    work.entries[row] = entry;
    work.fixed[row] = fixed;
    sum += Widen(entry.packed);
  }
  for (unsigned ahead = kWarp / 2; ahead > 0; ahead /= 2)
    sum += __shfl_down_sync(kAllLanes, sum, ahead);
  if (threadIdx.x % kWarp == 0) of_warp[threadIdx.x / kWarp] = sum;
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (unsigned w = 1; w < kRowThreads / kWarp; ++w) sum += of_warp[w];
  AtomicAdd(work.total, sum);
}

__global__ void LargestGradientKernel(GradientWork work, int* largest) {
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  float most = 0;
  for (std::uint64_t row = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; row < work.rows;
       row += step) {
    const float weight = work.weights == nullptr ? 1.0f : work.weights[row];
    most = fmaxf(most, weight * fabsf(work.margins[row] - work.labels[row]));
  }
  for (unsigned ahead = kWarp / 2; ahead > 0; ahead /= 2)
    most = fmaxf(most, __shfl_down_sync(kAllLanes, most, ahead));
  // The bits of floats that are not negative are in the order of the floats.
  if (threadIdx.x % kWarp == 0) atomicMax(largest, __float_as_int(most));
}

// ---- Histograms

constexpr unsigned kHistogramThreads = 512;
constexpr unsigned kHistogramsOfProcessor = 2;  // blocks that it holds at once
constexpr unsigned kCellsOfThread = kGroupCells / kHistogramThreads;
constexpr unsigned kPieceRows = 1024;  // no narrow sum of so many rows leaves its 16 bits
constexpr unsigned kRowsOfWarp = kPieceRows / (kHistogramThreads / kWarp);

// One lane of a warp has one column: a row is 32 sums in 32 banks. Narrow sums lie in shared
// memory; after every piece each thread takes its cells of them over into registers.
template <unsigned kAtOnce>
__global__ void
    __launch_bounds__(kHistogramThreads, kHistogramsOfProcessor) HistogramKernel(HistogramWork work) {
  __shared__ std::uint32_t narrow[kGroupCells];
  const EntryRange range = RangeOf(work.node);
  const std::uint64_t first = range.begin + std::uint64_t{blockIdx.x} * kPieceRows;
  if (first >= range.end) return;
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const int column = static_cast<int>(blockIdx.y * kGroupColumns + lane);
  const bool has_column = column < work.matrix.columns;
  WideSum wide[kCellsOfThread] = {};
  for (unsigned k = 0; k < kCellsOfThread; ++k) narrow[k * kHistogramThreads + threadIdx.x] = 0;
  __syncthreads();
  for (std::uint64_t piece = first; piece < range.end;
       piece += std::uint64_t{gridDim.x} * kPieceRows) {
    const std::uint64_t begin = piece + warp * kRowsOfWarp;
    const std::uint64_t limit = begin + kRowsOfWarp;
    const std::uint64_t end = limit < range.end ? limit : range.end;
    for (std::uint64_t i = begin; i < end && has_column; i += kAtOnce) {
      RowGradient entry[kAtOnce];
      unsigned bin[kAtOnce];
#pragma unroll
      for (unsigned k = 0; k < kAtOnce; ++k) {
        if (i + k < end) entry[k] = work.node.entries[i + k];
      }
#pragma unroll
      for (unsigned k = 0; k < kAtOnce; ++k) {
        if (i + k < end) bin[k] = work.matrix.bins[entry[k].row * work.matrix.stride + column];
      }
#pragma unroll
      for (unsigned k = 0; k < kAtOnce; ++k) {
        if (i + k < end) atomicAdd(&narrow[bin[k] * kGroupColumns + lane], entry[k].packed);
      }
    }
    __syncthreads();
#pragma unroll
    for (unsigned k = 0; k < kCellsOfThread; ++k) {
      std::uint32_t* const cell = &narrow[k * kHistogramThreads + threadIdx.x];
      wide[k] += Widen(*cell);
      *cell = 0;
    }
    __syncthreads();
  }
  WideSum* const out = work.histogram + std::uint64_t{blockIdx.y} * kGroupCells;
#pragma unroll
  for (unsigned k = 0; k < kCellsOfThread; ++k) {
    if (wide[k] != 0) AtomicAdd(out + k * kHistogramThreads + threadIdx.x, wide[k]);
  }
}

// ---- Partition

constexpr unsigned kWarps = kRowThreads / kWarp;

// A block parts a tile: a warp counts its 256 entries by votes, one thread asks for room for the
// whole tile on either side, and all write. In a tile entries keep their order.
__global__ void PartitionKernel(PartitionWork work) {
  __shared__ std::uint32_t lefts_of_warp[kWarps], tile_left, tile_right;
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const std::uint64_t tile = work.range.begin + std::uint64_t{blockIdx.x} * kTileRows;
  const std::uint64_t first = tile + warp * kWarp * kRoundsOfWarp + lane;
  RowGradient entry[kRoundsOfWarp];
  std::uint32_t votes[kRoundsOfWarp];
#pragma unroll
  for (unsigned k = 0; k < kRoundsOfWarp; ++k) {
    if (first + k * kWarp < work.range.end) entry[k] = work.from[first + k * kWarp];
  }
  std::uint32_t lefts = 0;
#pragma unroll
  for (unsigned k = 0; k < kRoundsOfWarp; ++k) {
    bool left = false;
    if (first + k * kWarp < work.range.end) {
      const unsigned bin = work.matrix.bins[entry[k].row * work.matrix.stride + work.column];
      left = (work.goes_left[bin / 32] >> (bin % 32)) & 1;
    }
    votes[k] = __ballot_sync(kAllLanes, left);
    lefts += static_cast<std::uint32_t>(__popc(votes[k]));
  }
  if (lane == 0) lefts_of_warp[warp] = lefts;
  __syncthreads();
  const std::uint64_t rest = work.range.end - tile;
  const auto tile_rows = static_cast<std::uint32_t>(rest < kTileRows ? rest : kTileRows);
  std::uint32_t before = 0, all = 0;
  for (unsigned w = 0; w < kWarps; ++w) {
    before += w < warp ? lefts_of_warp[w] : 0;
    all += lefts_of_warp[w];
  }
  if (threadIdx.x == 0) {
    tile_left = work.range.begin + atomicAdd(&work.sides->left, all);
    tile_right =
        work.range.end - (tile_rows - all) - atomicAdd(&work.sides->right, tile_rows - all);
  }
  __syncthreads();
#pragma unroll
  for (unsigned k = 0; k < kRoundsOfWarp; ++k) {
    const std::uint64_t at = first + k * kWarp;
    const std::uint32_t left_here = before + __popc(votes[k] & ((1u << lane) - 1));
    if (at < work.range.end) {
      const std::uint32_t place =
          (votes[k] >> lane) & 1 ? tile_left + left_here
                                 : tile_right + static_cast<std::uint32_t>(at - tile) - left_here;
      work.to[place] = entry[k];
    }
    before += static_cast<std::uint32_t>(__popc(votes[k]));
  }
}

// ---- Scan

struct Cut {
  double score = -1;
  int order = 0;  // among equal scores the lowest: missing values right before left, then by bin
};

__device__ Cut BetterOf(const Cut& a, const Cut& b) {
  if (a.score != b.score) return a.score > b.score ? a : b;
  return a.order <= b.order ? a : b;
}

// One block a column and node, one thread a bin. kBounded: columns may have a direction and nodes bounds.
template <bool kBounded>
__global__ void ScanKernel(ScanWork work) {
  __shared__ WideSum of_warp[kBinsPerColumn / kWarp], running[kBinsPerColumn], missing_sum;
  __shared__ Cut best_of_warp[kBinsPerColumn / kWarp];
  const int column = static_cast<int>(blockIdx.x), bin = static_cast<int>(threadIdx.x);
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const std::uint64_t at = std::uint64_t{column / unsigned{kGroupColumns}} * kGroupCells +
                           std::uint64_t{threadIdx.x} * kGroupColumns + column % kGroupColumns;
  WideSum cell = work.summed[at];
  if (blockIdx.y == 1) work.parent[at] = cell = work.parent[at] - cell;
  if (work.category[column] >= 0) {
    const std::uint64_t number =
        std::uint64_t{blockIdx.y} * work.categories + work.category[column];
    work.category_cells[number * kBinsPerColumn + threadIdx.x] = cell;
  }
  // Running sums of bins 1, 2, ...
  WideSum sum = bin == 0 ? 0 : cell;
  for (unsigned back = 1; back < kWarp; back *= 2) {
    const WideSum other = __shfl_up_sync(kAllLanes, sum, back);
    if (lane >= back) sum += other;
  }
  if (lane == kWarp - 1) of_warp[warp] = sum;
  if (bin == 0) missing_sum = cell;
  __syncthreads();
  for (unsigned w = 0; w < warp; ++w) sum += of_warp[w];
  running[bin] = sum;
  __syncthreads();
  const WideSum missing = missing_sum, total = running[kBinsPerColumn - 1] + missing;
  const int bins = work.bins[column];
  const auto score_of = [&](WideSum left) {
    return ScoreOfCut<kBounded>(work, static_cast<unsigned>(column), left, total);
  };
  Cut best;
  const int last_right = missing != 0 ? bins : bins - 1;
  if (bin >= 1 && bin <= last_right) best = {score_of(sum), bin};
  if (missing != 0 && bin >= 1 && bin < bins) {
    best = BetterOf(best, {score_of(sum + missing), kBinsPerColumn + bin});
  }
  for (unsigned ahead = kWarp / 2; ahead > 0; ahead /= 2) {
    Cut other;
    other.score = __shfl_down_sync(kAllLanes, best.score, ahead);
    other.order = __shfl_down_sync(kAllLanes, best.order, ahead);
    best = BetterOf(best, other);
  }
  if (lane == 0) best_of_warp[warp] = best;
  __syncthreads();
  if (bin != 0) return;
  for (unsigned w = 1; w < kBinsPerColumn / kWarp; ++w) best = BetterOf(best, best_of_warp[w]);
  ColumnFinding finding;
  finding.missing = missing;
  finding.total = total;
  // Each side needs its hessians, and one of the two has only rows with a value.
  if (best.score >= 0 && WideHessian(total - missing) >= work.params.min_hessian) {
    finding.score = best.score;
    finding.bin = best.order % kBinsPerColumn;
    finding.missing_left = best.order / kBinsPerColumn;
    finding.left = running[finding.bin] + (finding.missing_left != 0 ? missing : 0);
  }
  work.findings[std::uint64_t{blockIdx.y} * work.columns + column] = finding;
}

}  // namespace

cudaError_t LoadTreeKernels() {
  return LoadKernels(SoftmaxNormsKernel, GradientKernel, LargestGradientKernel,
                     HistogramKernel<kRowsAtOnce>, HistogramKernel<kFewerRowsAtOnce>,
                     PartitionKernel, ScanKernel<false>, ScanKernel<true>);
}

cudaError_t LaunchSoftmaxNorms(const NormWork& work, cudaStream_t stream) {
  return Launch(SoftmaxNormsKernel, {BlocksFor(work.rows, kRowThreads)}, kRowThreads, stream, work);
}

cudaError_t LaunchGradients(const GradientWork& work, cudaStream_t stream) {
  return Launch(GradientKernel, {BlocksFor(work.rows, kTileRows)}, kRowThreads, stream, work);
}

cudaError_t LaunchLargestGradient(const GradientWork& work, int* largest, cudaStream_t stream) {
  return Launch(LargestGradientKernel, {BlocksFor(work.rows, 16 * kRowThreads)}, kRowThreads, stream, work,
         largest);
}

cudaError_t LaunchHistogram(const HistogramWork& work, int processors, cudaStream_t stream) {
  // Every block adds all its cells to the sum of blocks: not too few rows for that.
  const unsigned blocks = ResidentBlocksFor(work.node.range.end - work.node.range.begin,
                                            2 * kPieceRows, kHistogramsOfProcessor, processors);
  const auto groups = static_cast<unsigned>(ColumnGroups(work.matrix.columns));
  return Launch(work.rows_at_once == kFewerRowsAtOnce ? HistogramKernel<kFewerRowsAtOnce>
                                                      : HistogramKernel<kRowsAtOnce>,
                {blocks, groups}, kHistogramThreads, stream, work);
}

cudaError_t LaunchPartition(const PartitionWork& work, cudaStream_t stream) {
  return Launch(PartitionKernel, {BlocksFor(work.range.end - work.range.begin, kTileRows)}, kRowThreads,
         stream, work);
}

cudaError_t LaunchScan(const ScanWork& work, cudaStream_t stream) {
  return Launch(work.directions == nullptr ? ScanKernel<false> : ScanKernel<true>,
                {static_cast<unsigned>(work.columns), work.parent == nullptr ? 1u : 2u},
                kBinsPerColumn, stream, work);
}

}  // namespace ps
