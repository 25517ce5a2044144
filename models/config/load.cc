#include "models/config/load.h"

#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/config/checks.h"
#include "models/config/config_errors.h"
#include "models/config/overrides.h"
#include "models/config/schema.h"
#include "models/config/value_reader.h"
#include "models/config/yaml_tree.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// The path of a key in the schema and as a person sees it; they differ inside lists.
struct KeyPath {
  std::string schema;  // "features[].op"
  std::string shown;   // "features[2].op"

  KeyPath Below(const std::string& key) const {
    if (schema.empty()) return {key, key};
    return {absl::StrCat(schema, ".", key), absl::StrCat(shown, ".", key)};
  }
};

// Walks the tree beside the schema, sets what it finds in the config and notes what is wrong.
class JobReader {
 public:
  explicit JobReader(ConfigErrors* errors) : errors_(errors) {}

  void ReadSection(const YamlNode& node, const KeyPath& path) {
    if (node.kind == YamlNode::Kind::kNull) return;  // "train:" with nothing below it
    if (node.kind != YamlNode::Kind::kMap) {
      errors_->Add(node.place, absl::StrCat(path.shown.empty() ? "the job" : path.shown,
                                            ": expected a section of keys and values"));
      return;
    }
    std::map<std::string, Place> seen;
    for (const YamlEntry& entry : node.entries) {
      const KeyPath key = path.Below(entry.key);
      const auto [first, is_new] = seen.emplace(entry.key, entry.place);
      if (!is_new) {
        errors_->Add(entry.place, absl::StrCat("duplicate key ", key.shown, ", first on line ",
                                               first->second.line));
        continue;
      }
      ReadEntry(entry, key);
    }
  }

  JobConfig TakeConfig() { return std::move(config_); }
  const JobConfig& config() const { return config_; }
  const GivenKeys& given() const { return given_; }
  const std::set<const YamlNode*>& defaults() const { return defaults_; }

 private:
  // The line of the key, unless an override replaced what stands there.
  static Place PlaceOf(const YamlEntry& entry) {
    return entry.value.place.override_index >= 0 ? entry.value.place : entry.place;
  }

  void ReadEntry(const YamlEntry& entry, const KeyPath& key) {
    if (const LaterKey* later = FindLaterKey(key.schema)) {
      errors_->Add(entry.place,
                   absl::StrCat(key.shown, ": not available in this version; ", later->instead));
      return;
    }
    given_.emplace(key.shown, PlaceOf(entry));
    const SchemaRow* row = FindSchemaRow(key.schema);
    if (row != nullptr) ReadLeaf(*row, entry.value, key);
    if (IsSchemaSection(key.schema)) {
      ReadSection(entry.value, key);
    } else if (IsSchemaSection(key.schema + "[]")) {
      ReadList(entry.value, key);
    } else if (row == nullptr) {
      AddUnknown(entry, key);
    }
  }

  void ReadLeaf(const SchemaRow& row, const YamlNode& node, const KeyPath& key) {
    Value value;
    if (!ReadValue(row, node, key.shown, errors_, &value)) return;
    row.set(&config_, value);
    Value standard;
    if (ReadDefault(row, &standard) && standard == value) defaults_.insert(&node);
  }

  void ReadList(const YamlNode& node, const KeyPath& path) {
    if (node.kind != YamlNode::Kind::kSequence) {
      errors_->Add(node.place, absl::StrCat(path.shown, ": expected a list of sections"));
      return;
    }
    for (std::size_t i = 0; i < node.items.size(); ++i) {
      const KeyPath item{path.schema + "[]", absl::StrCat(path.shown, "[", i, "]")};
      given_.emplace(item.shown, node.items[i].place);
      config_.features.emplace_back();  // features is the one list of sections
      ReadSection(node.items[i], item);
    }
  }

  void AddUnknown(const YamlEntry& entry, const KeyPath& key) {
    constexpr std::size_t kLongest = 100;
    std::string message = absl::StrCat("unknown key ", key.shown.substr(0, kLongest));
    const std::string nearest = NearestKey(key.schema);
    if (!nearest.empty()) absl::StrAppend(&message, ", did you mean ", nearest, "?");
    errors_->Add(entry.place, message);
  }

  ConfigErrors* const errors_;
  JobConfig config_;
  GivenKeys given_;
  std::set<const YamlNode*> defaults_;  // nodes that only repeat the default
};

// A copy without nodes that repeat defaults and without the sections that this empties.
YamlNode WithoutDefaults(const YamlNode& node, const std::string& path,
                         const std::set<const YamlNode*>& defaults) {
  YamlNode kept = node;
  kept.items.clear();
  kept.entries.clear();
  for (const YamlNode& item : node.items) {
    kept.items.push_back(WithoutDefaults(item, path + "[]", defaults));
  }
  for (const YamlEntry& entry : node.entries) {
    const std::string below = path.empty() ? entry.key : absl::StrCat(path, ".", entry.key);
    const SchemaRow* row = FindSchemaRow(below);
    if (row != nullptr && row->type != ValueType::kSection) {
      if (!defaults.contains(&entry.value)) kept.entries.push_back(entry);
      continue;
    }
    YamlNode value = WithoutDefaults(entry.value, below, defaults);
    if (row != nullptr) value.kind = YamlNode::Kind::kMap;  // its presence means something
    const bool empty = value.items.empty() && value.entries.empty();
    if (!empty || row != nullptr) kept.entries.push_back({entry.key, entry.place, value});
  }
  return kept;
}

}  // namespace

absl::StatusOr<LoadedJob> ParseJob(const std::string& yaml_text,
                                   const std::string& file_name_for_errors,
                                   const Overrides& overrides) {
  PS_ASSIGN_OR_RETURN(YamlNode root, ParseYaml(yaml_text, file_name_for_errors));
  ConfigErrors errors(file_name_for_errors, overrides);
  HoistPartFormats(&root, &errors);
  ApplyOverrides(overrides, &root, &errors);
  HoistPartFormats(&root, &errors);
  JobReader reader(&errors);
  reader.ReadSection(root, {});
  // Contradictions are shown only between values that were understood.
  if (errors.empty()) CheckJob(reader.config(), reader.given(), &errors);
  PS_RETURN_IF_ERROR(errors.ToStatus());
  LoadedJob job;
  job.effective_yaml = WriteYaml(WithoutDefaults(root, "", reader.defaults()));
  job.config = reader.TakeConfig();
  return job;
}

absl::StatusOr<LoadedJob> LoadJob(const std::string& path, const Overrides& overrides) {
  PS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  return ParseJob(text, path, overrides);
}

absl::StatusOr<JobConfig> ParseJobConfig(const std::string& yaml_text,
                                         const std::string& file_name_for_errors,
                                         const Overrides& overrides) {
  PS_ASSIGN_OR_RETURN(LoadedJob job, ParseJob(yaml_text, file_name_for_errors, overrides));
  return std::move(job.config);
}

absl::StatusOr<JobConfig> LoadJobConfig(const std::string& path, const Overrides& overrides) {
  PS_ASSIGN_OR_RETURN(LoadedJob job, LoadJob(path, overrides));
  return std::move(job.config);
}

absl::StatusOr<std::string> EffectiveYaml(const std::string& yaml_text,
                                          const std::string& file_name_for_errors,
                                          const Overrides& overrides) {
  PS_ASSIGN_OR_RETURN(LoadedJob job, ParseJob(yaml_text, file_name_for_errors, overrides));
  return std::move(job.effective_yaml);
}

}  // namespace ps
