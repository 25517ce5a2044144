#include "trainer/gbdt/tree_bundle.h"

#include "absl/strings/str_cat.h"
#include "models/gbdt/bundle_trees.h"
#include "ps/base/status_macros.h"
#include "trainer/gbdt/start_trees.h"

namespace ps {
namespace {

// The weights of a base model become those of the bundle, its bias and offset the bundle's bias.
absl::Status WriteBase(const BaseModel& base, double offset, BundleWriter* writer,
                       BundleInfo* info) {
  const Bundle& bundle = *base.scorer().bundle();
  PS_RETURN_IF_ERROR(writer->AppendWeights(bundle.keys(), bundle.weights()));
  PS_RETURN_IF_ERROR(
      writer->AddFile(kBaseExtractorName, base.scorer().extractor()->Serialize()));
  info->bias = bundle.info().bias + bundle.info().margin_offset - offset;
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteTrees(const FinishedTrees& finished, BundleWriter* writer, BundleInfo* info) {
  TreeModel model;
  model.objective = finished.params->objective;
  if (model.objective == Objective::kSoftmax) {
    model.classes = finished.bins->classes;
    model.class_scores = *finished.base_scores;
  } else {
    model.base_score = finished.base_scores->front();
  }
  model.absent_is_zero = finished.params->grow.absent_is_zero;
  model.columns = TreeColumnsOf(*finished.bins);
  if (finished.start != nullptr) model.trees = finished.start->trees;
  model.trees.insert(model.trees.end(), finished.trees->begin(), finished.trees->end());
  model.DropUnusedColumns();
  if (finished.base != nullptr)
    PS_RETURN_IF_ERROR(WriteBase(*finished.base, finished.offset, writer, info));
  const std::string bytes = model.Serialize();
  if (bytes.empty())  // a message of 2 GiB or more
    return absl::ResourceExhaustedError(
        "the model's trees and target statistics are 2 GiB or more");
  PS_RETURN_IF_ERROR(writer->AddFile(kTreesName, bytes));
  const GbdtConfig& setting = *finished.setting;
  info->model_type = "gbdt";
  info->optimizer = absl::StrCat("gbdt ", setting.objective, " trees=", model.trees.size(),
                                 " max_leaves=", setting.max_leaves,
                                 " learning_rate=", setting.learning_rate, " l2=", setting.l2);
  info->margin_offset = finished.offset;
  return absl::OkStatus();
}

}  // namespace ps
