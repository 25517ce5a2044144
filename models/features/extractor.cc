#include "models/features/extractor.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/data/libsvm_parser.h"
#include "models/data/vw_parser.h"
#include "models/features/plan.h"
#include "models/features/plan_compiler.h"
#include "models/features/table_parser.h"
#include "models/gbdt/leaf_keys.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

class PlanExtractor final : public Extractor {
 public:
  PlanExtractor(features::Plan plan, std::optional<TreeModel> trees)
      : plan_(std::move(plan)), trees_(std::move(trees)) {}

  std::string Serialize() const override { return plan_.SerializeAsString(); }

  std::string Describe() const override {
    std::string text = DescribePlan(plan_);
    if (!trees_) return text;
    std::size_t leaves = 0;
    for (const Tree& tree : trees_->trees) leaves += tree.leaf_value.size();
    absl::StrAppend(&text, "  ", leaves, " leaves of ", trees_->trees.size(), " trees",
                    plan_.without_indices() ? ", in place of indices" : "", "\n");
    return text;
  }

  std::unique_ptr<RowParser> MakeParser() const override {
    if (trees_) return MakeLeafParser(plan_, *trees_);
    if (plan_.format() == "libsvm") return std::make_unique<LibsvmParser>(plan_.index_base());
    if (plan_.format() == "vw") return std::make_unique<VwParser>();
    return MakeTableParser(plan_);
  }
  std::unique_ptr<KeyGroups> MakeKeyGroups() const override { return KeyGroups::Of(plan_); }

 private:
  const features::Plan plan_;
  const std::optional<TreeModel> trees_;
};

absl::StatusOr<std::unique_ptr<Extractor>> MakeExtractor(features::Plan plan) {
  std::optional<TreeModel> trees;
  if (!plan.trees().empty()) {
    PS_ASSIGN_OR_RETURN(trees, TreesOfPlan(plan));
  }
  return std::make_unique<PlanExtractor>(std::move(plan), std::move(trees));
}

}  // namespace

absl::StatusOr<std::unique_ptr<Extractor>> Extractor::Compile(const JobConfig& config,
                                                              const DataFiles& train) {
  PS_ASSIGN_OR_RETURN(features::Plan plan, CompilePlan(config, train));
  for (std::size_t i = 0; i < config.features.size(); ++i) {
    if (config.features[i].op != FeatureOp::kTreeLeaves) continue;
    PS_RETURN_IF_ERROR(AddTrees(config.features[i].model,
                                absl::StrCat("features[", i, "].model"), &plan));
  }
  return MakeExtractor(std::move(plan));
}

absl::StatusOr<std::unique_ptr<Extractor>> Extractor::CompileAs(const std::string& start, const JobConfig& config,
                                                                const DataFiles& train) {
  features::Plan plan;
  if (!plan.ParseFromString(start)) {
    return absl::InvalidArgumentError("malformed extractor plan: not a plan at all");
  }
  PS_RETURN_IF_ERROR(ValidatePlan(plan));
  PS_ASSIGN_OR_RETURN(features::Plan here, CompilePlanAs(plan, config, train));
  return MakeExtractor(std::move(here));
}

absl::StatusOr<std::unique_ptr<Extractor>> Extractor::Parse(const std::string& serialized) {
  features::Plan plan;
  if (!plan.ParseFromString(serialized)) {
    return absl::InvalidArgumentError("malformed extractor plan: not a plan at all");
  }
  PS_RETURN_IF_ERROR(ValidatePlan(plan));
  return MakeExtractor(std::move(plan));
}

}  // namespace ps
