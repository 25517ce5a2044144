#include "models/gbdt/bundle_trees.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {

bool HasBaseModel(const Bundle& bundle) {
  return !absl::IsNotFound(bundle.ReadFile(kBaseExtractorName).status());
}

absl::StatusOr<TreeModel> ReadTrees(const Bundle& bundle) {
  const absl::StatusOr<std::string> bytes = bundle.ReadFile(kTreesName);
  if (absl::IsNotFound(bytes.status())) {
    return absl::FailedPreconditionError(
        absl::StrCat(bundle.dir(), ": a model of trees without ", kTreesName));
  }
  PS_RETURN_IF_ERROR(bytes.status());
  return TreeModel::Parse(*bytes);
}

}  // namespace ps
