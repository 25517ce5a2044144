// The trees of a bundle. Pure; any thread.
#pragma once

#include "absl/status/statusor.h"
#include "models/bundle/bundle.h"
#include "models/gbdt/tree_model.h"

namespace ps {

// The feature plan of the linear model that a model of trees adds to, where it has one; its weights
// are those of the bundle, its bias that of the manifest.
inline constexpr char kBaseExtractorName[] = "base_extractor.pb";
bool HasBaseModel(const Bundle& bundle);

// FailedPrecondition: it has none, or of another version; DataLoss: damaged.
absl::StatusOr<TreeModel> ReadTrees(const Bundle& bundle);

}  // namespace ps
