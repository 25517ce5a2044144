// Random binned rows with a target that depends on some of their columns, as a matrix or as sparse
// rows. For tests.
#pragma once

#include <random>
#include <vector>

#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"

namespace ps {

struct BinnedSample {
  BinnedRows rows;
  std::vector<BinColumn> columns;
  std::vector<std::vector<std::uint8_t>> bin;  // [row][column], 0 is missing

  int columns_count() const { return static_cast<int>(columns.size()); }
};

struct SampleShape {
  std::size_t rows = 1000;
  int columns = 5;
  int bins = 20;
  double missing = 0.1;
  bool sparse = false;
  bool weights = false;
  int categories = 0;  // of the first columns, that are categories
  unsigned seed = 1;
};

inline BinnedSample MakeSample(const SampleShape& shape) {
  BinnedSample sample;
  std::mt19937 random(shape.seed);
  for (int c = 0; c < shape.columns; ++c) {
    BinColumn column;
    if (c < shape.categories) {
      column.kind = ColumnKind::kCategory;
      for (int b = 0; b < shape.bins; ++b) column.categories.push_back(std::to_string(b));
    } else {
      // The last column is constant: one bin.
      const int cuts = c == shape.columns - 1 ? 0 : shape.bins - 1;
      for (int b = 0; b < cuts; ++b) column.cuts.push_back(static_cast<float>(b) + 0.5f);
    }
    sample.columns.push_back(column);
  }
  BinnedRows& rows = sample.rows;
  rows.rows = shape.rows;
  rows.columns = shape.columns;
  rows.sparse = shape.sparse;
  rows.stride = DenseStride(shape.columns);
  const std::size_t columns = sample.columns.size();
  if (shape.sparse) {
    rows.first_cell = {0};
    for (const BinColumn& column : sample.columns) {
      rows.first_cell.push_back(rows.first_cell.back() + static_cast<std::uint32_t>(column.bins()));
    }
    rows.row_begin = {0};
    rows.cells = HugeArray<std::uint32_t>(shape.rows * columns + 1);
  } else {
    rows.bins = HugeArray<std::uint8_t>(shape.rows * rows.stride + 64);
  }
  std::uint64_t cells = 0;
  for (std::size_t r = 0; r < shape.rows; ++r) {
    std::vector<std::uint8_t> bins;
    double signal = 0;
    for (std::size_t c = 0; c < columns; ++c) {
      const bool missing = static_cast<double>(random() % 1000) < 1000 * shape.missing;
      const auto bin = static_cast<std::uint8_t>(
          missing ? 0 : 1 + random() % static_cast<unsigned>(sample.columns[c].bins()));
      bins.push_back(bin);
      if (c % 2 == 0)
        signal +=
            bin * (c < static_cast<std::size_t>(shape.categories) && bin % 3 == 0 ? -2.0 : 1.0);
      if (bin != 0 && shape.sparse) rows.cells[cells++] = rows.first_cell[c] + bin - 1u;
      if (!shape.sparse) rows.bins[r * rows.stride + c] = bin;
    }
    if (shape.sparse) rows.row_begin.push_back(cells);
    sample.bin.push_back(bins);
    const double noise = static_cast<double>(random() % 1000) / 1000 * shape.bins;
    rows.labels.push_back(signal + noise > 1.6 * shape.bins ? 1.0f : 0.0f);
    if (shape.weights) rows.weights.push_back(0.25f * static_cast<float>(random() % 5));
  }
  return sample;
}

// The same rows with one of several classes each, that depend on the first and the third column.
inline void GiveClasses(std::uint32_t classes, BinnedSample* sample) {
  std::mt19937 random(9);
  for (std::size_t r = 0; r < sample->rows.rows; ++r) {
    const unsigned signal = sample->bin[r][0] / 3u + (sample->bin[r].size() > 2 ? sample->bin[r][2] / 5u : 0u);
    const unsigned of = random() % 4 == 0 ? random() : signal;
    sample->rows.labels[r] = static_cast<float>(of % classes);
  }
}

}  // namespace ps
