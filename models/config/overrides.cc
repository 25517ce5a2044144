#include "models/config/overrides.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace ps {
namespace {

void SetPlace(Place place, YamlNode* node) {
  node->place = place;
  for (YamlNode& item : node->items) SetPlace(place, &item);
  for (YamlEntry& entry : node->entries) {
    entry.place = place;
    SetPlace(place, &entry.value);
  }
}

// The node at one step below *node, made when it is missing. nullptr: *node cannot have it.
YamlNode* StepInto(const std::string& word, Place place, YamlNode* node) {
  if (node->kind == YamlNode::Kind::kSequence) {
    std::size_t index;
    if (!absl::SimpleAtoi(word, &index) || index >= node->items.size()) return nullptr;
    return &node->items[index];
  }
  if (node->kind == YamlNode::Kind::kScalar) return nullptr;
  node->kind = YamlNode::Kind::kMap;
  if (YamlNode* found = node->Find(word)) return found;
  YamlNode value;
  value.place = place;
  node->entries.push_back({word, place, std::move(value)});
  return &node->entries.back().value;
}

// The steps of a path. What tune.search.vary has are keys of the job, dots and all: the rest of the path is one of them.
std::vector<std::string> WordsOf(const std::string& path) {
  constexpr absl::string_view kVary = "tune.search.vary.";
  if (!absl::StartsWith(path, kVary)) return absl::StrSplit(path, '.');
  return {"tune", "search", "vary", path.substr(kVary.size())};
}

void ApplyOverride(const std::string& text, Place place, YamlNode* root, ConfigErrors* errors) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    errors->Add(place, "expected key=value, as in train.passes=3");
    return;
  }
  absl::StatusOr<YamlNode> value = ParseYaml(text.substr(equals + 1), "value");
  if (!value.ok()) {
    errors->Add(place, absl::StrCat("not YAML: ", value.status().message()));
    return;
  }
  SetPlace(place, &*value);
  const std::vector<std::string> words = WordsOf(text.substr(0, equals));
  YamlNode* node = root;
  for (std::size_t i = 0; i < words.size(); ++i) {
    YamlNode* next = StepInto(words[i], place, node);
    if (next == nullptr) {
      const std::string above = absl::StrJoin(words.begin(), words.begin() + i, ".");
      errors->Add(place, node->kind == YamlNode::Kind::kSequence
                             ? absl::StrCat(above, ": a list of ", node->items.size(),
                                            ", has no item ", words[i], " (they count from 0)")
                             : absl::StrCat(above, ": has a value and no keys below it"));
      return;
    }
    node = next;
  }
  *node = *std::move(value);
}

// Moves the entry of that key out of the map; false when there is none.
bool Take(const std::string& key, YamlNode* map, YamlEntry* taken) {
  for (auto entry = map->entries.begin(); entry != map->entries.end(); ++entry) {
    if (entry->key != key) continue;
    *taken = std::move(*entry);
    map->entries.erase(entry);
    return true;
  }
  return false;
}

}  // namespace

void ApplyOverrides(const std::vector<std::string>& overrides, YamlNode* root,
                    ConfigErrors* errors) {
  for (std::size_t i = 0; i < overrides.size(); ++i) {
    ApplyOverride(overrides[i], {.override_index = static_cast<int>(i)}, root, errors);
  }
}

void HoistPartFormats(YamlNode* root, ConfigErrors* errors) {
  YamlNode* data = root->Find("data");
  if (data == nullptr || data->kind != YamlNode::Kind::kMap) return;
  for (const char* part_name : {"train", "valid", "test"}) {
    for (const char* key : {"format", "header", "index_base"}) {
      YamlNode* part = data->Find(part_name);
      YamlEntry own;
      if (part == nullptr || !Take(key, part, &own)) continue;
      YamlNode* shared = data->Find(key);
      if (shared == nullptr) {
        data->entries.push_back(std::move(own));  // may move the parts: looked up again each time
      } else if (shared->place.override_index != own.place.override_index) {
        if (own.place.override_index > shared->place.override_index) *shared = std::move(own.value);
      } else if (shared->kind != own.value.kind || shared->text != own.value.text) {
        errors->Add(own.place, absl::StrCat("data.", part_name, ".", key, ": differs from data.",
                                            key, "; in this version all parts have one format"));
      }
    }
  }
}

}  // namespace ps
