#include "kernels/cuda/margin_kernels.h"

#include <cuda_runtime.h>

#include "kernels/cuda/launch.h"

namespace ps {
namespace {

// 0: the row has no cell of the column.
__device__ std::uint32_t BinAmongCells(const DeviceBinRows& rows, std::uint64_t row, const DeviceTreeNode& node) {
  std::uint64_t from = rows.row_begin[row];
  const std::uint64_t end = rows.row_begin[row + 1];
  std::uint64_t to = end;
  while (from < to) {
    const std::uint64_t middle = from + (to - from) / 2;
    if (rows.cells[middle] < node.first_cell) {
      from = middle + 1;
    } else {
      to = middle;
    }
  }
  if (from == end) return 0;
  const std::uint32_t cell = rows.cells[from];
  return cell < node.end_cell ? cell - node.first_cell + 1 : 0;
}

// A thread a row. What is read again and again, the nodes, stays in the first-level cache; a row of a matrix is a sector
// or two of memory, read once.
__global__ void __launch_bounds__(kRowThreads) WalkKernel(WalkWork work) {
  const std::uint64_t row = std::uint64_t{blockIdx.x} * kRowThreads + threadIdx.x;
  if (row >= work.rows.rows) return;
  std::int32_t at = work.has_nodes ? 0 : ~0;
  while (at >= 0) {
    const DeviceTreeNode& node = work.nodes[at];
    const std::uint32_t bin = work.rows.cells != nullptr
                                  ? BinAmongCells(work.rows, row, node)
                                  : work.rows.matrix.bins[row * work.rows.matrix.stride + node.column];
    at = (node.goes_left[bin / 32] >> (bin % 32)) & 1 ? node.left : node.right;
  }
  work.margins[row] += work.leaf_values[~at];
}

}  // namespace

cudaError_t LoadMarginKernels() {
  return LoadKernels(WalkKernel);
}

cudaError_t LaunchWalk(const WalkWork& work, cudaStream_t stream) {
  return Launch(WalkKernel, {BlocksFor(work.rows.rows, kRowThreads)}, kRowThreads, stream, work);
}

}  // namespace ps
