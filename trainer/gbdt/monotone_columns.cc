#include "trainer/gbdt/monotone_columns.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// By name or position of a table; by index, as the file has it, of libsvm text.
bool IsColumn(const ColumnRef& wanted, const BinPlan& bins, std::size_t c) {
  const ValueColumn& source = bins.sources[c];
  if (wanted.index < 0) return source.name == wanted.name;
  return bins.libsvm ? source.name == absl::StrCat(wanted.index)
                     : source.source == static_cast<std::uint32_t>(wanted.index);
}

std::string KnownColumns(const BinPlan& bins) {
  constexpr std::size_t kMostNamed = 20;
  std::vector<std::string> names;
  for (std::size_t c = 0; c < std::min(kMostNamed, bins.sources.size()); ++c)
    names.push_back(bins.sources[c].name);
  return absl::StrCat(absl::StrJoin(names, ", "), bins.sources.size() > kMostNamed ? ", ..." : "");
}

absl::Status SetDirection(const std::vector<ColumnRef>& wanted, Direction direction,
                          const char* key, BinPlan* bins) {
  for (const ColumnRef& column : wanted) {
    const std::string shown = column.index < 0 ? column.name : absl::StrCat(column.index);
    std::size_t c = 0;
    while (c < bins->sources.size() && !IsColumn(column, *bins, c)) ++c;
    if (c == bins->sources.size()) {
      return absl::InvalidArgumentError(absl::StrCat("model.gbdt.monotone.", key,
                                                     ": trees have no column ", shown,
                                                     "; they have ", KnownColumns(*bins)));
    }
    BinColumn& found = bins->columns[c];
    if (found.kind == ColumnKind::kCategory) {
      return absl::InvalidArgumentError(absl::StrCat(
          "model.gbdt.monotone.", key, ": column ", shown,
          " has categories, which have no order; if they are numbers, declare it in features with "
          "op: numeric"));
    }
    if (found.direction != Direction::kFree && found.direction != direction) {
      return absl::InvalidArgumentError(absl::StrCat("model.gbdt.monotone: column ", shown,
                                                     " is to be both increasing and decreasing"));
    }
    found.direction = direction;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status SetDirections(const GbdtConfig& config, BinPlan* bins) {
  PS_RETURN_IF_ERROR(SetDirection(config.increasing, Direction::kIncreasing, "increasing", bins));
  return SetDirection(config.decreasing, Direction::kDecreasing, "decreasing", bins);
}

}  // namespace ps
