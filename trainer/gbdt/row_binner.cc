#include "trainer/gbdt/row_binner.h"

#include <immintrin.h>

#include <algorithm>

namespace ps {

BinnedRows EmptyRows(const BinPlan& bins) {
  BinnedRows rows;
  rows.columns = static_cast<int>(bins.columns.size());
  rows.sparse = bins.sparse;
  rows.stride = DenseStride(rows.columns);
  if (!bins.sparse) return rows;
  rows.row_begin = {0};
  rows.first_cell = {0};
  for (const BinColumn& column : bins.columns) {
    rows.first_cell.push_back(rows.first_cell.back() + static_cast<std::uint32_t>(column.bins()));
  }
  return rows;
}

RowBinner::RowBinner(const BinPlan& bins, bool absent_is_zero) : bins_(bins), none_(EmptyRows(bins)) {
  for (const BinColumn& column : bins.columns) {
    if (bins.sparse) {
      flat_cuts_.insert(flat_cuts_.end(), column.cuts.begin(), column.cuts.end());
      continue;
    }
    cut_tables_.emplace_back(column.cuts);
    absent_bin_.push_back(absent_is_zero ? BinOf(column, 0.0f) : 0);
  }
}

void RowBinner::Bin(const ValueRows& rows, BinnedBlock* block) const {
  if (bins_.sparse) return BinSparse(rows, block);
  block->bins.assign(rows.rows.rows() * none_.stride, 0);
  if (bins_.libsvm) {
    BinIntoMatrix(rows, block);
  } else {
    BinTable(rows, block);
  }
}

void RowBinner::BinTable(const ValueRows& rows, BinnedBlock* block) const {
  const std::size_t count = rows.rows.rows();
  const std::size_t columns = bins_.columns.size(), stride = none_.stride;
  for (std::size_t c = 0; c < columns; ++c) {
    const float* value = rows.values.data() + c;
    std::uint8_t* out = block->bins.data() + c;
    if (bins_.columns[c].kind == ColumnKind::kCategory) {
      for (std::size_t r = 0; r < count; ++r, value += columns, out += stride) {
        *out = *value == *value ? static_cast<std::uint8_t>(*value) : 0;
      }
    } else {
      const CutTable& cuts = cut_tables_[c];
      for (std::size_t r = 0; r < count; ++r, value += columns, out += stride)
        *out = cuts.BinOf(*value);
    }
  }
}

void RowBinner::BinIntoMatrix(const ValueRows& rows, BinnedBlock* block) const {
  for (std::size_t r = 0; r < rows.rows.rows(); ++r) {
    std::uint8_t* const out = block->bins.data() + r * none_.stride;
    std::copy(absent_bin_.begin(), absent_bin_.end(), out);
    for (std::uint32_t i = rows.rows.row_begin[r]; i < rows.rows.row_begin[r + 1]; ++i) {
      const std::uint32_t c = ColumnOf(rows.index[i]);
      if (c != BinPlan::kNoColumn) out[c] = cut_tables_[c].BinOf(rows.values[i]);
    }
  }
}

// Columns of 100,000s: their cuts lie behind one another, as their cells do, for fewer misses of
// the cache.
void RowBinner::BinSparse(const ValueRows& rows, BinnedBlock* block) const {
  constexpr std::uint32_t kAhead = 16;
  const std::vector<std::uint32_t>& first_cell = none_.first_cell;
  const auto values = static_cast<std::uint32_t>(rows.index.size());
  block->cells.resize(values);
  block->row_begin.assign(1, 0);
  std::uint32_t made = 0;
  for (std::size_t r = 0; r < rows.rows.rows(); ++r) {
    for (std::uint32_t i = rows.rows.row_begin[r]; i < rows.rows.row_begin[r + 1]; ++i) {
      if (i + kAhead < values) {
        if (const std::uint32_t next = ColumnOf(rows.index[i + kAhead]);
            next != BinPlan::kNoColumn) {
          const float* const cuts = flat_cuts_.data() + (first_cell[next] - next);
          _mm_prefetch(
              reinterpret_cast<const char*>(cuts + (first_cell[next + 1] - first_cell[next]) / 2),
              _MM_HINT_T0);
        }
      }
      const std::uint32_t c = ColumnOf(rows.index[i]);
      if (c == BinPlan::kNoColumn) continue;
      const float* const cuts = flat_cuts_.data() + (first_cell[c] - c);
      const std::uint32_t bins = first_cell[c + 1] - first_cell[c];
      block->cells[made++] =
          first_cell[c] + static_cast<std::uint32_t>(CutsUpTo(cuts, bins - 1, rows.values[i]));
    }
    block->row_begin.push_back(made);
  }
  block->cells.resize(made);
}

}  // namespace ps
