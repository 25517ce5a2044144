#include "models/features/header_check.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <set>
#include <unordered_set>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/features/plan.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kShown = 50;  // of columns

std::vector<std::string> NamesOf(const features::Plan& plan) {
  std::vector<std::string> names;
  for (const features::Column& column : plan.column()) names.push_back(column.name());
  return names;
}

// Of a header that lacks some of `read`, columns of `wanted`, where it should have them.
std::string Problem(const std::vector<std::string>& wanted, const std::vector<std::string>& has,
                    const std::set<std::uint32_t>& read) {
  const std::unordered_set<std::string> names(has.begin(), has.end());
  std::vector<std::string> lacking;
  for (const std::uint32_t column : read) {
    if (names.count(wanted[column]) == 0) lacking.push_back(wanted[column]);
  }
  if (!lacking.empty() && lacking.size() == read.size()) {
    return absl::StrCat("the first line is no header of the training data's columns, which were ", ListNames(wanted),
                        "; it has ", ListNames(has));
  }
  if (!lacking.empty()) {
    return absl::StrCat("the header has no column ", ListNames(lacking), ", which the training data had; it has ",
                        ListNames(has));
  }
  if (has.size() != wanted.size()) {
    return absl::StrCat("the header has ", has.size(), " columns, the training data had ", wanted.size(), ": ", ListNames(wanted),
                        "; it has ", ListNames(has));
  }
  return absl::StrCat("the header has other columns than the training data, or in another order: those had ",
                      ListNames(wanted), "; it has ", ListNames(has));
}

bool SplitNames(std::string_view line, const TextLayout& layout, std::vector<std::string>* names) {
  SplitRow split;
  if (!split.Split(line, layout)) return false;
  for (std::size_t i = 0; i < split.fields(); ++i) names->emplace_back(split.field(i));
  return true;
}

std::set<std::uint32_t> AllColumns(const features::Plan& plan) {
  std::set<std::uint32_t> all;
  for (int i = 0; i < plan.column_size(); ++i) all.insert(static_cast<std::uint32_t>(i));
  return all;
}

// Names of columns that nothing reads may be others.
bool Fits(const std::vector<std::string>& wanted, const std::vector<std::string>& has,
          const std::set<std::uint32_t>& read) {
  return has.size() == wanted.size() &&
         std::all_of(read.begin(), read.end(), [&](std::uint32_t column) { return has[column] == wanted[column]; });
}

// The names in a file's first line: none of an empty file, nullopt where the line is malformed.
absl::StatusOr<std::optional<std::vector<std::string>>> ReadHeader(std::uint32_t file, const TextLayout& layout,
                                                                   RangeReader* reader) {
  std::string text;
  std::uint64_t offset = 0;
  PS_RETURN_IF_ERROR(reader->Read({file, 0, 1}, &text, &offset));
  std::vector<std::string> names;
  if (text.empty()) return names;
  std::string_view line = text;
  if (line.substr(0, 3) == "\xef\xbb\xbf") line.remove_prefix(3);
  while (!line.empty() && (line.back() == '\n' || line.back() == '\r')) line.remove_suffix(1);
  if (!SplitNames(line, layout, &names)) return std::nullopt;
  return names;
}

}  // namespace

TextLayout LayoutOf(const features::Plan& plan) {
  const DataFormat format = FormatOfName(plan.format()).value();
  return {DelimiterOf(format), plan.quote().empty() ? '\0' : plan.quote()[0], format == DataFormat::kCsv};
}

std::string ListNames(const std::vector<std::string>& names) {
  const std::size_t shown = std::min(kShown, names.size());
  std::vector<std::string> first;
  for (std::size_t i = 0; i < shown; ++i) first.push_back(absl::Utf8SafeCEscape(names[i]));
  return absl::StrCat(absl::StrJoin(first, ", "), names.size() > shown ? ", ..." : "");
}

std::set<std::uint32_t> ColumnsRead(const features::Plan& plan) {
  if (plan.column_size() == 0) return {};
  if (!plan.trees().empty()) return AllColumns(plan);
  std::set<std::uint32_t> read = {plan.label_column()};
  if (plan.weighted()) read.insert(plan.weight_column());
  for (const features::Feature& feature : plan.feature()) {
    if (feature.op() != features::Feature::CROSS) read.insert(feature.column());
    for (const features::Feature& member : feature.member()) read.insert(member.column());
  }
  return read;
}

std::string HeaderProblem(const features::Plan& plan, std::string_view line, const TextLayout& layout) {
  const std::vector<std::string> wanted = NamesOf(plan);
  std::vector<std::string> has;
  if (!SplitNames(line, layout, &has)) return "the header is malformed";
  const std::set<std::uint32_t> read = ColumnsRead(plan);
  return Fits(wanted, has, read) ? "" : Problem(wanted, has, read);
}

absl::Status CheckHeaders(const features::Plan& plan, const DataFiles& files) {
  // A plan of no rows came with a model of another tool, and its names may be numbers of columns.
  if (!plan.header() || plan.sample_rows() == 0) return absl::OkStatus();
  const std::vector<std::string> wanted = NamesOf(plan);
  const TextLayout layout = LayoutOf(plan);
  const std::set<std::uint32_t> read = ColumnsRead(plan);
  const auto reader = RangeReader::Create(files);
  for (std::uint32_t file = 0; file < files.files().size(); ++file) {
    PS_ASSIGN_OR_RETURN(const std::optional<std::vector<std::string>> has, ReadHeader(file, layout, reader.get()));
    if (!has || has->empty()) continue;  // a bad row like others, and no row
    if (Fits(wanted, *has, read)) continue;
    return absl::InvalidArgumentError(absl::StrCat(files.files()[file].path, ": ", Problem(wanted, *has, read)));
  }
  return absl::OkStatus();
}

}  // namespace ps
