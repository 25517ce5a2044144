// A finished model of trees: columns, trees, and the file they are kept in. Immutable after
// construction; any thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/gbdt/booster.h"
#include "models/gbdt/target_table.h"
#include "models/gbdt/tree.h"

namespace ps {

inline constexpr char kTreesName[] = "trees.pb";

struct TreeColumn {
  std::string name;
  std::uint32_t source = 0;
  ColumnKind kind = ColumnKind::kNumber;
  bool text_is_missing = false;
  std::vector<std::string> categories;
  std::shared_ptr<const TargetTable> target;  // numbers that are the mean label of a category; or null
};

struct TreeModel {
  Objective objective = Objective::kLogistic;
  double base_score = 0;
  // Softmax: the classes by number, and what the trees of each add to in place of base_score. Tree t is of
  // class t % classes, and there are whole rounds of them.
  std::vector<std::string> classes;
  std::vector<double> class_scores;
  bool absent_is_zero = false;
  std::vector<TreeColumn> columns;
  std::vector<Tree> trees;  // their nodes name columns of this model

  std::size_t outputs() const { return classes.empty() ? 1 : classes.size(); }  // margins of a row
  double BaseScore(std::size_t output) const { return classes.empty() ? base_score : class_scores[output]; }

  std::string Serialize() const;  // empty: it would be 2 GiB or more
  // DataLoss: what no writer would have written. The trees of a parsed model are safe to walk.
  static absl::StatusOr<TreeModel> Parse(std::string_view bytes);

  bool has_targets() const;

  // Leaves out columns that no node asks for.
  void DropUnusedColumns();
};

struct ColumnImportance {
  std::string name;
  double gain = 0;  // sums over the nodes that ask for the column
  double cover = 0;
  std::uint64_t splits = 0;
};

// By falling gain.
std::vector<ColumnImportance> Importance(const TreeModel& model);

}  // namespace ps
