#include "models/linear/row_matrix.h"

#include <algorithm>

namespace ps {
namespace {

constexpr std::uint64_t kBlockEntries = 1 << 15;  // of columns that are summed by one thread

}  // namespace

void RowMatrix::Add(const ResolvedRows& rows) {
  const auto add_value = [this](float value) {
    if (values_.empty() && value == 1.0f) return;
    values_.resize(ids_.size() - 1, 1.0f);  // the first that is not 1
    values_.push_back(value);
  };
  for (std::size_t r = 0; r < rows.rows; ++r) {
    for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
      if (rows.ids[i] == kPaddingId) continue;
      ids_.push_back(rows.ids[i]);
      add_value(rows.values == nullptr ? 1.0f : rows.values[i]);
    }
    row_begin_.push_back(ids_.size());
    if (rows.weights != nullptr) {
      weights_.resize(labels_.size(), 1.0f);
      weights_.push_back(rows.weights[r]);
    }
    labels_.push_back(rows.labels[r]);
  }
}

void RowMatrix::Finish(std::size_t columns) {
  if (!weights_.empty()) weights_.resize(labels_.size(), 1.0f);
  if (!values_.empty()) values_.resize(ids_.size(), 1.0f);
  column_begin_.assign(columns + 1, 0);
  for (const std::uint32_t id : ids_) ++column_begin_[id + 1];
  for (std::size_t id = 0; id < columns; ++id) column_begin_[id + 1] += column_begin_[id];
  std::vector<std::uint64_t> next(column_begin_.begin(), column_begin_.end() - 1);
  column_rows_.resize(ids_.size());
  column_values_.resize(values_.size());
  for (std::size_t r = 0; r < rows(); ++r) {
    for (std::uint64_t i = row_begin_[r]; i < row_begin_[r + 1]; ++i) {
      const std::uint64_t at = next[ids_[i]]++;
      column_rows_[at] = static_cast<std::uint32_t>(r);
      if (!values_.empty()) column_values_[at] = values_[i];
    }
  }
  column_blocks_.assign(1, 0);
  for (std::size_t id = 1; id < columns; ++id) {
    if (column_begin_[id] - column_begin_[column_blocks_.back()] >= kBlockEntries || id - column_blocks_.back() >= kBlockEntries)
      column_blocks_.push_back(static_cast<std::uint32_t>(id));
  }
  column_blocks_.push_back(static_cast<std::uint32_t>(columns));
}

std::uint64_t RowMatrix::memory_bytes() const {
  return 8 * (row_begin_.size() + column_begin_.size()) + 4 * (ids_.size() + column_rows_.size() + values_.size() + column_values_.size() + labels_.size() + weights_.size());
}

std::size_t RowMatrix::BlockEnd(std::size_t block) const { return std::min(rows(), (block + 1) * kBlockRows); }

void RowMatrix::Multiply(std::size_t begin, std::size_t end, const double* w, double* out) const {
  const std::uint32_t* const ids = ids_.data();
  const float* const values = values_.empty() ? nullptr : values_.data();
  for (std::size_t r = begin; r < end; ++r) {
    // Two sums: one would wait for itself.
    double even = 0, odd = 0;
    std::uint64_t i = row_begin_[r];
    const std::uint64_t last = row_begin_[r + 1];
    if (values == nullptr) {
      for (; i + 1 < last; i += 2) even += w[ids[i]], odd += w[ids[i + 1]];
      if (i < last) even += w[ids[i]];
    } else {
      for (; i + 1 < last; i += 2) even += double{values[i]} * w[ids[i]], odd += double{values[i + 1]} * w[ids[i + 1]];
      if (i < last) even += double{values[i]} * w[ids[i]];
    }
    out[r] = even + odd;
  }
}

template <typename Term>
void RowMatrix::SumColumns(Crew* crew, double* out, const Term& term) const {
  crew->ForEach(column_blocks_.size() - 1, [&](int, std::size_t block) {
    for (std::size_t id = column_blocks_[block]; id < column_blocks_[block + 1]; ++id) {
      double sums[4] = {};
      std::uint64_t i = column_begin_[id];
      const std::uint64_t last = column_begin_[id + 1];
      for (; i + 3 < last; i += 4) {
        for (int k = 0; k < 4; ++k) sums[k] += term(i + k);
      }
      for (int k = 0; i < last; ++i, ++k) sums[k] += term(i);
      out[id] = (sums[0] + sums[1]) + (sums[2] + sums[3]);
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
  for (std::size_t id = 0; !values_.empty() && id < columns(); ++id) {
    double sum = 0;
    for (std::uint64_t i = column_begin_[id]; i < column_begin_[id + 1]; ++i) sum += double{column_values_[i]} * double{column_values_[i]};
    if (sum > 0) means[id] = sum / static_cast<double>(column_begin_[id + 1] - column_begin_[id]);
  }
  return means;
}

}  // namespace ps
