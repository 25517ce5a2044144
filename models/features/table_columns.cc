#include "models/features/table_columns.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "models/features/header_check.h"
#include "models/features/header_hint.h"

namespace ps {

bool TableColumns::IsNumeric(std::size_t column) const {
  if (data.format == DataFormat::kCriteo) return column >= 1 && column <= 13;
  const ColumnSample& of = sample.column[column];
  const auto numbers = static_cast<double>(of.numbers.size());
  return numbers >= kNumericShare * (numbers + static_cast<double>(of.texts)) &&
         of.distinct > kNumericDistinct;
}

absl::StatusOr<std::uint32_t> TableColumns::Resolve(const ColumnRef& ref, const std::string& path) const {
  if (!ref.name.empty()) {
    const auto found = std::find(names.begin(), names.end(), ref.name);
    if (found != names.end()) return static_cast<std::uint32_t>(found - names.begin());
    return absl::InvalidArgumentError(absl::StrCat(path, ": no column \"", ref.name, "\"; the columns are ",
                                                   ListNames(names), HeaderAdvice(data, names)));
  }
  if (ref.index < 0 || static_cast<std::size_t>(ref.index) >= names.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": column ", ref.index, " of ", names.size(), " (columns count from 0)"));
  }
  return static_cast<std::uint32_t>(ref.index);
}

}  // namespace ps
