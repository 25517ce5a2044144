// Kernels of a device for growing trees, and who launches them; what is for sparse rows alone is in
// sparse_kernels.h. Pointers are to memory of the device; launches return at once, what fails later
// comes with the stream. The results are the bits of the kernels of the processor (kernels/histogram.h,
// gradients.h, split_scan.h).
//
// A histogram of dense rows has groups of 32 columns; within a group bin b of column c is cell
// 32 b + c % 32, so that the columns of a row lie in different banks of shared memory whatever their
// bins.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/bounded_split.h"
#include "kernels/gradients.h"
#include "kernels/histogram.h"
#include "kernels/host_device.h"
#include "kernels/split_scan.h"

namespace ps {

inline constexpr int kGroupColumns = 32;
inline constexpr int kGroupCells = kGroupColumns * kBinsPerColumn;
constexpr int ColumnGroups(int columns) { return (columns + kGroupColumns - 1) / kGroupColumns; }
// Where a bin of a column is in such a histogram.
constexpr std::size_t DenseCell(int column, int bin) {
  return static_cast<std::size_t>(column / kGroupColumns * kGroupCells + bin * kGroupColumns +
                                  column % kGroupColumns);
}

// Rows of a node: entries [begin, end) of a buffer.
struct EntryRange {
  std::uint32_t begin = 0, end = 0;
};
// How many entries a partition has put on either side so far.
struct SideCounts {
  std::uint32_t left = 0, right = 0;
};

// Loads all kernels but those of leaves (launch.h says why).
[[nodiscard]] cudaError_t LoadTreeKernels();

// The norms of each row's softmax over margins as BinnedRows has them: margin m of row r is at
// [m * rows + r].
struct NormWork {
  std::uint32_t rows = 0, classes = 0;
  const float* margins = nullptr;
  float* largest = nullptr;  // of rows
  float* inverse = nullptr;
};
[[nodiscard]] cudaError_t LaunchSoftmaxNorms(const NormWork& work, cudaStream_t stream);

struct GradientWork {
  std::uint32_t rows = 0;
  const float* margins = nullptr;  // of softmax those of the class
  const float* labels = nullptr;
  const float* weights = nullptr;  // null: all 1
  GradientKind kind = GradientKind::kLogistic;
  const float* largest = nullptr;  // of softmax: norms
  const float* inverse = nullptr;
  float number = 0;                // of its class, as labels have it
  Quantisation quantisation;
  std::uint64_t first_global_row = 0;
  std::uint64_t sample_key = 0;
  std::uint64_t sample_below = 0;  // of 53 bits; rows whose bits are not below it weigh nothing
  RowGradient* entries = nullptr;
  FixedGradient* fixed = nullptr;
  WideSum* total = nullptr;  // += the quantised gradients of all rows
};
[[nodiscard]] cudaError_t LaunchGradients(const GradientWork& work, cudaStream_t stream);

// *largest = max(*largest, bits of the largest |gradient| of squared errors).
[[nodiscard]] cudaError_t LaunchLargestGradient(const GradientWork& work, int* largest, cudaStream_t stream);

// The entries of a range, or of one side of what a partition made of it: how many those are is known
// on the device only.
enum class Side { kAll, kLeft, kRight };
struct NodeEntries {
  const RowGradient* entries = nullptr;
  EntryRange range;
  Side side = Side::kAll;
  const SideCounts* sides = nullptr;  // unless kAll
};
// For kernels.
PS_HOST_DEVICE inline EntryRange RangeOf(const NodeEntries& node) {
  if (node.side == Side::kAll) return node.range;
  const std::uint32_t middle = node.range.begin + node.sides->left;
  if (node.side == Side::kLeft) return {node.range.begin, middle};
  return {middle, node.range.end};
}

// Rows whose bins a thread of the histogram's kernel has on their way at once. Eight hide more of the
// memory's delay, but do not fit its registers with two blocks a processor (88 bytes are spilled), four
// do: which is faster, device_bench measures.
inline constexpr unsigned kRowsAtOnce = 8, kFewerRowsAtOnce = 4;

// histogram[cell] += sums of a node's entries.
struct HistogramWork {
  DenseBins matrix;
  NodeEntries node;
  WideSum* histogram = nullptr;
  unsigned rows_at_once = kRowsAtOnce;  // or kFewerRowsAtOnce
};
[[nodiscard]] cudaError_t LaunchHistogram(const HistogramWork& work, int processors, cudaStream_t stream);

// Entries whose bin goes left to the front of the range in `to`, the others to its back; in which
// order depends on time, and nothing that is made of them depends on it. `sides` is 0 before.
struct PartitionWork {
  DenseBins matrix;
  std::uint32_t column = 0;
  std::uint32_t goes_left[kBinsPerColumn / 32] = {};  // a bit a bin
  EntryRange range;
  const RowGradient* from = nullptr;
  RowGradient* to = nullptr;
  SideCounts* sides = nullptr;
};
[[nodiscard]] cudaError_t LaunchPartition(const PartitionWork& work, cudaStream_t stream);

// What the histogram of a node says of a column of numbers.
struct ColumnFinding {
  double score = -1;  // negative: no cut is allowed
  WideSum left = 0, missing = 0, total = 0;
  std::int32_t bin = 0;
  std::int32_t missing_left = 0;  // meaningful where missing is not 0
};

// Finds the cuts of one node, or of two: then `parent` has the sum of both, and becomes that of the
// other one. Cells of columns of categories are handed out as they are.
struct ScanWork {
  int columns = 0;
  const std::uint8_t* bins = nullptr;      // of columns
  const std::int32_t* category = nullptr;  // of columns: their number among categories, or -1
  int categories = 0;
  const WideSum* summed = nullptr;  // the histogram that was summed
  WideSum* parent = nullptr;        // null: one node
  ScanParams params;
  const Direction* directions = nullptr;  // of columns; null: none has one, and no node has bounds
  ValueBounds bounds[2];                  // of the summed node, of the other one
  ColumnFinding* findings = nullptr;  // [columns] of the summed one, then of the other
  WideSum* category_cells = nullptr;  // [categories][kBinsPerColumn] likewise
};
[[nodiscard]] cudaError_t LaunchScan(const ScanWork& work, cudaStream_t stream);

// A leaf of a grown tree; leaves are in order of their ranges and cover all entries.
struct LeafRange {
  EntryRange range;
  std::uint32_t buffer = 0;  // which of the two
  float value = 0;
};
struct LeafWork {
  const LeafRange* leaves = nullptr;
  std::uint32_t count = 0;
  std::uint32_t rows = 0;
  const RowGradient* entries[2] = {};
};
// Loads those of leaves.
[[nodiscard]] cudaError_t LoadLeafKernels();

// sums[leaf] += the fixed-point gradients of its rows.
[[nodiscard]] cudaError_t LaunchLeafSums(const LeafWork& work, const FixedGradient* fixed, std::int64_t* g,
                    std::int64_t* h, cudaStream_t stream);
// margins[row] += the value of its leaf.
[[nodiscard]] cudaError_t LaunchLeafValues(const LeafWork& work, float* margins, cudaStream_t stream);

}  // namespace ps
