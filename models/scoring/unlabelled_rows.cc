#include "models/scoring/unlabelled_rows.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "models/data/row_text.h"
#include "models/features/header_check.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// Where the rewritten text is said to be: not at a file's begin, where parsers look for headers.
constexpr std::uint64_t kOffset = 1;

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
  // A plan of no rows came with a model of another tool, and its names may be numbers of columns.
  if (rows->table_ && model.plan().header() && model.plan().sample_rows() > 0) PS_RETURN_IF_ERROR(rows->ReadHeaders(files));
  return rows;
}

std::unique_ptr<UnlabelledRows> UnlabelledRows::OfLines(const ModelScorer& model) {
  return std::unique_ptr<UnlabelledRows>(new UnlabelledRows(model));
}

absl::Status UnlabelledRows::ReadHeaders(const DataFiles& files) {
  const auto reader = RangeReader::Create(files);
  for (std::uint32_t file = 0; file < files.files().size(); ++file) {
    const std::string& path = files.files()[file].path;
    PS_ASSIGN_OR_RETURN(const std::optional<std::vector<std::string>> names, ReadHeader(file, table_->text(), reader.get()));
    if (!names) return absl::InvalidArgumentError(absl::StrCat(path, ": the header is malformed"));
    Header header{.fields = names->size(), .sources = {}};
    if (!names->empty()) {  // the file is empty
      auto sources = table_->ByName(*names);
      if (!sources.ok()) return absl::InvalidArgumentError(absl::StrCat(path, ": ", sources.status().message()));
      header.sources = *std::move(sources);
    }
    headers_.push_back(std::move(header));
  }
  return absl::OkStatus();
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
  constexpr std::string_view kMark = "\xef\xbb\xbf";
  std::size_t at = 0;
  if (origin.offset == 0) {
    if (text.substr(0, kMark.size()) == kMark) at = kMark.size();
    if (table_ && model_.plan().header()) at = std::min(text.size(), text.find('\n', at)) + 1;
  }
  while (at < text.size()) {
    const std::size_t newline = std::min(text.size(), text.find('\n', at));
    std::string_view line = text.substr(at, newline - at);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    RewriteLine({.begin = to->text.size(), .offset = origin.offset + at, .text = line}, origin, to);
    at = newline + 1;
  }
}

void UnlabelledRows::RewriteLine(Line line, TextOrigin origin, Rewritten* to) const {
  if (line.text.empty()) return;
  std::string problem = AppendRow(line.text, origin.file, &to->scratch, &to->text);
  if (problem.empty()) return to->lines.push_back(line);
  QuoteBadRow(line.text, {origin.file, line.offset}, 1, std::move(problem), &to->refused);
}

std::string UnlabelledRows::AppendRow(std::string_view line, Scratch* scratch, std::string* text) const {
  return AppendRow(line, 0, scratch, text);
}

std::string UnlabelledRows::AppendRow(std::string_view line, std::uint32_t file, Scratch* scratch,
                                      std::string* text) const {
  if (table_) return AppendFields(line, file, scratch, text);
  text->append(label_).append(1, ' ').append(line.substr(FeaturesOf(line))).append(1, '\n');
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

const TableLayout::Sources* UnlabelledRows::SourcesOf(std::uint32_t file, std::size_t fields) const {
  if (headers_.empty()) return table_->ByNumber(fields);
  return fields == headers_[file].fields ? &headers_[file].sources : nullptr;
}

// Of a table.
std::string UnlabelledRows::AppendFields(std::string_view line, std::uint32_t file, Scratch* scratch,
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
  const TableLayout::Sources* const sources = SourcesOf(file, fields.size());
  if (sources == nullptr) {
    if (!headers_.empty())
      return absl::StrCat("expected ", headers_[file].fields, " columns, found ", fields.size());
    return absl::StrCat("expected ", table_->columns() - 1, " columns without the label, or ", table_->columns(),
                        " with it, found ", fields.size());
  }
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
  const TextLayout& layout = table_->text();
  if (layout.quote != 0 && line.text.find(layout.quote) != std::string_view::npos) return 1;
  std::vector<std::string_view> fields;
  SplitPlain(line.text, layout.delimiter, &fields);
  const TableLayout::Sources* const sources = SourcesOf(file, fields.size());
  const std::string_view before = rewritten.substr(0, at);
  const auto column = static_cast<std::size_t>(std::count(before.begin(), before.end(), layout.delimiter));
  if (sources == nullptr || column >= sources->size() || (*sources)[column] == TableLayout::kFiller) return 1;
  const std::string_view field = fields[static_cast<std::size_t>((*sources)[column])];
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
  RowBlock quoted = from.refused;
  for (BadRow& row : rows->bad) {
    const Line& line = line_at(row.offset);
    const std::uint32_t column =
        ColumnWithin(line, rows->file, std::string_view(from.text).substr(line.begin), row.column - 1);
    QuoteBadRow(line.text, {rows->file, line.offset}, column, std::move(row.what), &quoted);
  }
  std::sort(quoted.bad.begin(), quoted.bad.end(), [](const BadRow& a, const BadRow& b) { return a.offset < b.offset; });
  rows->bad = std::move(quoted.bad);
  rows->bad_rows += from.refused.bad_rows;
}

}  // namespace ps
