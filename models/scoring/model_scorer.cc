#include "models/scoring/model_scorer.h"

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/bundle/manifest.h"
#include "models/features/header_check.h"
#include "models/gbdt/bundle_trees.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::Status ReadPlan(const Bundle& bundle, const char* name, features::Plan* plan) {
  PS_ASSIGN_OR_RETURN(const std::string text, bundle.ReadFile(name));
  if (plan->ParseFromString(text)) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat(bundle.dir(), "/", name, " cannot be read"));
}

}  // namespace

absl::StatusOr<std::unique_ptr<ModelScorer>> ModelScorer::FromBundle(std::unique_ptr<const Bundle> bundle) {
  std::unique_ptr<ModelScorer> model(new ModelScorer);
  if (bundle->info().model_type == "gbdt") {
    PS_ASSIGN_OR_RETURN(model->trees_, TreeScorer::FromBundle(std::move(bundle)));
    const TreeModel& trees = model->trees_->model();
    model->numbers_ = trees.objective == Objective::kSquared;
    model->classes_ = trees.classes;
    if (model->trees_->base() != nullptr)
      PS_RETURN_IF_ERROR(ReadPlan(model->bundle(), kBaseExtractorName, &model->base_plan_));
  } else {
    PS_ASSIGN_OR_RETURN(model->weights_, Scorer::FromBundle(std::move(bundle)));
  }
  PS_RETURN_IF_ERROR(ReadPlan(model->bundle(), kExtractorName, &model->plan_));
  if (model->base_plan_.column_size() > model->plan_.column_size()) {
    return absl::FailedPreconditionError(
        absl::StrCat(model->bundle().dir(), ": the linear model beneath the trees has columns that they do not have"));
  }
  return model;
}

const Bundle& ModelScorer::bundle() const {
  return trees_ != nullptr ? trees_->bundle() : *weights_->bundle();
}

std::vector<std::uint32_t> ModelScorer::FeatureColumns() const {
  std::set<std::uint32_t> read;
  for (const features::Plan* plan : {&plan_, &base_plan_}) {
    std::set<std::uint32_t> of_plan = ColumnsRead(*plan);
    of_plan.erase(plan->label_column());
    if (plan->weighted()) of_plan.erase(plan->weight_column());
    read.merge(of_plan);
  }
  // Trees of another tool may have columns that the plan makes nothing of.
  if (trees_ != nullptr && plan_.column_size() > 0) {
    for (const TreeColumn& column : trees_->model().columns) read.insert(column.source);
  }
  return {read.begin(), read.end()};
}

std::vector<std::uint32_t> ModelScorer::TextColumns() const {
  std::set<std::uint32_t> texts;
  const auto add_trees = [&](const TreeModel& trees) {
    for (const TreeColumn& column : trees.columns) {
      if (column.kind == ColumnKind::kCategory || column.target != nullptr) texts.insert(column.source);
    }
  };
  for (const features::Plan* plan : {&plan_, &base_plan_}) {
    if (plan->column_size() == 0) continue;
    for (const features::Feature& feature : plan->feature()) {
      if (feature.op() == features::Feature::HASH) texts.insert(feature.column());
      for (const features::Feature& member : feature.member()) {
        if (member.op() == features::Feature::HASH) texts.insert(member.column());
      }
    }
    if (plan->trees().empty()) continue;
    if (const absl::StatusOr<TreeModel> trees = TreeModel::Parse(plan->trees()); trees.ok()) add_trees(*trees);
  }
  if (trees_ != nullptr && plan_.column_size() > 0) add_trees(trees_->model());
  return {texts.begin(), texts.end()};
}

void ModelScorer::ScoreText(std::string_view text, TextOrigin origin, RowBlock* rows,
                            std::vector<float>* margins) const {
  if (trees_ != nullptr) return trees_->ScoreText(text, origin, rows, margins);
  weights_->parser()->Parse(text, origin, rows);
  weights_->Score(*rows, margins);
}

}  // namespace ps
