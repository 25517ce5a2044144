#include "models/features/odd_texts.h"

#include <cstdint>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "models/features/plan.h"
#include "models/features/table_sample.h"
#include "ps/base/status_macros.h"

namespace ps {

absl::StatusOr<std::vector<std::string>> DescribeOddTexts(const features::Plan& plan, const DataConfig& data,
                                                          const DataFiles& files) {
  std::vector<std::string> lines;
  if (!IsTable(data.format)) return lines;
  std::set<std::uint32_t> numbers;
  const auto add = [&numbers](const features::Feature& feature) {
    if (feature.text_is_value()) numbers.insert(feature.column());
  };
  for (const features::Feature& feature : plan.feature()) {
    add(feature);
    for (const features::Feature& member : feature.member()) add(member);
  }
  if (numbers.empty()) return lines;
  PS_ASSIGN_OR_RETURN(const TableSample sample, SampleTable(files, ShapeOf(data)));
  for (const std::uint32_t column : numbers) {
    if (column >= sample.column.size() || sample.column[column].texts == 0) continue;
    constexpr std::size_t kShown = 40;
    lines.push_back(absl::StrCat("column ", plan.column(static_cast<int>(column)).name(), ": ",
                                 sample.column[column].texts, " of ", sample.rows, sample.whole ? "" : " sampled",
                                 " rows have a text that is no number, as '",
                                 absl::Utf8SafeCEscape(sample.column[column].first_text.substr(0, kShown)), "'"));
  }
  return lines;
}

}  // namespace ps
