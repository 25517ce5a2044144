#include "models/scoring/unlabelled_rows.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "models/data/row_text.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// Where the rewritten text is said to be: not at a file's begin, where parsers look for headers.
constexpr std::uint64_t kOffset = 1;
// How much of a file without names tells how its rows are.
constexpr std::uint64_t kFrontBytes = 64 << 10;
constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";

// The line that begins at text[*at], without its end; *at moves behind it.
std::string_view TakeLine(std::string_view text, std::size_t* at) {
  const std::size_t newline = std::min(text.size(), text.find('\n', *at));
  std::string_view line = text.substr(*at, newline - *at);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  *at = newline + 1;
  return line;
}

std::string_view Trimmed(std::string_view text) {
  while (!text.empty() && IsBlank(text.front())) text.remove_prefix(1);
  while (!text.empty() && IsBlank(text.back())) text.remove_suffix(1);
  return text;
}

void SplitPlain(std::string_view line, char delimiter, std::vector<std::string_view>* fields) {
  fields->clear();
  for (std::size_t at = 0;;) {
    const std::size_t end = line.find(delimiter, at);
    fields->push_back(line.substr(at, end - at));
    if (end == std::string_view::npos) return;
    at = end + 1;
  }
}

}  // namespace

// A line that was rewritten.
struct UnlabelledRows::Line {
  std::size_t begin = 0;     // in the new text
  std::uint64_t offset = 0;  // in its file
  std::string_view text;     // as it was, without its end
};

struct UnlabelledRows::Rewritten {
  std::string text;
  std::vector<Line> lines;
  RowBlock refused;  // lines that could not be rewritten, quoted
  Scratch scratch;
};

UnlabelledRows::UnlabelledRows(const ModelScorer& model)
    : model_(model), vw_(model.plan().format() == "vw"), label_(PlaceholderLabel(model)) {
  if (!vw_ && model.plan().format() != "libsvm") table_.emplace(model);
}

absl::StatusOr<std::unique_ptr<UnlabelledRows>> UnlabelledRows::Open(const ModelScorer& model, const DataFiles& files) {
  std::unique_ptr<UnlabelledRows> rows(new UnlabelledRows(model));
  if (!rows->table_) return rows;
  const auto reader = RangeReader::Create(files);
  for (std::uint32_t file = 0; file < files.files().size(); ++file) {
    auto layout = rows->LayoutOfFile(file, reader.get());
    if (absl::IsInvalidArgument(layout.status()))
      return absl::InvalidArgumentError(absl::StrCat(files.files()[file].path, ": ", layout.status().message()));
    if (!layout.ok()) return layout.status();
    rows->layouts_.push_back(*std::move(layout));
  }
  return rows;
}

std::unique_ptr<UnlabelledRows> UnlabelledRows::OfLines(const ModelScorer& model) {
  return std::unique_ptr<UnlabelledRows>(new UnlabelledRows(model));
}

absl::StatusOr<UnlabelledRows::FileLayout> UnlabelledRows::LayoutOfFile(std::uint32_t file, RangeReader* reader) const {
  std::string front;
  std::uint64_t offset = 0;
  PS_RETURN_IF_ERROR(reader->Read({file, 0, kFrontBytes}, &front, &offset));
  std::size_t at = std::string_view(front).starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0;
  if (!model_.plan().header() || at >= front.size()) return LayoutOfRows(std::string_view(front).substr(at));
  SplitRow split;
  if (!split.Split(TakeLine(front, &at), table_->text())) return absl::InvalidArgumentError("the header is malformed");
  std::vector<std::string> names;
  for (std::size_t i = 0; i < split.fields(); ++i) names.emplace_back(split.field(i));
  auto by_name = table_->ByName(names);
  if (by_name.ok()) return FileLayout{names.size(), *std::move(by_name)};
  // A plan of no rows came with a model of another tool, and its names may be numbers of columns.
  if (model_.plan().sample_rows() > 0) return by_name.status();
  return LayoutOfRows(std::string_view(front).substr(std::min(at, front.size())));
}

// As most of the rows have it: one of another number of fields is a malformed one.
absl::StatusOr<UnlabelledRows::FileLayout> UnlabelledRows::LayoutOfRows(std::string_view front) const {
  std::map<std::size_t, std::size_t> rows;  // by number of fields
  SplitRow split;
  for (std::size_t at = 0; at < front.size();) {
    const std::string_view line = TakeLine(front, &at);
    if (!line.empty() && split.Split(line, table_->text())) ++rows[split.fields()];
  }
  if (rows.empty()) return FileLayout{table_->columns(), *table_->ByNumber(table_->columns())};
  const TableLayout::Sources* best = nullptr;
  std::size_t fields = 0, most = 0;
  for (const auto& [number, count] : rows) {
    const TableLayout::Sources* const sources = table_->ByNumber(number);
    if (sources == nullptr || count < most) continue;
    best = sources;
    fields = number;
    most = count;
  }
  if (best != nullptr) return FileLayout{fields, *best};
  return absl::InvalidArgumentError(absl::StrCat("expected ", table_->DescribeNumbers(), " columns, found ", rows.begin()->first));
}

void UnlabelledRows::ScoreText(std::string_view text, TextOrigin origin, RowBlock* rows,
                               std::vector<float>* margins) const {
  Rewritten to;
  Rewrite(text, origin, &to);
  model_.ScoreText(to.text, TextOrigin{origin.file, kOffset}, rows, margins);
  Restore(to, rows);
}

void UnlabelledRows::Rewrite(std::string_view text, TextOrigin origin, Rewritten* to) const {
  to->text.reserve(text.size() + text.size() / 8);
  std::size_t at = 0;
  if (origin.offset == 0) {
    if (text.starts_with(kByteOrderMark)) at = kByteOrderMark.size();
    if (table_ && model_.plan().header()) TakeLine(text, &at);
  }
  while (at < text.size()) {
    Line line{.begin = to->text.size(), .offset = origin.offset + at, .text = {}};
    line.text = TakeLine(text, &at);
    RewriteLine(line, origin, to);
  }
}

void UnlabelledRows::RewriteLine(Line line, TextOrigin origin, Rewritten* to) const {
  if (!HoldsRow(line.text)) return;
  std::string problem = table_ ? AppendFields(line.text, &layouts_[origin.file], &to->scratch, &to->text)
                               : AppendRow(line.text, &to->scratch, &to->text);
  if (problem.empty()) {
    to->lines.push_back(line);
  } else {
    QuoteBadRow(line.text, {origin.file, line.offset}, 1, std::move(problem), &to->refused);
  }
}

// What holds no row with a label holds none without.
bool UnlabelledRows::HoldsRow(std::string_view line) const {
  if (table_) return !line.empty();
  const std::string_view text = Trimmed(line);
  return !text.empty() && (vw_ || text.front() != '#');
}

std::string UnlabelledRows::AppendRow(std::string_view line, Scratch* scratch, std::string* text) const {
  if (table_) return AppendFields(line, nullptr, scratch, text);
  const std::size_t features = FeaturesOf(line);
  if (!vw_) {
    // Any text without a blank would be a label that nobody looks at, and a row without features.
    const std::string_view label = Trimmed(line.substr(0, features));
    double number;
    if (!label.empty() && !absl::SimpleAtod({label.data(), label.size()}, &number))
      return absl::StrCat("expected index:value or a label, found '", std::string(label.substr(0, 40)), "'");
  }
  text->append(label_).append(1, ' ').append(line.substr(features)).append(1, '\n');
  return "";
}

// Where the features begin in a line of libsvm or Vowpal Wabbit text.
std::size_t UnlabelledRows::FeaturesOf(std::string_view line) const {
  if (vw_) {
    const std::size_t bar = line.find('|');
    return bar == std::string_view::npos ? 0 : bar;
  }
  std::size_t first = 0;
  while (first < line.size() && IsBlank(line[first])) ++first;
  std::size_t end = first;
  while (end < line.size() && !IsBlank(line[end]) && line[end] != ':' && line[end] != '#') ++end;
  return end < line.size() && line[end] == ':' ? first : end;
}

// Appends the line of a table, whose layout is its file's or, without one, its own. Empty, or what is wrong with it.
std::string UnlabelledRows::AppendFields(std::string_view line, const FileLayout* of_file, Scratch* scratch,
                                         std::string* text) const {
  std::vector<std::string_view>& fields = scratch->fields;
  const TextLayout& layout = table_->text();
  const bool plain = layout.quote == 0 || line.find(layout.quote) == std::string_view::npos;
  if (plain) {
    SplitPlain(line, layout.delimiter, &fields);
  } else {
    if (!scratch->split.Split(line, layout)) return scratch->split.problem();
    fields.clear();
    for (std::size_t i = 0; i < scratch->split.fields(); ++i) fields.push_back(scratch->split.field(i));
  }
  if (of_file != nullptr && fields.size() != of_file->fields)
    return absl::StrCat("expected ", of_file->fields, " columns, found ", fields.size());
  const TableLayout::Sources* const sources = of_file != nullptr ? &of_file->sources : table_->ByNumber(fields.size());
  if (sources == nullptr)
    return absl::StrCat("expected ", table_->DescribeNumbers(), " columns, found ", fields.size());
  if (plain) {
    table_->AppendLine(*sources, fields, text);
  } else if (!table_->AppendMeanings(*sources, fields, text)) {
    return "a carriage return within a field";
  }
  return "";
}

// The 1-based place in the line of what is at byte `at` of the rewritten one; 1 where it is not known.
std::uint32_t UnlabelledRows::ColumnWithin(const Line& line, std::uint32_t file, std::string_view rewritten,
                                           std::size_t at) const {
  if (!table_) {
    const std::size_t head = label_.size() + 1;
    return at < head ? 1 : static_cast<std::uint32_t>(at - head + FeaturesOf(line.text) + 1);
  }
  // Quoted fields have lost their place.
  const TextLayout& layout = table_->text();
  const std::string_view made = rewritten.substr(0, rewritten.find('\n'));
  if (layout.quote != 0 && (line.text.find(layout.quote) != std::string_view::npos ||
                            made.find(layout.quote) != std::string_view::npos)) {
    return 1;
  }
  std::vector<std::string_view> fields;
  SplitPlain(line.text, layout.delimiter, &fields);
  const std::string_view before = rewritten.substr(0, at);
  const auto column = static_cast<std::size_t>(std::count(before.begin(), before.end(), layout.delimiter));
  const TableLayout::Sources& sources = layouts_[file].sources;
  if (column >= sources.size() || sources[column] == TableLayout::kFiller) return 1;
  const std::string_view field = fields[static_cast<std::size_t>(sources[column])];
  const std::size_t begin = before.rfind(layout.delimiter) + 1;  // of the field; 0 of the first
  return static_cast<std::uint32_t>(field.data() - line.text.data()) + static_cast<std::uint32_t>(at - begin) + 1;
}

// Rows go back to where they were.
void UnlabelledRows::Restore(const Rewritten& from, RowBlock* rows) const {
  const auto line_at = [&](std::uint64_t offset) -> const Line& {
    const auto behind = std::upper_bound(from.lines.begin(), from.lines.end(), offset - kOffset,
                                         [](std::uint64_t place, const Line& line) { return place < line.begin; });
    return behind[-1];
  };
  for (std::uint64_t& offset : rows->row_offset) offset = line_at(offset).offset;
  RowBlock quoted;
  for (BadRow& row : rows->bad) {
    const Line& line = line_at(row.offset);
    const std::uint32_t column =
        ColumnWithin(line, rows->file, std::string_view(from.text).substr(line.begin), row.column - 1);
    QuoteBadRow(line.text, {rows->file, line.offset}, column, std::move(row.what), &quoted);
  }
  // The first ones of both.
  std::vector<BadRow>& bad = quoted.bad;
  bad.insert(bad.end(), from.refused.bad.begin(), from.refused.bad.end());
  std::sort(bad.begin(), bad.end(), [](const BadRow& a, const BadRow& b) { return a.offset < b.offset; });
  bad.resize(std::min(bad.size(), RowBlock::kMaxQuoted));
  rows->bad = std::move(bad);
  rows->bad_rows += from.refused.bad_rows;
}

}  // namespace ps
