#include "models/features/header_hint.h"

#include <algorithm>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/features/number.h"
#include "models/features/split_row.h"
#include "models/features/table_sample.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint64_t kReadBytes = 64 << 10;
constexpr std::size_t kMostRows = 200;
// Rows that a label, which is a text, is compared with.
constexpr std::size_t kFewestRows = 20;

using Fields = std::vector<std::string>;

bool IsNumber(const std::string& text) {
  double number;
  return ParseNumber(text, &number);
}

// The first line, and rows behind it of as many fields.
struct Front {
  Fields first;
  std::vector<Fields> rows;
};

Front FrontOf(std::string_view text, const TextLayout& layout) {
  Front front;
  SplitRow split;
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  while (!text.empty() && front.rows.size() < kMostRows) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    std::string_view line = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
    if (line.empty() || !split.Split(line, layout)) {
      if (front.first.empty()) return front;  // there is no first line to judge
      continue;
    }
    Fields fields;
    for (std::size_t i = 0; i < split.fields(); ++i) fields.emplace_back(split.field(i));
    if (front.first.empty()) {
      front.first = std::move(fields);
    } else if (fields.size() == front.first.size()) {
      front.rows.push_back(std::move(fields));
    }
  }
  return front;
}

class Judge {
 public:
  Judge(const Front& front, const std::vector<std::string>& missing) : front_(front), missing_(missing) {
    for (std::size_t column = 0; column < front.first.size(); ++column) numbers_.push_back(HasNumbers(column));
  }

  bool HasNumericColumns() const { return std::count(numbers_.begin(), numbers_.end(), true) > 0; }

  // Texts only, though below some of them there are numbers only; or a label that no row has. Of a column that numbers
  // the rows the name may be empty.
  bool LooksLikeNames(std::uint32_t label) const {
    const std::size_t begin = HasNamelessIndex() ? 1 : 0;
    for (std::size_t column = begin; column < front_.first.size(); ++column) {
      const std::string& name = front_.first[column];
      if (IsMissing(name) || IsNumber(name)) return false;
      if (std::count(front_.first.begin(), front_.first.end(), name) > 1) return false;
    }
    if (label < begin) return false;
    if (std::count(numbers_.begin() + static_cast<std::ptrdiff_t>(begin), numbers_.end(), true) > 0) return true;
    const auto same = [&](const Fields& row) { return row[label] == front_.first[label]; };
    std::vector<std::string> labels;
    for (const Fields& row : front_.rows) labels.push_back(row[label]);
    std::sort(labels.begin(), labels.end());
    const auto distinct = std::unique(labels.begin(), labels.end()) - labels.begin();
    return front_.rows.size() >= kFewestRows && distinct <= 2 && std::none_of(front_.rows.begin(), front_.rows.end(), same);
  }

  // As pandas writes it: nothing, and then 0, 1, 2.
  bool HasNamelessIndex() const {
    if (!front_.first[0].empty()) return false;
    for (std::size_t row = 0; row < front_.rows.size(); ++row) {
      if (front_.rows[row][0] != absl::StrCat(row)) return false;
    }
    return true;
  }

  // Numbers wherever there are numbers below. Those of a writer that numbers its columns are names.
  bool LooksLikeARow() const {
    if (!HasNumericColumns() || AreNumbered()) return false;
    for (std::size_t column = 0; column < numbers_.size(); ++column) {
      const std::string& name = front_.first[column];
      if (numbers_[column] && !IsNumber(name) && !IsMissing(name)) return false;
    }
    return true;
  }

 private:
  bool IsMissing(const std::string& text) const {
    return text.empty() || std::find(missing_.begin(), missing_.end(), text) != missing_.end();
  }

  bool HasNumbers(std::size_t column) const {
    bool some = false;
    for (const Fields& row : front_.rows) {
      if (IsMissing(row[column])) continue;
      if (!IsNumber(row[column])) return false;
      some = true;
    }
    return some;
  }

  bool AreNumbered() const {
    for (const std::size_t first : {0, 1}) {
      bool all = true;
      for (std::size_t i = 0; i < front_.first.size(); ++i) all &= front_.first[i] == absl::StrCat(first + i);
      if (all) return true;
    }
    return false;
  }

  const Front& front_;
  const std::vector<std::string>& missing_;
  std::vector<bool> numbers_;  // by column: all rows have a number there
};

std::string Quoted(const Fields& fields) {
  constexpr std::size_t kShown = 5, kLongest = 30;
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < std::min(kShown, fields.size()); ++i)
    shown.push_back(absl::StrCat("'", absl::Utf8SafeCEscape(fields[i].substr(0, kLongest)), "'"));
  return absl::StrCat(absl::StrJoin(shown, ", "), fields.size() > kShown ? ", ..." : "");
}

}  // namespace

std::string HeaderAdvice(const DataConfig& data, const std::vector<std::string>& names) {
  if (data.format == DataFormat::kCriteo || !data.columns.empty()) return "";  // named otherwise
  if (!data.header) return ". If the files have a header, set data.header: true";
  if (std::none_of(names.begin(), names.end(), IsNumber)) return "";
  return ". Names are those of the first line; if the files have no header, set data.header: false";
}

absl::StatusOr<std::string> DescribeDoubtfulHeader(const features::Plan& plan, const DataConfig& data,
                                                   const DataFiles& files) {
  if (data.format != DataFormat::kCsv && data.format != DataFormat::kTsv) return "";
  const TableShape shape = ShapeOf(data);
  const auto reader = RangeReader::Create(files);
  for (std::uint32_t file = 0; file < files.files().size(); ++file) {
    std::string text;
    std::uint64_t offset = 0;
    PS_RETURN_IF_ERROR(reader->Read({file, 0, kReadBytes}, &text, &offset));
    if (text.empty()) continue;
    const Front front = FrontOf(text, shape.layout);
    if (front.first.size() <= plan.label_column() || front.rows.empty()) return "";
    const Judge judge(front, shape.missing);
    const std::string where = absl::StrCat(files.files()[file].path, ":1: the first line looks like ");
    if (!data.header && judge.LooksLikeNames(plan.label_column())) {
      const char* const named = judge.HasNamelessIndex() ? ", and give the first column a name, or leave it out" : "";
      return absl::StrCat(where, "names of columns (", Quoted(front.first),
                          "), and is taken as a row: if the files have a header, set data.header: true", named);
    }
    if (data.header && judge.LooksLikeARow()) {
      return absl::StrCat(where, "a row (", Quoted(front.first),
                          "), and is taken as the header: if the files have none, set data.header: false");
    }
    return "";
  }
  return "";
}

}  // namespace ps
