// Rows of a linear model in memory, as a sparse matrix that is read both ways: by rows for margins,
// by columns (features) for gradients. Four bytes an entry each way, eight where values are not all 1.
//
// Columns are in the order of how many rows have them, then of the first that does, whatever the ids;
// sums are made in an order that depends on the rows alone: products have the same bits for any number of threads,
// of those that gave the ids too. Loading is for one thread; the rest may be called from any, and with a crew
// uses its threads.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"
#include "kernels/row_learner.h"
#include "ps/base/crew.h"

namespace ps {

class RowMatrix {
 public:
  static constexpr std::uint64_t kMostRows = 0xffffffff;

  // Padding is left out.
  void Add(const ResolvedRows& rows);
  // Rows whose columns are those of `like`; what has none there is left out. Not beside Add.
  void AddLike(const RowMatrix& like, const ResolvedRows& rows);
  // After the last rows of Add: what reads columns can be called.
  void Finish();

  std::size_t rows() const { return labels_.size(); }
  std::size_t columns() const { return column_ids_.size(); }
  // The id of each column.
  absl::Span<const std::uint32_t> column_ids() const { return column_ids_; }
  std::uint64_t memory_bytes() const;
  absl::Span<const float> labels() const { return labels_; }
  absl::Span<const float> weights() const { return weights_; }  // empty: all 1
  float weight(std::size_t row) const { return weights_.empty() ? 1.0f : weights_[row]; }

  // Rows that belong together when work is dealt out.
  std::size_t row_blocks() const { return (rows() + kBlockRows - 1) / kBlockRows; }
  std::size_t BlockBegin(std::size_t block) const { return block * kBlockRows; }
  std::size_t BlockEnd(std::size_t block) const;

  // out[row] = sum of x w over the row, of rows [begin, end).
  void Multiply(std::size_t begin, std::size_t end, const double* w, double* out) const;
  // out[column] = sum of x c[row] over the column, every column.
  void MultiplyTransposed(const double* c, Crew* crew, double* out) const;
  // The same of x^2.
  void MultiplySquaresTransposed(const double* c, Crew* crew, double* out) const;
  // Mean of x^2 over the rows that have the feature, every column; 1 where none has it.
  std::vector<double> MeanSquares() const;

 private:
  static constexpr std::size_t kBlockRows = 2048;

  static constexpr std::uint32_t kNoColumn = 0xffffffff;

  std::uint32_t ColumnOf(std::uint32_t id) const { return id < column_of_id_.size() ? column_of_id_[id] : kNoColumn; }
  void SortColumns();
  template <typename Column>
  void AddRows(const ResolvedRows& rows, const Column& column);
  template <typename Term>
  void SumColumns(Crew* crew, double* out, const Term& term) const;

  std::vector<std::uint32_t> column_of_id_, column_ids_;
  std::vector<std::uint64_t> row_begin_{0}, column_begin_{0};
  std::vector<std::uint32_t> row_columns_, column_rows_;
  std::vector<float> values_, column_values_;  // empty: all 1
  std::vector<float> labels_, weights_;        // weights: empty: all 1
  std::vector<std::uint32_t> column_blocks_;   // first columns of stretches of about as many entries
};

}  // namespace ps
