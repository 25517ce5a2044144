// How `ps_model inspect` and its like write numbers and lines, and what they say of a model.
#pragma once

#include <charconv>
#include <ostream>
#include <string>

#include "absl/strings/str_cat.h"
#include "evaluation/metrics_table.h"
#include "models/bundle/bundle.h"

namespace ps {

// "lr, 1,234 features, 20,000 rows learnt"; trees have no features of their own.
inline std::string DescribeLearnt(const BundleInfo& info) {
  const std::string features = info.model_type == "gbdt" ? "" : absl::StrCat(GroupedDigits(info.features), " features, ");
  return absl::StrCat(info.model_type, ", ", features, GroupedDigits(info.rows_learnt), " rows learnt");
}

// The fewest digits that read back as the number.
template <typename Number>
std::string Shortest(Number value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

// A name, and its value in a column.
inline void Line(std::ostream& out, const std::string& name, const std::string& value) {
  out << name << std::string(name.size() < 18 ? 18 - name.size() : 1, ' ') << value << '\n';
}

}  // namespace ps
