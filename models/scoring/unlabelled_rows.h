// Scoring rows that have no label, or one that nobody looks at. Every line is written anew as the model's
// parsers read it (table_layout.h), so that features are made by the same code as of rows with labels.
//
// Tables with a header: columns are found by name, in any order, between others; label and weight may be
// there. Tables without one: all columns, or all but the label (and the weight), the same in all rows of a
// file, as most rows at its begin have it. libsvm: a number in front of the features is a label. Vowpal Wabbit
// text: what stands in front of the first bar is left out. As with labels, lines that are empty, or of
// libsvm text blank or a comment, hold no row. Immutable after construction: any thread.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/data/data_files.h"
#include "models/scoring/model_scorer.h"
#include "models/scoring/table_layout.h"

namespace ps {

class UnlabelledRows {
 public:
  // Looks at the begin of tables; `model` must outlive it. InvalidArgument: a file lacks a column that the
  // model reads.
  static absl::StatusOr<std::unique_ptr<UnlabelledRows>> Open(const ModelScorer& model, const DataFiles& files);

  // Of rows that are in no file. Tables go by the number of fields, as those without a header do.
  static std::unique_ptr<UnlabelledRows> OfLines(const ModelScorer& model);

  // As ModelScorer::ScoreText, of text of those files. Labels and weights of the rows mean nothing.
  void ScoreText(std::string_view text, TextOrigin origin, RowBlock* rows, std::vector<float>* margins) const;

  // What rewriting a line needs; of one thread, for any number of lines.
  struct Scratch {
    std::vector<std::string_view> fields;
    SplitRow split;
  };
  // Of an object made by OfLines: appends a row's line, which comes without its end, as the model's parsers
  // read it. Empty, or what is wrong with it; then nothing is appended.
  std::string AppendRow(std::string_view line, Scratch* scratch, std::string* text) const;
  // Null: the model's rows are of no table.
  const TableLayout* table() const { return table_ ? &*table_ : nullptr; }

 private:
  struct Line;
  struct Rewritten;
  // Of a table's file: how many fields its rows have, and which columns they are.
  struct FileLayout {
    std::size_t fields = 0;
    TableLayout::Sources sources;
  };

  explicit UnlabelledRows(const ModelScorer& model);
  absl::StatusOr<FileLayout> LayoutOfFile(std::uint32_t file, RangeReader* reader) const;
  absl::StatusOr<FileLayout> LayoutOfRows(std::string_view front) const;
  void Rewrite(std::string_view text, TextOrigin origin, Rewritten* to) const;
  void RewriteLine(Line line, TextOrigin origin, Rewritten* to) const;
  bool HoldsRow(std::string_view line) const;
  std::size_t FeaturesOf(std::string_view line) const;
  std::string AppendFields(std::string_view line, const FileLayout* of_file, Scratch* scratch, std::string* text) const;
  void Restore(const Rewritten& from, RowBlock* rows) const;
  std::uint32_t ColumnWithin(const Line& line, std::uint32_t file, std::string_view rewritten, std::size_t at) const;

  const ModelScorer& model_;
  const bool vw_;
  const std::string label_;
  std::optional<TableLayout> table_;
  std::vector<FileLayout> layouts_;  // of tables in files, by file
};

}  // namespace ps
