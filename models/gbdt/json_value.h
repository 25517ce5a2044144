// JSON as a tree of values, from text that nobody vouches for. Beside RFC 8259 it takes the bare
// words NaN, Infinity and -Infinity, which XGBoost writes. Any thread.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace ps {

struct JsonNode {
  enum class Kind { kNull, kFlag, kNumber, kText, kList, kObject };
  Kind kind = Kind::kNull;
  double number = 0;  // flags: 0 or 1
  std::string text;
  std::vector<JsonNode> items;
  std::map<std::string, JsonNode, std::less<>> members;

  // The member of an object; null when it is absent or this is no object.
  const JsonNode* Find(std::string_view name) const;
};

// InvalidArgument names the byte at which it stops being JSON, or is nested too deeply (64).
absl::StatusOr<JsonNode> ParseJson(std::string_view text);

bool IsUtf8(std::string_view text);

}  // namespace ps
