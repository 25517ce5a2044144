// Lines of a table as a model's parsers read them, made of fields that come in another order, with others
// between them, or without label and weight. In the place of a label stands one that the model takes: no
// prediction depends on it. Immutable after construction: any thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "models/features/split_row.h"
#include "models/scoring/model_scorer.h"

namespace ps {

// Text of a label that the model's parsers take.
std::string PlaceholderLabel(const ModelScorer& model);

class TableLayout {
 public:
  // Which field each column is of a row whose fields are of some layout; kFiller: label, weight, or a
  // column that nothing reads.
  using Sources = std::vector<int>;
  static constexpr int kFiller = -1;

  // Of a model whose rows are of a table.
  explicit TableLayout(const ModelScorer& model);

  const TextLayout& text() const { return text_; }
  std::size_t columns() const { return names_.size(); }
  const std::vector<std::string>& names() const { return names_; }

  // Of fields that have names. InvalidArgument: a column that the model reads is not among them, or twice.
  absl::StatusOr<Sources> ByName(absl::Span<const std::string> names) const;
  // Of fields in the order of the columns: all of them, or all but the label, or but label and weight.
  // Null: neither.
  const Sources* ByNumber(std::size_t fields) const;
  // Such numbers of fields, for a message: "4, or 3 without the label".
  std::string DescribeNumbers() const;

  // Appends a line of fields that are written as the text has them, quotes and all.
  void AppendLine(const Sources& sources, absl::Span<const std::string_view> fields, std::string* text) const;
  // The same of what fields mean: they are quoted where they need it. False: some text cannot be written
  // in this layout (it has a newline, or a delimiter where nothing is quoted); nothing is appended.
  bool AppendMeanings(const Sources& sources, absl::Span<const std::string_view> fields,
                      std::string* text) const;

 private:
  bool Quoted(std::string_view field, std::string* text) const;

  TextLayout text_;
  std::vector<std::string> names_;
  std::vector<std::uint32_t> read_;
  std::vector<std::string> filler_;  // of each column, as text
  std::vector<Sources> by_number_;   // fewer fields from one to the next
  std::array<bool, 256> special_{};  // bytes for which a field's text is looked at more closely
};

}  // namespace ps
