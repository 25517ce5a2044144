#include "models/config/tuned_job.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/config/load.h"
#include "models/config/yaml_tree.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

void RemoveEntry(const std::string& key, YamlNode* map) {
  if (map == nullptr) return;
  std::erase_if(map->entries, [&](const YamlEntry& entry) { return entry.key == key; });
}

}  // namespace

absl::StatusOr<std::string> TunedTreesYaml(const std::string& job_yaml, const GbdtConfig& gbdt) {
  PS_ASSIGN_OR_RETURN(YamlNode root, ParseYaml(job_yaml, "job.yaml"));
  RemoveEntry("tune", &root);
  RemoveEntry("early_stopping", root.Find("train"));
  if (const YamlNode* train = root.Find("train"); train != nullptr && train->entries.empty()) {
    RemoveEntry("train", &root);
  }
  Overrides settings;
  const auto set = [&](const char* key, const auto& value) {
    settings.push_back(absl::StrCat("model.gbdt.", key, "=", value));
  };
  set("trees", gbdt.trees);
  set("learning_rate", gbdt.learning_rate);
  set("max_leaves", gbdt.max_leaves);
  set("max_depth", gbdt.max_depth == 0 ? "none" : absl::StrCat(gbdt.max_depth));
  set("min_hessian", gbdt.min_hessian);
  set("l1", gbdt.l1);
  set("l2", gbdt.l2);
  set("row_sample", gbdt.row_sample);
  set("column_sample", gbdt.column_sample);
  return EffectiveYaml(WriteYaml(root), "job.yaml", settings);
}

absl::StatusOr<std::string> TunedLrYaml(const std::string& job_yaml, const std::string& optimizer_yaml,
                                        std::optional<int> passes) {
  PS_ASSIGN_OR_RETURN(YamlNode root, ParseYaml(job_yaml, "job.yaml"));
  RemoveEntry("tune", root.Find("model"));
  RemoveEntry("tune_all_rows", root.Find("model"));
  // A device learns in batches; what is solved is solved by the processor.
  if (absl::StrContains(optimizer_yaml, "newton_cg")) RemoveEntry("device", &root);
  Overrides settings = {absl::StrCat("model.optimizer=", optimizer_yaml)};
  if (passes) {
    YamlNode& data = *root.Find("data");
    std::vector<std::string> files;
    for (const char* part : {"train", "valid"}) {
      const YamlNode* const section = data.Find(part);
      const YamlNode* const names = section == nullptr ? nullptr : section->Find("files");
      if (names != nullptr && names->kind == YamlNode::Kind::kScalar) files.push_back(WriteScalar(*names));
      for (std::size_t i = 0; names != nullptr && i < names->items.size(); ++i) files.push_back(WriteScalar(names->items[i]));
    }
    RemoveEntry("valid", &data);
    RemoveEntry("valid", data.Find("split"));
    RemoveEntry("early_stopping", root.Find("train"));
    settings.push_back(absl::StrCat("train.passes=", *passes));
    settings.push_back(absl::StrCat("data.train.files=[", absl::StrJoin(files, ", "), "]"));
  }
  return EffectiveYaml(WriteYaml(root), "job.yaml", settings);
}

}  // namespace ps
