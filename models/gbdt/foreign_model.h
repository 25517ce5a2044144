// Models of trees in the formats of other tools: LightGBM's text (v4; reads v2 and later) and
// XGBoost's JSON (1.7; reads 1.3 and later). docs/gbdt.md says what is kept and what cannot be
// said. Pure functions, any thread. What is read may be anything: InvalidArgument for what is no
// such model, Unimplemented for what a model of ours cannot say (or theirs, when writing).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/gbdt/tree_model.h"

namespace ps {

// Features of a model, at most: both formats make room for each, used or not.
inline constexpr std::size_t kMostFeatures = 1u << 22;

enum class ModelFormat { kLightGbm, kXgBoost };

// A feature as the other tool counts them.
struct ForeignFeature {
  std::string name;
  std::int64_t column = -1;  // of the model; -1: no tree asks for it
};

struct ForeignModel {
  TreeModel model;
  std::vector<ForeignFeature> features;
  bool libsvm = false;  // else a table: what an absent and a missing value is differs
};

// `margin_offset` is added to the base score.
absl::StatusOr<std::string> ToLightGbm(const ForeignModel& model, double margin_offset);
absl::StatusOr<std::string> ToXgBoost(const ForeignModel& model, double margin_offset);

// Columns get the feature's number as source. `libsvm` says what the data to be scored will be.
absl::StatusOr<ForeignModel> FromLightGbm(std::string_view text, bool libsvm);
absl::StatusOr<ForeignModel> FromXgBoost(std::string_view text, bool libsvm);

}  // namespace ps
