#include "models/gbdt/field_values.h"

#include <algorithm>
#include <limits>
#include <string>
#include <utility>

#include "models/data/float_text.h"
#include "models/features/number.h"

namespace ps {
namespace {

constexpr float kMissing = std::numeric_limits<float>::quiet_NaN();

}  // namespace

std::string_view FieldOf(const RowText& row, std::uint32_t column, bool trim) {
  std::string_view field = row.field(column);
  while (trim && !field.empty() && field.front() == ' ') field.remove_prefix(1);
  while (trim && !field.empty() && field.back() == ' ') field.remove_suffix(1);
  return field;
}

FieldValues::FieldValues(const features::Plan& plan, std::vector<ValueColumn> columns)
    : missing_(plan.missing().begin(), plan.missing().end()), columns_(std::move(columns)) {
  for (const std::string& text : missing_) {
    double number;
    missing_is_number_ |= ParseNumber(text, &number);
  }
}

bool FieldValues::IsMissing(std::string_view text) const {
  return std::find(missing_.begin(), missing_.end(), text) != missing_.end();
}

bool FieldValues::IsOddText(std::string_view text) const {
  return !text.empty() && !IsMissing(text) && text != "nan" && text != "NaN" && text != "NAN";
}

bool FieldValues::ReadNumber(std::string_view text, const ValueColumn& column, bool inside,
                             float* value) const {
  *value = kMissing;
  if (text.empty()) return true;
  if (missing_is_number_ && IsMissing(text)) return true;
  const char* const end = text.data() + text.size();
  const ParsedFloat parsed =
      inside ? ParseFloatInside(text.data(), end) : ParseFloat(text.data(), end);
  if (parsed.result == FloatText::kOk && parsed.end == end) [[likely]] {
    *value = parsed.value;
    return true;
  }
  if (!IsOddText(text)) return true;
  return column.text_is_missing && parsed.result == FloatText::kNotANumber;
}

float FieldValues::ReadCategory(std::string_view text, const ValueColumn& column) const {
  if (IsMissing(text)) return kMissing;
  const auto found = column.bins->find(absl::string_view(text.data(), text.size()));
  return found == column.bins->end() ? kMissing : static_cast<float>(found->second);
}

bool FieldValues::ReadRow(const RowText& row, bool trim, bool inside, float* values,
                          std::uint32_t* bad_column) const {
  for (const ValueColumn& column : columns_) {
    const std::string_view text = FieldOf(row, column.source, trim);
    if (column.by_target) {
      *values++ = column.target->Mean(ReadTargetKey(text));
    } else if (column.kind == ColumnKind::kCategory) {
      *values++ = ReadCategory(text, column);
    } else if (!ReadNumber(text, column, inside, values++)) {
      *bad_column = column.source;
      return false;
    }
  }
  return true;
}

}  // namespace ps
