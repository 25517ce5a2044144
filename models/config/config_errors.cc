#include "models/config/config_errors.h"

#include <algorithm>
#include <tuple>

#include "absl/strings/str_cat.h"

namespace ps {

void ConfigErrors::Add(Place place, std::string message) {
  errors_.push_back({place, std::move(message)});
}

absl::Status ConfigErrors::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  std::vector<Error> sorted = errors_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Error& a, const Error& b) {
    return std::tie(a.place.override_index, a.place.line) <
           std::tie(b.place.override_index, b.place.line);
  });
  std::string text;
  if (sorted.size() > 1) text = absl::StrCat(sorted.size(), " errors in ", file_name_, ":");
  for (const Error& error : sorted) {
    if (!text.empty()) text += "\n  ";
    if (error.place.override_index >= 0) {
      absl::StrAppend(&text, "--set ", overrides_[error.place.override_index], ": ");
    } else if (error.place.line > 0) {
      absl::StrAppend(&text, file_name_, ":", error.place.line, ": ");
    } else {
      absl::StrAppend(&text, file_name_, ": ");
    }
    text += error.message;
  }
  return absl::InvalidArgumentError(text);
}

}  // namespace ps
