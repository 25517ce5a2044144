#include "models/features/table_parser.h"

#include <algorithm>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "models/data/float_text.h"
#include "models/features/delimiter_index.h"
#include "models/features/header_check.h"
#include "models/features/number.h"
#include "models/features/plan.h"
#include "models/features/row_program.h"
#include "models/features/split_row.h"

namespace ps {
namespace {

// Text is indexed in windows that stay in the first-level cache; a longer line makes a longer
// window.
constexpr std::uint32_t kWindowBytes = 16 << 10;

class TableParser final : public RowParser {
 public:
  TableParser(const features::Plan& plan, std::unique_ptr<const FurtherKeys> further)
      : plan_(plan), program_(plan), further_(std::move(further)) {
    max_keys_ = program_.max_keys() + (further_ != nullptr ? further_->max_keys() : 0);
    layout_ = LayoutOf(plan);
    columns_ = static_cast<std::uint32_t>(plan.column_size());
  }

  void Parse(std::string_view text, TextOrigin origin, RowBlock* block) const override;

 private:
  struct Work;

  void ParsePadded(const char* text, std::size_t bytes, Work* work) const;
  void ParseWindow(Work* work) const;
  void ParseSplit(std::string_view line, std::uint64_t offset, Work* work) const;
  void CheckHeader(std::string_view line, Work* work) const;
  void AddRow(const RowText& row, bool trim, std::string_view line, std::uint64_t offset,
              Work* work) const;
  // As RowProgram::Run.
  int MakeKeys(const RowText& row, bool trim, bool inside, Work* work,
               std::uint32_t* bad_column) const;
  // Empty, or what is wrong with the label.
  std::string ReadLabel(std::string_view text, float* label) const;
  std::string ReadWeight(std::string_view text, float* weight) const;
  std::string_view Field(const RowText& row, std::uint32_t column, bool trim) const;

  const features::Plan plan_;
  const RowProgram program_;
  const std::unique_ptr<const FurtherKeys> further_;  // may be null
  std::size_t max_keys_ = 0;
  TextLayout layout_;
  std::uint32_t columns_ = 0;
};

// What one call of Parse carries along.
struct TableParser::Work {
  RowBlock* block = nullptr;
  TextOrigin origin;  // of the whole text
  const char* window = nullptr;
  std::uint64_t window_offset = 0;  // of the window's first byte in the file
  DelimiterIndex index;
  SplitRow split;
  // The keys of the window's rows go straight to the block; `keys` of them are filled.
  std::size_t keys = 0;
  std::vector<float> values;  // of FurtherKeys
};

std::string_view LineOf(std::string_view text) {
  std::string_view line = text.substr(0, text.find('\n'));
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

void Quote(std::string_view line, std::uint64_t offset, std::size_t column, std::string what,
           std::uint32_t file, RowBlock* block) {
  QuoteBadRow(line, {file, offset}, static_cast<std::uint32_t>(column), std::move(what), block);
}

void TableParser::Parse(std::string_view text, TextOrigin origin, RowBlock* block) const {
  block->file = origin.file;
  Work work;
  work.block = block;
  work.origin = origin;
  work.keys = block->key.size();
  if (origin.offset == 0) {
    std::size_t skipped = text.substr(0, 3) == "\xef\xbb\xbf" ? 3 : 0;
    if (plan_.header() && skipped < text.size()) {
      CheckHeader(LineOf(text.substr(skipped)), &work);
      const std::size_t newline = text.find('\n', skipped);
      skipped = newline == std::string_view::npos ? text.size() : newline + 1;
    }
    text.remove_prefix(skipped);
    work.origin.offset += skipped;
  }
  work.window_offset = work.origin.offset;
  // All lines but the last ones are read where they lie; those within reach of the text's end are
  // copied to where bytes behind them may be read, and get the newline that the last line may lack.
  const std::size_t near_end =
      text.size() > DelimiterIndex::kPadding ? text.size() - DelimiterIndex::kPadding : 0;
  const std::size_t newline =
      near_end == 0 ? std::string_view::npos : text.rfind('\n', near_end - 1);
  const std::size_t direct = newline == std::string_view::npos ? 0 : newline + 1;
  ParsePadded(text.data(), direct, &work);
  std::string rest(text.substr(direct));
  if (!rest.empty() && rest.back() != '\n') rest.push_back('\n');
  const std::size_t rest_bytes = rest.size();
  rest.append(DelimiterIndex::kPadding, '\0');
  ParsePadded(rest.data(), rest_bytes, &work);
  block->key.resize(work.keys);
  if (program_.has_values()) block->value.resize(work.keys);
}

// text[0, bytes) is whole lines, with padding behind.
void TableParser::ParsePadded(const char* text, std::size_t bytes, Work* work) const {
  std::size_t at = 0;
  std::size_t window = kWindowBytes;
  while (at < bytes) {
    const std::size_t size = std::min(window, bytes - at);
    work->window = text + at;
    work->index.Build(text + at, static_cast<std::uint32_t>(size), layout_.delimiter,
                      layout_.quote);
    std::size_t done = work->index.whole_bytes();
    if (done == 0) {
      if (window < DelimiterIndex::kMaxBytes) {
        window *= 2;
        continue;
      }
      const auto* end = static_cast<const char*>(std::memchr(text + at, '\n', bytes - at));
      done = static_cast<std::size_t>(end - (text + at)) + 1;
      ++work->block->lines;
      Quote({text + at, done}, work->window_offset, 1, "a line above 1 GiB", work->origin.file,
            work->block);
    } else {
      ParseWindow(work);
    }
    at += done;
    work->window_offset += done;
    window = kWindowBytes;
  }
}

void TableParser::ParseWindow(Work* work) const {
  DelimiterIndex& index = work->index;
  RowBlock* const block = work->block;
  block->lines += index.lines();
  block->key.resize(work->keys + index.lines() * max_keys_ + RowProgram::kSlack);
  if (program_.has_values()) {
    block->value.resize(work->keys);
    block->value.resize(block->key.size(), 1.0f);
  }
  for (std::uint32_t l = 0; l < index.lines(); ++l) {
    const std::uint32_t first = index.first(l);
    std::uint32_t* const end = index.end(first);
    std::uint32_t* const line_end = index.end(index.last(l));
    const std::uint32_t begin = end[-1] + 1;
    const std::uint32_t newline = *line_end;
    // For the time of this row, a carriage return is no part of the last field.
    *line_end -= newline > begin && work->window[newline - 1] == '\r';
    const std::string_view line(work->window + begin, *line_end - begin);
    const std::uint64_t offset = work->window_offset + begin;
    if (line.empty()) {
    } else if (index.has_quote() && line.find(layout_.quote) != std::string_view::npos) {
      ParseSplit(line, offset, work);
    } else if (index.last(l) - first + 1 != columns_) {
      Quote(line, offset, 1,
            absl::StrCat("expected ", columns_, " columns, found ", index.last(l) - first + 1),
            work->origin.file, block);
    } else {
      AddRow({work->window, end}, layout_.trim, line, offset, work);
    }
    *line_end = newline;
  }
}

// A line that holds quotes.
void TableParser::ParseSplit(std::string_view line, std::uint64_t offset, Work* work) const {
  if (!work->split.Split(line, layout_)) {
    Quote(line, offset, work->split.problem_at() + 1, work->split.problem(), work->origin.file,
          work->block);
  } else if (work->split.fields() != columns_) {
    Quote(line, offset, 1,
          absl::StrCat("expected ", columns_, " columns, found ", work->split.fields()),
          work->origin.file, work->block);
  } else {
    AddRow({work->split.text(), work->split.ends()}, false, line, offset, work);
  }
}

void TableParser::CheckHeader(std::string_view line, Work* work) const {
  ++work->block->lines;
  std::string problem = HeaderProblem(plan_, line, layout_);
  if (!problem.empty()) Quote(line, 0, 1, std::move(problem), work->origin.file, work->block);
}

std::string_view TableParser::Field(const RowText& row, std::uint32_t column, bool trim) const {
  std::string_view field = row.field(column);
  while (trim && !field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (trim && !field.empty() && field.back() == ' ') field.remove_suffix(1);
  return field;
}

std::string TableParser::ReadLabel(std::string_view text, float* label) const {
  if (text.empty()) return "the label is empty";
  if (!plan_.positive().empty()) {
    *label = text == plan_.positive() ? 1 : 0;
    return "";
  }
  if (text == "0" || text == "1") [[likely]] {
    *label = static_cast<float>(text[0] - '0');
    return "";
  }
  double number;
  if (!ParseNumber(text, &number) || (number != 0 && number != 1 && number != -1)) {
    return absl::StrCat("expected a label of 1, 0 or -1, found '", std::string(text.substr(0, 40)),
                        "' (data.label.positive names the positive class)");
  }
  *label = number == 1 ? 1 : 0;
  return "";
}

std::string TableParser::ReadWeight(std::string_view text, float* weight) const {
  double number;
  if (!ParseNumber(text, &number) || number < 0 || number > 1e30) {
    return absl::StrCat("expected a weight of 0 or more, found '", std::string(text.substr(0, 40)),
                        "'");
  }
  *weight = static_cast<float>(number);
  return "";
}

int TableParser::MakeKeys(const RowText& row, bool trim, bool inside, Work* work,
                          std::uint32_t* bad_column) const {
  RowBlock* const block = work->block;
  Key* const keys = block->key.data() + work->keys;
  float* const values = program_.has_values() ? block->value.data() + work->keys : nullptr;
  const int made = program_.Run(row, trim, keys, values, bad_column);
  if (made < 0 || further_ == nullptr) return made;
  const int more = further_->Run(row, trim, inside, &work->values, keys + made, bad_column);
  return more < 0 ? more : made + more;
}

void TableParser::AddRow(const RowText& row, bool trim, std::string_view line, std::uint64_t offset,
                         Work* work) const {
  RowBlock* const block = work->block;
  float label = 0;
  float weight = 1;
  std::uint32_t bad_column = plan_.label_column();
  std::string what = ReadLabel(Field(row, bad_column, trim), &label);
  if (what.empty() && plan_.weighted()) {
    bad_column = plan_.weight_column();
    what = ReadWeight(Field(row, bad_column, trim), &weight);
  }
  int made = 0;
  if (what.empty()) {
    // Text of a split row is a copy.
    const bool inside =
        row.text == work->window && line.data() - work->window >= kFloatReadableBefore;
    made = MakeKeys(row, trim, inside, work, &bad_column);
    if (made < 0) {
      // Values of a row that was dropped must not stay for the next one.
      if (program_.has_values())
        std::fill_n(block->value.data() + work->keys, program_.max_keys(), 1.0f);
      what = absl::StrCat("expected a number in column \"",
                          plan_.column(static_cast<int>(bad_column)).name(), "\", found '",
                          std::string(Field(row, bad_column, trim).substr(0, 40)), "'");
    }
  }
  if (!what.empty()) [[unlikely]] {
    // A split row is a copy: its fields have lost their place in the line.
    const bool in_line = row.text == work->window;
    const std::size_t at =
        in_line ? static_cast<std::size_t>(row.field(bad_column).data() - line.data()) : 0;
    Quote(line, offset, at + 1, std::move(what), work->origin.file, block);
    return;
  }
  work->keys += static_cast<std::size_t>(made);
  block->label.push_back(label);
  if (plan_.weighted()) block->weight.push_back(weight);
  block->row_offset.push_back(offset);
  block->row_begin.push_back(static_cast<std::uint32_t>(work->keys));
}

}  // namespace

std::unique_ptr<RowParser> MakeTableParser(const features::Plan& plan,
                                           std::unique_ptr<const FurtherKeys> further) {
  return std::make_unique<TableParser>(plan, std::move(further));
}

}  // namespace ps
