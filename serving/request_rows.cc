#include "serving/request_rows.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "models/features/header_check.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint64_t kOffset = 1;  // of the text: not at a file's begin, where parsers look for headers
constexpr std::size_t kMostQuoted = 80;
constexpr std::size_t kMostDigits = 20;  // of an index: 2^64 has so many

std::string Quoted(std::string_view text) {
  return absl::StrCat("\"", absl::Utf8SafeCEscape(std::string(text.substr(0, kMostQuoted))), "\"");
}

bool IsIndex(std::string_view text) {
  return !text.empty() && text.find_first_not_of("0123456789") == std::string_view::npos;
}

}  // namespace

RequestRows::RequestRows(const ServedModel& model, const char* name)
    : model_(model), table_(model.rows().table()), name_(name) {
  if (table_ == nullptr) return;
  fields_.resize(table_->columns());
  set_in_.resize(table_->columns());
}

absl::Status RequestRows::WrongAt(std::size_t row, const std::string& what) const {
  return absl::InvalidArgumentError(absl::StrCat(name_, "[", row, "]: ", what));
}

absl::Status RequestRows::AddLine(std::string_view line) {
  if (line.ends_with('\n')) line.remove_suffix(1);
  if (line.ends_with('\r')) line.remove_suffix(1);
  if (table_ != nullptr) {
    if (line.empty()) return Wrong("an empty line is no row");
  } else {  // as in a file
    const std::size_t first = line.find_first_not_of(" \t");
    const bool comment = model_.format() == RowFormat::kLibsvm && first != std::string_view::npos && line[first] == '#';
    if (first == std::string_view::npos || comment) return Wrong("the line holds no row: it is blank or a comment");
  }
  return Append(line);
}

absl::Status RequestRows::CheckRoom() const {
  if (table_ == nullptr || rows() < kMostCells / table_->columns()) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat("a request has at most ", kMostCells, " cells: ",
                                                   kMostCells / table_->columns(), " rows of ", table_->columns(), " columns"));
}

absl::Status RequestRows::Append(std::string_view line) {
  if (line.find('\n') != std::string_view::npos) return Wrong("a row is one line of text, and this has several");
  PS_RETURN_IF_ERROR(CheckRoom());
  const std::size_t begin = text_.size();
  const std::string problem = model_.rows().AppendRow(line, &scratch_, &text_);
  if (!problem.empty()) return Wrong(problem);
  line_begin_.push_back(begin);
  return absl::OkStatus();
}

std::string_view RequestRows::TextOf(std::uint32_t column, const Cell& cell) const {
  switch (cell.kind) {
    case Cell::Kind::kMissing:
      return model_.missing_text();
    case Cell::Kind::kFlag:
      if (model_.IsNumeric(column)) return cell.flag ? "1" : "0";
      return cell.flag ? "true" : "false";
    default:
      return cell.text;
  }
}

absl::Status RequestRows::AddList(absl::Span<const Cell> cells) {
  if (table_ == nullptr) {
    return Wrong("a list has the columns of a table, and this model's rows have none: expected a line of text");
  }
  const TableLayout::Sources* const sources = table_->ByNumber(cells.size());
  if (sources == nullptr) {
    const std::string found = cells.size() > most_cells() ? "more" : absl::StrCat(cells.size());
    return Wrong(absl::StrCat("expected ", table_->DescribeNumbers(), " columns, found ", found));
  }
  for (std::uint32_t column = 0; column < fields_.size(); ++column) {
    const int source = (*sources)[column];
    fields_[column] = source == TableLayout::kFiller ? std::string_view()
                                                     : TextOf(column, cells[static_cast<std::size_t>(source)]);
  }
  return EndTable();
}

absl::Status RequestRows::Begin() {
  if (table_ != nullptr) {
    cells_ = 0;
    std::fill(fields_.begin(), fields_.end(), std::string_view(model_.missing_text()));
    return absl::OkStatus();
  }
  line_.clear();
  if (model_.format() == RowFormat::kLibsvm) return absl::OkStatus();
  return Wrong("cells have no names in Vowpal Wabbit rows: expected a line of text");
}

absl::Status RequestRows::Set(std::string_view name, const Cell& cell) {
  return table_ != nullptr ? SetColumn(name, cell) : SetIndex(name, cell);
}

std::optional<std::uint32_t> RequestRows::NextColumn(std::string_view name) {
  const std::size_t cell = cells_++;
  if (cell < order_.size() && table_->names()[order_[cell]] == name) return order_[cell];
  const std::optional<std::uint32_t> column = model_.ColumnNamed(name);
  if (!column) return column;
  order_.resize(std::max(order_.size(), cell + 1));
  order_[cell] = *column;
  return column;
}

absl::Status RequestRows::SetColumn(std::string_view name, const Cell& cell) {
  const std::optional<std::uint32_t> column = NextColumn(name);
  if (!column) {
    return Wrong(absl::StrCat("there is no column ", Quoted(name), ", but ", ListNames(table_->names())));
  }
  if (std::exchange(set_in_[*column], rows() + 1) == rows() + 1) {
    return Wrong(absl::StrCat("column ", Quoted(name), ": it is there twice"));
  }
  fields_[*column] = TextOf(*column, cell);
  return absl::OkStatus();
}

absl::Status RequestRows::SetIndex(std::string_view name, const Cell& cell) {
  if (!IsIndex(name) || name.size() > kMostDigits) return Wrong(absl::StrCat("expected an index, as in {\"3\": 1}, found ", Quoted(name)));
  if (cell.kind == Cell::Kind::kMissing) return absl::OkStatus();
  if (cell.kind == Cell::Kind::kText) {
    return Wrong(absl::StrCat("index ", std::string(name), ": expected a number, found ", Quoted(cell.text)));
  }
  const std::string_view text = cell.kind == Cell::Kind::kNumber ? cell.text : cell.flag ? "1" : "0";
  if (!line_.empty()) line_.push_back(' ');
  line_.append(name).append(1, ':').append(text);
  return absl::OkStatus();
}

absl::Status RequestRows::End() { return table_ != nullptr ? EndTable() : Append(line_); }

absl::Status RequestRows::EndTable() {
  PS_RETURN_IF_ERROR(CheckRoom());
  const std::size_t begin = text_.size();
  if (table_->AppendMeanings(*table_->ByNumber(fields_.size()), fields_, &text_)) {
    line_begin_.push_back(begin);
    return absl::OkStatus();
  }
  for (std::uint32_t column = 0; column < fields_.size(); ++column) {
    if (fields_[column].find_first_of("\r\n") != std::string_view::npos)
      return Wrong(absl::StrCat("column ", Quoted(table_->names()[column]), ": a text of several lines"));
  }
  return Wrong("a text has the delimiter in it, which rows of this format cannot have");
}

absl::Status RequestRows::CheckFinite(absl::Span<const float> margins) const {
  const auto wrong = std::find_if(margins.begin(), margins.end(), [](float margin) { return !std::isfinite(margin); });
  if (wrong == margins.end()) return absl::OkStatus();
  const std::size_t row = static_cast<std::size_t>(wrong - margins.begin()) / model_.scorer().outputs();
  return WrongAt(row, "the model predicts no finite number of it");
}

absl::Status RequestRows::Score(std::vector<float>* margins) const {
  margins->clear();
  if (rows() == 0) return absl::OkStatus();
  RowBlock block;
  model_.scorer().ScoreText(text_, TextOrigin{0, kOffset}, &block, margins);
  if (block.bad_rows == 0 && block.rows() == rows()) return CheckFinite(*margins);
  // The first in order: blocks quote those that they meet first.
  const auto first = std::min_element(block.bad.begin(), block.bad.end(),
                                      [](const BadRow& a, const BadRow& b) { return a.offset < b.offset; });
  if (first == block.bad.end()) {
    return absl::InternalError(absl::StrCat(rows(), " rows were sent, ", block.rows(), " scored"));
  }
  const auto behind = std::upper_bound(line_begin_.begin(), line_begin_.end(), first->offset - kOffset);
  return WrongAt(static_cast<std::size_t>(behind - line_begin_.begin()) - 1, first->what);
}

}  // namespace ps
