#include "models/linear/row_matrix.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace ps {
namespace {

constexpr std::uint64_t kBlockEntries = 1 << 15;  // of columns that are summed by one thread

}  // namespace

template <typename Column>
void RowMatrix::AddRows(const ResolvedRows& rows, const Column& column) {
  for (std::size_t r = 0; r < rows.rows; ++r) {
    for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
      if (rows.ids[i] == kPaddingId) continue;
      const std::uint32_t at = column(rows.ids[i]);
      if (at == kNoColumn) continue;
      const float value = rows.values == nullptr ? 1.0f : rows.values[i];
      if (value != 1.0f && values_.empty()) values_.resize(row_columns_.size(), 1.0f);
      row_columns_.push_back(at);
      if (!values_.empty() || value != 1.0f) values_.push_back(value);
    }
    row_begin_.push_back(row_columns_.size());
    if (rows.weights != nullptr) {
      weights_.resize(labels_.size(), 1.0f);
      weights_.push_back(rows.weights[r]);
    } else if (!weights_.empty()) {
      weights_.push_back(1.0f);
    }
    labels_.push_back(rows.labels[r]);
  }
}

void RowMatrix::Add(const ResolvedRows& rows) {
  AddRows(rows, [this](std::uint32_t id) {
    if (id >= column_of_id_.size()) column_of_id_.resize(std::max<std::size_t>(id + std::size_t{1}, column_of_id_.size() * 2), kNoColumn);
    std::uint32_t& column = column_of_id_[id];
    if (column == kNoColumn) {
      column = static_cast<std::uint32_t>(column_ids_.size());
      column_ids_.push_back(id);
    }
    return column;
  });
}

void RowMatrix::AddLike(const RowMatrix& like, const ResolvedRows& rows) {
  AddRows(rows, [&like](std::uint32_t id) { return like.ColumnOf(id); });
}

// Frequent columns first: their weights then share cache lines, and sums over columns of the same length follow each
// other, whose ends are foreseen.
void RowMatrix::SortColumns() {
  std::vector<std::uint32_t> counts(columns()), order(columns()), place(columns());
  for (const std::uint32_t column : row_columns_) ++counts[column];
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](std::uint32_t a, std::uint32_t b) { return counts[a] > counts[b]; });
  std::vector<std::uint32_t> ids(columns());
  for (std::uint32_t j = 0; j < order.size(); ++j) {
    place[order[j]] = j;
    ids[j] = column_ids_[order[j]];
    column_of_id_[ids[j]] = j;
  }
  column_ids_ = std::move(ids);
  for (std::uint32_t& column : row_columns_) column = place[column];
}

void RowMatrix::Finish() {
  SortColumns();
  column_begin_.assign(columns() + 1, 0);
  for (const std::uint32_t column : row_columns_) ++column_begin_[column + 1];
  for (std::size_t j = 0; j < columns(); ++j) column_begin_[j + 1] += column_begin_[j];
  std::vector<std::uint64_t> next(column_begin_.begin(), column_begin_.end() - 1);
  column_rows_.resize(row_columns_.size());
  column_values_.resize(values_.size());
  for (std::size_t r = 0; r < rows(); ++r) {
    for (std::uint64_t i = row_begin_[r]; i < row_begin_[r + 1]; ++i) {
      const std::uint64_t at = next[row_columns_[i]]++;
      column_rows_[at] = static_cast<std::uint32_t>(r);
      if (!values_.empty()) column_values_[at] = values_[i];
    }
  }
  column_blocks_.assign(1, 0);
  for (std::size_t j = 1; j < columns(); ++j) {
    if (column_begin_[j] - column_begin_[column_blocks_.back()] >= kBlockEntries || j - column_blocks_.back() >= kBlockEntries)
      column_blocks_.push_back(static_cast<std::uint32_t>(j));
  }
  column_blocks_.push_back(static_cast<std::uint32_t>(columns()));
}

std::uint64_t RowMatrix::memory_bytes() const {
  return 8 * (row_begin_.size() + column_begin_.size()) +
         4 * (column_of_id_.size() + column_ids_.size() + row_columns_.size() + column_rows_.size() + values_.size() + column_values_.size() + labels_.size() + weights_.size());
}

std::size_t RowMatrix::BlockEnd(std::size_t block) const { return std::min(rows(), (block + 1) * kBlockRows); }

void RowMatrix::Multiply(std::size_t begin, std::size_t end, const double* w, double* out) const {
  const std::uint32_t* const columns = row_columns_.data();
  const float* const values = values_.empty() ? nullptr : values_.data();
  for (std::size_t r = begin; r < end; ++r) {
    // Two sums: one would wait for itself.
    double even = 0, odd = 0;
    std::uint64_t i = row_begin_[r];
    const std::uint64_t last = row_begin_[r + 1];
    if (values == nullptr) {
      for (; i + 1 < last; i += 2) even += w[columns[i]], odd += w[columns[i + 1]];
      if (i < last) even += w[columns[i]];
    } else {
      for (; i + 1 < last; i += 2) even += double{values[i]} * w[columns[i]], odd += double{values[i + 1]} * w[columns[i + 1]];
      if (i < last) even += double{values[i]} * w[columns[i]];
    }
    out[r] = even + odd;
  }
}

template <typename Term>
void RowMatrix::SumColumns(Crew* crew, double* out, const Term& term) const {
  crew->ForEach(column_blocks_.size() - 1, [&](int, std::size_t block) {
    for (std::size_t j = column_blocks_[block]; j < column_blocks_[block + 1]; ++j) {
      double sums[4] = {};
      std::uint64_t i = column_begin_[j];
      const std::uint64_t last = column_begin_[j + 1];
      for (; i + 3 < last; i += 4) {
        for (int k = 0; k < 4; ++k) sums[k] += term(i + k);
      }
      for (int k = 0; i < last; ++i, ++k) sums[k] += term(i);
      out[j] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
    }
  });
}

void RowMatrix::MultiplyTransposed(const double* c, Crew* crew, double* out) const {
  const std::uint32_t* const rows = column_rows_.data();
  const float* const values = column_values_.data();
  if (values_.empty()) return SumColumns(crew, out, [=](std::uint64_t i) { return c[rows[i]]; });
  SumColumns(crew, out, [=](std::uint64_t i) { return double{values[i]} * c[rows[i]]; });
}

void RowMatrix::MultiplySquaresTransposed(const double* c, Crew* crew, double* out) const {
  if (values_.empty()) return MultiplyTransposed(c, crew, out);
  const std::uint32_t* const rows = column_rows_.data();
  const float* const values = column_values_.data();
  SumColumns(crew, out, [=](std::uint64_t i) { return double{values[i]} * double{values[i]} * c[rows[i]]; });
}

std::vector<double> RowMatrix::MeanSquares() const {
  std::vector<double> means(columns(), 1.0);
  for (std::size_t j = 0; !values_.empty() && j < columns(); ++j) {
    double sum = 0;
    for (std::uint64_t i = column_begin_[j]; i < column_begin_[j + 1]; ++i) sum += double{column_values_[i]} * double{column_values_[i]};
    if (sum > 0) means[j] = sum / static_cast<double>(column_begin_[j + 1] - column_begin_[j]);
  }
  return means;
}

}  // namespace ps
