// Kernels of a device for growing trees on sparse rows, and who launches them; what they share with
// dense rows is in tree_kernels.h. Pointers are to memory of the device; launches return at once, what
// fails later comes with the stream.
//
// Values are there twice: by row, and by cell (models/gbdt/binned_rows.h says what a cell is). A node
// of few rows is summed by rows: each value somewhere else in the histogram, by atomic sums. A node of
// many is summed by cells: each row's gradient somewhere else, in two bytes, of which those of all
// rows stay in the device's cache. A histogram is a sum a cell; what is absent follows from the sum of
// the node.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/tree_kernels.h"
#include "kernels/bounded_split.h"
#include "kernels/histogram.h"
#include "kernels/split_scan.h"

namespace ps {

// Loads all kernels but those of cuts (launch.h says why).
[[nodiscard]] cudaError_t LoadSparseKernels();

// Values by row, as BinnedRows has them.
struct RowCells {
  const std::uint64_t* row_begin = nullptr;  // rows + 1, into cells
  const std::uint32_t* cells = nullptr;
  std::uint32_t rows = 0;
};

// The same values by cell; the rows of a cell are in no fixed order. They are read in stretches, whose
// first cells are looked up once.
inline constexpr unsigned kStretchValues = 1024;
struct CellRows {
  const std::uint64_t* cell_begin = nullptr;  // cells + 1, into rows
  const std::uint32_t* rows = nullptr;        // with room for whole stretches
  // Of each stretch the cell of its first value; behind the last of them the last cell.
  const std::uint32_t* stretch_cell = nullptr;
  std::uint64_t values = 0;
};

// counts[cell] += how many rows have it.
[[nodiscard]] cudaError_t LaunchCellCounts(const RowCells& from, std::uint64_t* counts, cudaStream_t stream);
// rows[next[cell]++] = row, for each of its cells.
[[nodiscard]] cudaError_t LaunchCellFill(const RowCells& from, std::uint64_t* next, std::uint32_t* rows,
                    cudaStream_t stream);

// histogram[cell] += sums of a node's entries, by rows.
[[nodiscard]] cudaError_t LaunchRowSums(const RowCells& values, const NodeEntries& node, int processors,
                   WideSum* histogram, cudaStream_t stream);

// of_row[row] = ShortenGradient of a node's entries; others keep what they have.
[[nodiscard]] cudaError_t LaunchSpreadGradients(const NodeEntries& node, int processors, std::uint16_t* of_row,
                           cudaStream_t stream);
// histogram[cell] += of_row[row], over its rows. No stretch of values may leave 16 bits: |g| is at
// most 31, and h at most 63.
[[nodiscard]] cudaError_t LaunchCellSums(const CellRows& values, const std::uint16_t* of_row, WideSum* histogram,
                    cudaStream_t stream);

// marks[row] = mark, for `count` rows.
[[nodiscard]] cudaError_t LaunchMarkRows(const std::uint32_t* rows, std::uint64_t count, std::uint8_t mark,
                    int processors, std::uint8_t* marks, cudaStream_t stream);

// Loads those of cuts.
[[nodiscard]] cudaError_t LoadSparseScanKernels();

// The best cut of a node by any column: the highest score, then the lowest column, then as
// kernels/split_scan.h says.
struct SparseFinding {
  double score = -1;  // negative: no cut is allowed
  WideSum left = 0, missing = 0;
  std::uint32_t column = 0;
  std::int32_t bin = 0;
  std::int32_t missing_left = 0;  // meaningful where missing is not 0
};

// Finds the best cuts of one node, or of two: then `parent` has the sum of both, and becomes that of
// the other one, in the columns that are looked at.
struct SparseScanWork {
  std::uint32_t columns = 0;
  const std::uint32_t* first_cell = nullptr;  // columns + 1
  const std::uint8_t* zero_bin = nullptr;     // of columns: absent values are in it; null: missing
  const std::uint8_t* chosen = nullptr;       // of columns, which are looked at; null: all
  const WideSum* summed = nullptr;
  WideSum* parent = nullptr;  // null: one node
  WideSum totals[2] = {};     // of the summed node, of the other one
  ScanParams params;
  const Direction* directions = nullptr;  // of columns; null: none has one, and no node has bounds
  ValueBounds bounds[2];                  // as totals
  SparseFinding* of_blocks = nullptr;  // [2 * SparseScanBlocks()]
  SparseFinding* findings = nullptr;   // [2]
};
unsigned SparseScanBlocks(std::uint32_t columns, int processors);
[[nodiscard]] cudaError_t LaunchSparseScan(const SparseScanWork& work, int processors, cudaStream_t stream);

}  // namespace ps
