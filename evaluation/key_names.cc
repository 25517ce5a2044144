#include "evaluation/key_names.h"

#include "absl/strings/str_cat.h"
#include "models/features/extractor.pb.h"
#include "models/gbdt/leaf_keys.h"

namespace ps {

KeyNames::KeyNames(const Bundle& bundle, const std::string& extractor) {
  const absl::StatusOr<std::string> serialized = bundle.ReadFile(extractor);
  features::Plan plan;
  if (!serialized.ok() || !plan.ParseFromString(*serialized)) return;
  indices_ = plan.format() == "libsvm";
  if (indices_) title_ = "index";
  if (plan.trees().empty()) return;
  const absl::StatusOr<TreeModel> trees = TreesOfPlan(plan);
  if (!trees.ok()) return;
  leaves_ = LeafNames(*trees);
  title_ = indices_ ? "feature" : "leaf";
}

std::string KeyNames::NameOf(Key key) const {
  if (const auto leaf = leaves_.find(key); leaf != leaves_.end()) return leaf->second;
  return indices_ ? absl::StrCat(UnmixKey64(key)) : "";
}

}  // namespace ps
