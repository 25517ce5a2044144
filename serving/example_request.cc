#include "serving/example_request.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "models/bundle/manifest.h"
#include "models/gbdt/json_value.h"

namespace ps {
namespace {

constexpr int kMostColumns = 5;  // what is not named is missing, so any number will do

std::string ExampleInstance(const ServedModel& model) {
  if (model.format() == RowFormat::kVowpalWabbit) return "\"| a b\"";
  if (model.format() == RowFormat::kLibsvm) return "{\"1\": 1, \"2\": 0.5}";
  const TableLayout& table = *model.rows().table();
  std::string cells;
  int columns = 0;
  for (const std::uint32_t column : model.scorer().FeatureColumns()) {
    if (columns == kMostColumns) break;
    const std::string& name = table.names()[column];
    if (!IsUtf8(name)) continue;
    absl::StrAppend(&cells, columns++ > 0 ? ", " : "", JsonString(name), model.IsNumeric(column) ? ": 1" : ": \"a\"");
  }
  return absl::StrCat("{", cells, "}");
}

}  // namespace

std::string ExampleBody(const ServedModel& model) {
  return absl::StrCat("{\"instances\": [", ExampleInstance(model), "]}");
}

std::string ExampleCommand(const ServedModel& model, const std::string& url, const std::string& name) {
  return absl::StrCat("curl -s ", url, "/v1/models/", name, ":predict -d '",
                      absl::StrReplaceAll(ExampleBody(model), {{"'", "'\\''"}}), "'");
}

}  // namespace ps
