// The rows of one part of a job as bins: what trees are grown on. Owns its memory; immutable once
// filled.
//
// Dense: a row-major matrix of bytes. Sparse: for each row the ascending numbers of the cells that
// it touches, a cell being a bin of a column that is not its default; an absent value has no cell.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/histogram.h"
#include "models/gbdt/huge_array.h"

namespace ps {

struct BinnedRows {
  std::size_t rows = 0;
  int columns = 0;
  std::vector<float> labels;
  std::vector<float> weights;  // empty: all 1
  std::vector<float> margins;  // that rows begin with, as StartMargins lays them out; empty: there are none

  // Dense.
  HugeArray<std::uint8_t> bins;
  std::size_t stride = 0;

  // Sparse. Column c has the cells [first_cell[c], first_cell[c + 1]); cell first_cell[c] + b - 1
  // is its bin b.
  bool sparse = false;
  std::vector<std::uint32_t> first_cell;
  std::vector<std::uint64_t> row_begin;  // rows + 1, into cells
  HugeArray<std::uint32_t> cells;

  DenseBins dense() const { return {bins.data(), stride, columns}; }
};

// Bytes from row to row of a dense matrix: rows of 17 to 64 bytes do not cross cache lines more
// than they must.
constexpr std::size_t DenseStride(int columns) {
  const auto bytes = static_cast<std::size_t>(columns);
  if (bytes > 24 && bytes <= 32) return 32;
  return bytes <= 8 ? (bytes + 1) / 2 * 2 : (bytes + 3) / 4 * 4;
}

}  // namespace ps
