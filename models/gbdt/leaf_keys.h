// Leaves of trees as features of a linear model: a row has, for each tree with a split, the key of
// the leaf that it comes to (He et al., ADKDD 2014). The trees are part of the feature plan, so
// whoever has the plan makes the same keys. Immutable after construction: any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "models/data/row_parser.h"
#include "models/features/extractor.pb.h"
#include "models/features/further_keys.h"
#include "models/gbdt/field_values.h"
#include "models/gbdt/predictor.h"
#include "models/gbdt/tree_model.h"

namespace ps {

// The trees of a validated plan that has some. InvalidArgument: they are damaged, or do not fit it.
absl::StatusOr<TreeModel> TreesOfPlan(const features::Plan& plan);

// Puts the trees of a bundle into a plan that has all else. Errors of the bundle, and
// InvalidArgument where its trees cannot read the plan's rows; both begin with `path`, the
// configuration's.
absl::Status AddTrees(const std::string& dir, const std::string& path, features::Plan* plan);

// "tree 3 leaf 5", by key.
absl::flat_hash_map<Key, std::string> LeafNames(const TreeModel& model);

class LeafKeys {
 public:
  explicit LeafKeys(const TreeModel& model);

  std::size_t keys() const { return seeds_.size(); }  // of a row: one for each tree with a split
  std::size_t columns() const { return predictor_.columns(); }
  // `row` as TreePredictor takes it; writes keys().
  void Of(const float* row, Key* keys) const;

 private:
  const TreePredictor predictor_;
  std::vector<std::uint32_t> tree_;  // of each key, as the predictor numbers trees
  std::vector<std::uint64_t> seeds_;
};

// `trees` are those of the plan.
std::unique_ptr<RowParser> MakeLeafParser(const features::Plan& plan, const TreeModel& trees);

}  // namespace ps
