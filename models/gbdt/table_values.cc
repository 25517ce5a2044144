#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "models/data/bad_rows.h"
#include "models/data/float_text.h"
#include "models/features/delimiter_index.h"
#include "models/features/header_check.h"
#include "models/features/number.h"
#include "models/features/plan.h"
#include "models/features/row_program.h"
#include "models/features/split_row.h"
#include "models/gbdt/field_values.h"
#include "models/gbdt/value_rows.h"
#include "ps/base/key.h"

namespace ps {
namespace {

constexpr std::uint32_t kWindowBytes = 16 << 10;
constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

class TableValues final : public ValueParser {
 public:
  TableValues(const features::Plan& plan, std::vector<ValueColumn> columns, LabelReading labels)
      : plan_(plan), fields_(plan, std::move(columns)), labels_(labels) {
    layout_ = LayoutOf(plan);
    field_count_ = static_cast<std::uint32_t>(plan.column_size());
  }

  void Parse(std::string_view text, TextOrigin origin, const RowSample& sample,
             ValueRows* out) const override {
    Work work{out, origin, sample, text.data(), origin.offset, {}, {}, true, {}};
    out->rows.file = origin.file;
    if (origin.offset == 0) {
      std::size_t skip =
          absl::StartsWith(absl::string_view(text.data(), text.size()), "\xef\xbb\xbf") ? 3 : 0;
      if (plan_.header()) skip = SkipHeader(text, skip, &work);
      text.remove_prefix(skip);
      work.offset += skip;
    }
    // The last lines are copied, so that bytes behind every window are readable.
    const std::size_t inside =
        text.size() < DelimiterIndex::kPadding ? 0 : text.size() - DelimiterIndex::kPadding;
    const std::size_t newline = inside == 0 ? std::string_view::npos : text.rfind('\n', inside - 1);
    const std::size_t direct = newline == std::string_view::npos ? 0 : newline + 1;
    ParsePadded(text.data(), direct, &work);
    std::string rest(text.substr(direct));
    if (!rest.empty() && rest.back() != '\n') rest.push_back('\n');
    const std::size_t bytes = rest.size();
    rest.append(DelimiterIndex::kPadding, '\0');
    ParsePadded(rest.data(), bytes, &work);
  }

 private:
  struct Work {
    ValueRows* out;
    TextOrigin origin;
    const RowSample& sample;
    const char* text;      // of the window
    std::uint64_t offset;  // of the window's first byte in the file
    DelimiterIndex index;
    SplitRow split;
    bool taken = true;  // the line is of the sample
    std::string class_name;
  };

  std::size_t SkipHeader(std::string_view text, std::size_t from, Work* work) const {
    const std::size_t newline = text.find('\n', from);
    std::string_view line =
        text.substr(from, newline == std::string_view::npos ? newline : newline - from);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    ++work->out->rows.lines;
    std::string problem = HeaderProblem(plan_, line, layout_);
    if (!problem.empty())
      QuoteBadRow(line, {work->origin.file, 0}, 1, std::move(problem), &work->out->rows);
    return newline == std::string_view::npos ? text.size() : newline + 1;
  }

  void ParsePadded(const char* text, std::size_t bytes, Work* work) const {
    std::size_t at = 0, window = kWindowBytes;
    while (at < bytes) {
      const std::size_t size = std::min(window, bytes - at);
      work->text = text + at;
      work->index.Build(text + at, static_cast<std::uint32_t>(size), layout_.delimiter,
                        layout_.quote);
      const std::size_t done = work->index.whole_bytes();
      if (done == 0) {
        window *= 2;  // lines end within 64 MiB: the reader sees to it
        continue;
      }
      for (std::uint32_t line = 0; line < work->index.lines(); ++line) ParseLine(line, work);
      at += done;
      work->offset += done;
      window = kWindowBytes;
    }
  }

  void ParseLine(std::uint32_t number, Work* work) const {
    DelimiterIndex& index = work->index;
    const std::uint32_t first = index.first(number);
    std::uint32_t* const end = index.end(first);
    std::uint32_t* const line_end = index.end(index.last(number));
    const std::uint32_t begin = end[-1] + 1, newline = *line_end;
    ++work->out->rows.lines;
    *line_end -= newline > begin && work->text[newline - 1] == '\r';
    const std::string_view line(work->text + begin, *line_end - begin);
    const std::uint64_t offset = work->offset + begin;
    if (line.empty()) {
    } else if (!Takes(offset, work)) {
      ++work->out->skipped;
    } else if (index.has_quote() && line.find(layout_.quote) != std::string_view::npos) {
      if (!work->split.Split(line, layout_)) {
        Quote(line, offset, work->split.problem_at(), work->split.problem(), work);
      } else if (CheckFields(work->split.fields(), line, offset, work)) {
        AddRow({work->split.text(), work->split.ends()}, false, line, offset, work);
      }
    } else if (CheckFields(index.last(number) - first + 1, line, offset, work)) {
      AddRow({work->text, end}, layout_.trim, line, offset, work);
    }
    *line_end = newline;
  }

  // Whether the line is to be read: rows that are not of the sample may have classes of their own.
  bool Takes(std::uint64_t offset, Work* work) const {
    work->taken = work->sample.Takes(work->origin.file, offset);
    return work->taken || labels_.looks_for_classes();
  }

  static void Quote(std::string_view line, std::uint64_t offset, std::size_t at, std::string what,
                    Work* work) {
    QuoteBadRow(line, {work->origin.file, offset}, static_cast<std::uint32_t>(at + 1),
                std::move(what), &work->out->rows);
  }

  bool CheckFields(std::size_t fields, std::string_view line, std::uint64_t offset,
                   Work* work) const {
    if (fields == field_count_) return true;
    Quote(line, offset, 0, absl::StrCat("expected ", field_count_, " columns, found ", fields), work);
    return false;
  }

  // Empty, or what is wrong.
  std::string ReadClass(std::string_view text, Work* work, float* label) const {
    if (labels_.looks_for_classes()) {
      if (fields_.IsMissing(text) || text == "nan" || text == "NaN" || text == "NAN")
        return absl::StrCat("the label '", std::string(text.substr(0, 40)), "' is a missing value");
      work->class_name = text;
      return "";
    }
    const auto found = labels_.classes->find(absl::string_view(text.data(), text.size()));
    if (found == labels_.classes->end()) return NoClass(text);
    *label = static_cast<float>(found->second);
    return "";
  }

  // Empty, or what is wrong.
  std::string ReadLabel(std::string_view text, Work* work, float* label) const {
    if (text.empty()) return "the label is empty";
    if (labels_.rule == LabelRule::kClass) return ReadClass(text, work, label);
    if (labels_.rule == LabelRule::kBinary && !plan_.positive().empty()) {
      *label = text == plan_.positive() ? 1 : 0;
      return "";
    }
    double number;
    const bool is_number = ParseNumber(text, &number);
    if (labels_.rule == LabelRule::kNumber) {
      *label = is_number ? static_cast<float>(number) : 0;
      if (is_number && std::isfinite(*label)) return "";
      return absl::StrCat("expected a number as label, found '", std::string(text.substr(0, 40)),
                          "'");
    }
    if (!is_number || (number != 0 && number != 1 && number != -1)) {
      return absl::StrCat("expected a label of 1, 0 or -1, found '",
                          std::string(text.substr(0, 40)),
                          "' (data.label.positive names the positive class)");
    }
    *label = number == 1 ? 1 : 0;
    return "";
  }

  void AddRow(const RowText& row, bool trim, std::string_view line, std::uint64_t offset,
              Work* work) const {
    ValueRows& out = *work->out;
    float label = 0;
    double weight = 1;
    std::uint32_t bad = plan_.label_column();
    std::string what = ReadLabel(FieldOf(row, bad, trim), work, &label);
    if (what.empty() && plan_.weighted()) {
      bad = plan_.weight_column();
      const std::string_view text = FieldOf(row, bad, trim);
      if (!ParseNumber(text, &weight) || weight < 0 || weight > 1e30) {
        what = absl::StrCat("expected a weight of 0 or more, found '",
                            std::string(text.substr(0, 40)), "'");
      }
    }
    const std::size_t before = out.values.size(), targets_before = out.targets.size();
    if (what.empty()) {
      out.values.resize(before + fields_.columns().size());
      float* value = out.values.data() + before;
      // Text of a split row is a copy; the window has bytes behind it, not always in front.
      const bool inside =
          row.text == work->text && line.data() - work->text >= kFloatReadableBefore;
      for (const ValueColumn& column : fields_.columns()) {
        const std::string_view text = FieldOf(row, column.source, trim);
        if (column.by_target) {
          out.targets.push_back(fields_.ReadTargetKey(text));
          *value++ = column.target != nullptr ? column.target->Mean(out.targets.back()) : kMissing;
        } else if (column.kind == ColumnKind::kCategory) {
          *value++ = work->taken ? ReadCategory(text, column, &out) : kMissing;
        } else if (fields_.ReadNumber(text, column, inside, value)) {
          const bool missing = *value != *value;
          ++value;
          if (missing && column.text_is_missing && fields_.IsOddText(text)) [[unlikely]]
            CountOddText(text, column, offset, work);
        } else {
          bad = column.source;
          what = absl::StrCat("expected a number in column \"", column.name, "\", found '",
                              std::string(text.substr(0, 40)), "'");
          break;
        }
      }
    }
    if (!what.empty()) [[unlikely]] {
      out.values.resize(before);
      out.targets.resize(targets_before);
      const char* const at = FieldOf(row, bad, trim).data();
      const bool in_line = at >= line.data() && at <= line.data() + line.size();
      Quote(line, offset, in_line ? static_cast<std::size_t>(at - line.data()) : 0, std::move(what),
            work);
      return;
    }
    if (labels_.looks_for_classes()) ++out.classes[work->class_name];
    if (!work->taken) {
      out.values.resize(before);
      out.targets.resize(targets_before);
      ++out.skipped;
      return;
    }
    out.rows.label.push_back(label);
    if (plan_.weighted()) out.rows.weight.push_back(static_cast<float>(weight));
    out.rows.row_offset.push_back(offset);
    out.rows.row_begin.push_back(0);
  }

  void CountOddText(std::string_view text, const ValueColumn& column, std::uint64_t offset,
                    Work* work) const {
    if (!work->taken) return;
    std::vector<OddTexts>& odd = work->out->odd_texts;
    odd.resize(fields_.columns().size());
    odd[static_cast<std::size_t>(&column - fields_.columns().data())].Add(
        {1, work->origin.file, offset, std::string(text.substr(0, 40))});
  }

  float ReadCategory(std::string_view text, const ValueColumn& column, ValueRows* out) const {
    if (column.bins != nullptr) return fields_.ReadCategory(text, column);
    if (fields_.IsMissing(text)) return kMissing;
    const std::vector<ValueColumn>& columns = fields_.columns();
    const auto i = static_cast<std::size_t>(&column - columns.data());
    if (out->texts.size() < columns.size()) out->texts.resize(columns.size());
    ++out->texts[i][absl::string_view(text.data(), text.size())];
    return kMissing;
  }

  const features::Plan plan_;
  const FieldValues fields_;
  const LabelReading labels_;
  TextLayout layout_;
  std::uint32_t field_count_ = 0;
};

}  // namespace

bool RowSample::Takes(std::uint32_t file, std::uint64_t offset) const {
  if (halvings == 0) return true;
  return Mix64(Mix64(seed + file) ^ offset) >> (64 - halvings) == 0;
}

absl::StatusOr<std::vector<ValueColumn>> ColumnsOfPlan(const features::Plan& plan) {
  std::vector<ValueColumn> columns;
  std::vector<int> known(static_cast<std::size_t>(plan.column_size()), -1);
  for (const features::Feature& feature : plan.feature()) {
    if (feature.op() == features::Feature::CROSS) {
      return absl::InvalidArgumentError(
          "features: trees find crosses themselves; remove op: cross");
    }
    int& at = known[feature.column()];
    if (at < 0) {
      at = static_cast<int>(columns.size());
      columns.push_back({feature.column(), ColumnKind::kCategory,
                         plan.column(static_cast<int>(feature.column())).name(), false, nullptr, false, nullptr});
    }
    if (feature.op() == features::Feature::HASH) continue;
    ValueColumn& column = columns[static_cast<std::size_t>(at)];
    column.kind = ColumnKind::kNumber;
    column.text_is_missing = feature.text_is_value();
  }
  if (columns.empty())
    return absl::InvalidArgumentError("features: no column is left to grow trees on");
  std::sort(columns.begin(), columns.end(),
            [](const ValueColumn& a, const ValueColumn& b) { return a.source < b.source; });
  return columns;
}

std::unique_ptr<ValueParser> MakeTableValues(const features::Plan& plan,
                                             std::vector<ValueColumn> columns, LabelReading labels) {
  return std::make_unique<TableValues>(plan, std::move(columns), labels);
}

}  // namespace ps
