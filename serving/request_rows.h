// The rows of one request, written as lines that the model's own parsers read, so that features are made
// by the same code as in training and evaluation. One thread.
//
// A row comes as a line of text, as a list of cells in the order of the columns, or as cells with names.
// What has no value is missing, as in the training data: a cell without one, and a column that is not
// named. A name that the training data do not have is an error: ignored, a misspelt column would be a
// missing one. Label and weight may be named, as may columns that the model does not read.
//
// Errors are InvalidArgument and say which row is meant, as NAME[3], with the name of the constructor; but
// ResourceExhausted where the rows have more than kMostCells.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "serving/served_model.h"

namespace ps {

// A value as the request has it: a number with its own digits, so that it means what it would in a file.
struct Cell {
  enum class Kind { kMissing, kText, kNumber, kFlag };
  Kind kind = Kind::kMissing;
  std::string_view text;  // of a text or a number
  bool flag = false;
};

class RequestRows {
 public:
  // Of a request's tables, rows times columns: what a row needs, it needs for each column, named or not.
  static constexpr std::size_t kMostCells = 4 << 20;

  // `model` and `name` must outlive it.
  RequestRows(const ServedModel& model, const char* name);

  // A row as a line of the model's format, with or without a label; an end of line may follow it.
  absl::Status AddLine(std::string_view line);
  // Of a table: cells of all columns, of all but the label, or of all but label and weight. Of more than
  // most_cells() it is enough to give one more.
  absl::Status AddList(absl::Span<const Cell> cells);
  std::size_t most_cells() const { return fields_.size(); }  // of a row; 0: it is of no table

  // A row of cells with names: of columns of a table, or indices of libsvm text.
  absl::Status Begin();
  absl::Status Set(std::string_view name, const Cell& cell);
  absl::Status End();

  std::size_t rows() const { return line_begin_.size(); }
  // Margins of all rows, row by row: outputs() of the model for each. InvalidArgument: a row is malformed,
  // or its margin is no finite number, as values near the largest float can make it.
  absl::Status Score(std::vector<float>* margins) const;

  // Of the row that is being added.
  absl::Status Wrong(const std::string& what) const { return WrongAt(rows(), what); }

 private:
  absl::Status WrongAt(std::size_t row, const std::string& what) const;
  std::string_view TextOf(std::uint32_t column, const Cell& cell) const;
  std::optional<std::uint32_t> NextColumn(std::string_view name);
  absl::Status SetColumn(std::string_view name, const Cell& cell);
  absl::Status SetIndex(std::string_view name, const Cell& cell);
  absl::Status EndTable();
  absl::Status CheckRoom() const;
  absl::Status CheckFinite(absl::Span<const float> margins) const;
  absl::Status Append(std::string_view line);

  const ServedModel& model_;
  const TableLayout* const table_;  // null: rows are of no table
  const char* const name_;
  std::string text_;
  std::vector<std::size_t> line_begin_;  // of each row, in text_
  UnlabelledRows::Scratch scratch_;

  // Of the row before: the column of each of its cells. Those of the next one mostly come in the same order.
  std::vector<std::uint32_t> order_;

  // Of the row that is being added.
  std::size_t cells_ = 0;
  std::vector<std::string_view> fields_;  // by column
  std::vector<std::uint64_t> set_in_;     // by column: 1 + the row that last set it
  std::string line_;                      // of libsvm text
};

}  // namespace ps
