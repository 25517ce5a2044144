#include "models/gbdt/class_names.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "models/features/number.h"

namespace ps {

std::vector<std::string> OrderClasses(const TextCounts& found) {
  std::vector<std::pair<double, std::string>> order;
  bool numbers = true;
  for (const auto& [text, count] : found) {
    double number = 0;
    numbers &= ParseNumber(text, &number) && std::isfinite(number);
    order.emplace_back(number, text);
  }
  std::sort(order.begin(), order.end(), [&](const auto& a, const auto& b) {
    return numbers && a.first != b.first ? a.first < b.first : a.second < b.second;
  });
  std::vector<std::string> names;
  for (auto& [number, text] : order) names.push_back(std::move(text));
  return names;
}

std::vector<std::string> NumberedClasses(std::size_t count) {
  std::vector<std::string> names;
  for (std::size_t c = 0; c < count; ++c) names.push_back(absl::StrCat(c));
  return names;
}

ClassNumbers NumberClasses(const std::vector<std::string>& names) {
  ClassNumbers numbers;
  for (std::size_t i = 0; i < names.size(); ++i) numbers.emplace(names[i], static_cast<std::uint32_t>(i));
  return numbers;
}

absl::Status CheckClasses(const TextCounts& found) {
  if (found.empty()) return absl::InvalidArgumentError("data.train: there are no rows to learn from");
  if (found.size() == 1) {
    return absl::InvalidArgumentError(absl::StrCat("data.train: all rows have the label '", found.begin()->first,
                                                   "'; softmax needs two classes or more. Is data.label.column right?"));
  }
  if (found.size() > kMostClasses) {
    return absl::InvalidArgumentError(
        absl::StrCat("data.train: more than ", kMostClasses,
                     " different labels: too many to be classes. Is data.label.column right? For numbers set "
                     "model.gbdt.objective: squared"));
  }
  return absl::OkStatus();
}

bool ClassOfNumber(float label, std::string* name) {
  constexpr float kMost = 1 << 24;  // beyond it not every whole number is a float
  if (!(std::fabs(label) <= kMost) || label != std::floor(label)) return false;
  *name = absl::StrCat(static_cast<std::int64_t>(label));
  return true;
}

std::string NoClass(std::string_view label) {
  return absl::StrCat("the label '", std::string(label.substr(0, 40)), "' is none of the classes that are learnt");
}

std::string DescribeClasses(const std::vector<std::string>& names) {
  constexpr std::size_t kShown = 10;
  std::string text = absl::StrCat(names.size(), ": ");
  for (std::size_t i = 0; i < std::min(names.size(), kShown); ++i) absl::StrAppend(&text, i == 0 ? "" : ", ", names[i]);
  return names.size() > kShown ? text + ", ..." : text;
}

}  // namespace ps
