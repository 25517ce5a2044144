// Sums and sides of sparse rows.
#include "kernels/cuda/sparse_kernels.h"

#include <cuda_runtime.h>

#include "kernels/cuda/launch.h"

namespace ps {
namespace {

constexpr unsigned kBlocksOfProcessor = 8;  // of kRowThreads: as many as it holds at once

// ---- The other order of the values

constexpr unsigned kRowLanes = 16;  // that read a row together
constexpr unsigned kReads = 4;      // of a lane, in flight

// Calls visit(cell) for the cells of a row, kRowLanes of them at a time on as many threads.
template <typename Visit>
__device__ void VisitRow(const RowCells& from, std::uint64_t row, const Visit& visit) {
  const std::uint64_t end = from.row_begin[row + 1];
  for (std::uint64_t i = from.row_begin[row] + threadIdx.x % kRowLanes; i < end;
       i += kReads * kRowLanes) {
    std::uint32_t cell[kReads];
#pragma unroll
    for (unsigned k = 0; k < kReads; ++k) {
      if (i + k * kRowLanes < end) cell[k] = from.cells[i + k * kRowLanes];
    }
#pragma unroll
    for (unsigned k = 0; k < kReads; ++k) {
      if (i + k * kRowLanes < end) visit(cell[k]);
    }
  }
}

__device__ std::uint64_t FirstRow() {
  return (std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x) / kRowLanes;
}
__device__ std::uint64_t RowStep() { return std::uint64_t{gridDim.x} * blockDim.x / kRowLanes; }

__global__ void CellCountsKernel(RowCells from, std::uint64_t* counts) {
  for (std::uint64_t row = FirstRow(); row < from.rows; row += RowStep()) {
    VisitRow(from, row, [&](std::uint32_t cell) {
      atomicAdd(reinterpret_cast<unsigned long long*>(counts + cell), 1ull);
    });
  }
}

// Blocks start in the order of rows, so that the rows of a cell are nearly in order: those that are
// read together have their gradients near each other.
__global__ void CellFillKernel(RowCells from, std::uint64_t* next, std::uint32_t* rows) {
  for (std::uint64_t row = FirstRow(); row < from.rows; row += RowStep()) {
    VisitRow(from, row, [&](std::uint32_t cell) {
      rows[atomicAdd(reinterpret_cast<unsigned long long*>(next + cell), 1ull)] =
          static_cast<std::uint32_t>(row);
    });
  }
}

// ---- Sums by rows

__global__ void RowSumsKernel(RowCells values, NodeEntries node, WideSum* histogram) {
  const EntryRange range = RangeOf(node);
  for (std::uint64_t i = range.begin + FirstRow(); i < range.end; i += RowStep()) {
    const RowGradient entry = node.entries[i];
    if (entry.packed == 0) continue;  // not in this tree's sample
    const WideSum gradient = Widen(entry.packed);
    VisitRow(values, entry.row, [&](std::uint32_t cell) { AtomicAdd(histogram + cell, gradient); });
  }
}

// ---- Sums by cells

__global__ void SpreadGradientsKernel(NodeEntries node, std::uint16_t* of_row) {
  const EntryRange range = RangeOf(node);
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t i = range.begin + std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x;
       i < range.end; i += step) {
    const RowGradient entry = node.entries[i];
    of_row[entry.row] = ShortenGradient(entry.packed);
  }
}

constexpr unsigned kAtOnce = kStretchValues / kRowThreads;
struct alignas(16) Rows {
  std::uint32_t row[kAtOnce];
};
static_assert(sizeof(Rows) == 16);

// A block has a stretch of values: running sums of all of it, of which a cell's sum is a difference.
// A cell is in one stretch, or its parts meet by atomic sums.
__global__ void __launch_bounds__(kRowThreads)
    CellSumsKernel(CellRows values, const std::uint16_t* of_row, WideSum* histogram) {
  __shared__ std::uint32_t running[kStretchValues + 1], of_warp[kRowThreads / kWarp];
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const std::uint64_t begin = std::uint64_t{blockIdx.x} * kStretchValues;
  const std::uint64_t limit = begin + kStretchValues;
  const std::uint64_t end = limit < values.values ? limit : values.values;
  const std::uint64_t mine = begin + kAtOnce * threadIdx.x;
  const Rows rows = reinterpret_cast<const Rows*>(values.rows)[mine / kAtOnce];
  std::uint32_t sum[kAtOnce];
#pragma unroll
  for (unsigned k = 0; k < kAtOnce; ++k)
    sum[k] = mine + k < end ? NarrowOfShort(of_row[rows.row[k]]) : 0;
#pragma unroll
  for (unsigned k = 1; k < kAtOnce; ++k) sum[k] += sum[k - 1];
  std::uint32_t before = sum[kAtOnce - 1];
  for (unsigned back = 1; back < kWarp; back *= 2) {
    const std::uint32_t other = __shfl_up_sync(kAllLanes, before, back);
    if (lane >= back) before += other;
  }
  if (lane == kWarp - 1) of_warp[warp] = before;
  before -= sum[kAtOnce - 1];
  __syncthreads();
  for (unsigned w = 0; w < warp; ++w) before += of_warp[w];
  if (threadIdx.x == 0) running[0] = 0;
#pragma unroll
  for (unsigned k = 0; k < kAtOnce; ++k) running[kAtOnce * threadIdx.x + k + 1] = before + sum[k];
  __syncthreads();
  const std::uint32_t last = values.stretch_cell[blockIdx.x + 1];
  for (std::uint64_t cell = values.stretch_cell[blockIdx.x] + threadIdx.x; cell <= last;
       cell += kRowThreads) {
    const std::uint64_t cell_begin = values.cell_begin[cell], cell_end = values.cell_begin[cell + 1];
    const std::uint64_t from = cell_begin > begin ? cell_begin : begin;
    const std::uint64_t to = cell_end < end ? cell_end : end;
    if (from >= to) continue;
    const WideSum of_cell = Widen(running[to - begin] - running[from - begin]);
    if (of_cell == 0) continue;
    if (cell_begin >= begin && cell_end <= end) {
      histogram[cell] += of_cell;
    } else {
      AtomicAdd(histogram + cell, of_cell);
    }
  }
}

// ---- Sides

__global__ void MarkRowsKernel(const std::uint32_t* rows, std::uint64_t count, std::uint8_t mark,
                               std::uint8_t* marks) {
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < count; i += step)
    marks[rows[i]] = mark;
}

unsigned BlocksOver(std::uint64_t items, unsigned of_block, int processors) {
  return ResidentBlocksFor(items, of_block, kBlocksOfProcessor, processors);
}

}  // namespace

cudaError_t LoadSparseKernels() {
  return LoadKernels(CellCountsKernel, CellFillKernel, RowSumsKernel, SpreadGradientsKernel, CellSumsKernel,
                     MarkRowsKernel);
}

cudaError_t LaunchCellCounts(const RowCells& from, std::uint64_t* counts, cudaStream_t stream) {
  return Launch(CellCountsKernel, {BlocksFor(from.rows, kRowThreads / kRowLanes)}, kRowThreads, stream,
         from, counts);
}

cudaError_t LaunchCellFill(const RowCells& from, std::uint64_t* next, std::uint32_t* rows,
                    cudaStream_t stream) {
  return Launch(CellFillKernel, {BlocksFor(from.rows, kRowThreads / kRowLanes)}, kRowThreads, stream, from,
         next, rows);
}

// How many rows one side of a split has is not known here: blocks for which there are none end at once.
cudaError_t LaunchRowSums(const RowCells& values, const NodeEntries& node, int processors,
                   WideSum* histogram, cudaStream_t stream) {
  const unsigned blocks =
      BlocksOver(node.range.end - node.range.begin, kRowThreads / kRowLanes, processors);
  return Launch(RowSumsKernel, {blocks}, kRowThreads, stream, values, node, histogram);
}

cudaError_t LaunchSpreadGradients(const NodeEntries& node, int processors, std::uint16_t* of_row,
                           cudaStream_t stream) {
  const unsigned blocks = BlocksOver(node.range.end - node.range.begin, kRowThreads, processors);
  return Launch(SpreadGradientsKernel, {blocks}, kRowThreads, stream, node, of_row);
}

cudaError_t LaunchCellSums(const CellRows& values, const std::uint16_t* of_row, WideSum* histogram,
                    cudaStream_t stream) {
  return Launch(CellSumsKernel, {BlocksFor(values.values, kStretchValues)}, kRowThreads, stream, values,
         of_row, histogram);
}

cudaError_t LaunchMarkRows(const std::uint32_t* rows, std::uint64_t count, std::uint8_t mark,
                    int processors, std::uint8_t* marks, cudaStream_t stream) {
  return Launch(MarkRowsKernel, {BlocksOver(count, kRowThreads, processors)}, kRowThreads, stream, rows,
                count, mark, marks);
}

}  // namespace ps
