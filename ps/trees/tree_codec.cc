#include "ps/trees/tree_codec.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "models/gbdt/class_names.h"

namespace ps {

StepName NameOf(const wire::TreeName& name) { return {name.attempt(), name.tree(), name.step()}; }

void SetName(const StepName& name, wire::TreeName* to) {
  to->set_attempt(name.attempt);
  to->set_tree(name.tree);
  to->set_step(name.step);
}

void SetChoice(const SplitChoice& choice, wire::TreeChoice* to) {
  to->set_score(choice.score);
  if (choice.score < 0) return;
  to->set_column(choice.column);
  to->set_missing_left(choice.missing_left);
  to->set_left(choice.left);
  to->set_bin(choice.bin);
  if (choice.kind != ColumnKind::kCategory) return;
  to->set_category(true);
  for (const std::uint64_t word : choice.left_bins) to->add_left_bins(word);
}

std::optional<SplitChoice> ChoiceOf(const wire::TreeChoice& choice,
                                    const std::vector<BinColumn>& columns) {
  SplitChoice to;
  if (!(choice.score() >= 0)) return to;
  if (choice.column() >= columns.size()) return std::nullopt;
  const BinColumn& column = columns[choice.column()];
  if ((column.kind == ColumnKind::kCategory) != choice.category()) return std::nullopt;
  to.score = choice.score();
  to.column = choice.column();
  to.kind = column.kind;
  to.missing_left = choice.missing_left();
  to.left = choice.left();
  if (choice.category()) {
    if (choice.left_bins_size() != static_cast<int>(to.left_bins.size())) return std::nullopt;
    for (int i = 0; i < choice.left_bins_size(); ++i)
      to.left_bins[static_cast<std::size_t>(i)] = choice.left_bins(i);
  } else {
    if (choice.bin() < 1 || choice.bin() > static_cast<std::uint32_t>(column.bins()))
      return std::nullopt;
    to.bin = static_cast<std::uint8_t>(choice.bin());
  }
  return to;
}

void SetTree(const Tree& tree, wire::GrownTrees::Tree* to) {
  for (const TreeNode& node : tree.nodes) {
    wire::GrownTrees::Node* const made = to->add_nodes();
    made->set_column(node.column);
    made->set_category(node.kind == ColumnKind::kCategory);
    made->set_missing_left(node.missing_left);
    made->set_bin(node.bin);
    made->set_left_set(node.left_set);
    made->set_left(node.left);
    made->set_right(node.right);
  }
  for (const float value : tree.leaf_value) to->add_leaf_value(value);
  for (const BinSet& set : tree.left_sets) {
    for (const std::uint64_t word : set) to->add_set_words(word);
  }
}

std::optional<Tree> TreeOf(const wire::GrownTrees::Tree& from,
                           const std::vector<BinColumn>& columns) {
  Tree tree;
  constexpr int kWords = 4;
  if (from.leaf_value_size() != from.nodes_size() + 1 || from.set_words_size() % kWords != 0)
    return std::nullopt;
  tree.leaf_value.assign(from.leaf_value().begin(), from.leaf_value().end());
  for (const float value : tree.leaf_value) {
    if (!std::isfinite(value)) return std::nullopt;
  }
  for (int i = 0; i < from.set_words_size(); i += kWords) {
    BinSet set;
    for (int w = 0; w < kWords; ++w) set[static_cast<std::size_t>(w)] = from.set_words(i + w);
    tree.left_sets.push_back(set);
  }
  for (int i = 0; i < from.nodes_size(); ++i) {
    const wire::GrownTrees::Node& node = from.nodes(i);
    TreeNode to;
    if (node.column() >= columns.size() || node.bin() > 255) return std::nullopt;
    to.column = node.column();
    to.kind = node.category() ? ColumnKind::kCategory : ColumnKind::kNumber;
    if (to.kind != columns[to.column].kind) return std::nullopt;
    if (node.category() && node.left_set() >= tree.left_sets.size()) return std::nullopt;
    to.missing_left = node.missing_left();
    to.bin = static_cast<std::uint8_t>(node.bin());
    to.left_set = node.left_set();
    // Children come after their parents, so every walk ends.
    for (const std::int32_t child : {node.left(), node.right()}) {
      const bool fits =
          child >= 0 ? child > i && child < from.nodes_size() : ~child < from.leaf_value_size();
      if (!fits) return std::nullopt;
    }
    to.left = node.left();
    to.right = node.right();
    tree.nodes.push_back(to);
  }
  return tree;
}

void SetColumns(const std::vector<BinColumn>& columns, wire::TreePlan* plan) {
  for (const BinColumn& column : columns) {
    wire::TreePlan::Column* const to = plan->add_columns();
    to->set_name(column.name);
    to->set_category(column.kind == ColumnKind::kCategory);
    to->set_cuts(std::string(reinterpret_cast<const char*>(column.cuts.data()),
                             column.cuts.size() * sizeof(float)));
    for (const std::string& text : column.categories) to->add_categories(text);
    to->set_direction(static_cast<int>(column.direction));
  }
}

std::optional<std::vector<BinColumn>> ColumnsOf(const wire::TreePlan& plan) {
  std::vector<BinColumn> columns;
  for (const wire::TreePlan::Column& from : plan.columns()) {
    BinColumn column;
    column.name = from.name();
    column.kind = from.category() ? ColumnKind::kCategory : ColumnKind::kNumber;
    if (from.cuts().size() % sizeof(float) != 0) return std::nullopt;
    column.cuts.resize(from.cuts().size() / sizeof(float));
    if (!column.cuts.empty())
      std::memcpy(column.cuts.data(), from.cuts().data(), from.cuts().size());
    column.categories.assign(from.categories().begin(), from.categories().end());
    const std::int32_t direction = from.direction();
    if (direction < -1 || direction > 1 || (direction != 0 && from.category())) return std::nullopt;
    column.direction = static_cast<Direction>(direction);
    if (column.bins() > kMostBins || (from.category() && plan.sparse())) return std::nullopt;
    columns.push_back(std::move(column));
  }
  return columns;
}

bool HasValidClasses(const wire::TreePlan& plan) {
  const std::vector<std::string> names(plan.classes().begin(), plan.classes().end());
  if (names.empty()) return true;
  return names.size() >= 2 && names.size() <= kMostClasses && NumberClasses(names).size() == names.size() &&
         !plan.squared();
}

BoostParams ParamsOf(const wire::TreePlan& plan) {
  BoostParams params;
  params.objective = plan.classes_size() > 0 ? Objective::kSoftmax
                     : plan.squared()        ? Objective::kSquared
                                             : Objective::kLogistic;
  params.classes = static_cast<std::uint32_t>(std::max(1, plan.classes_size()));
  params.row_sample = plan.row_sample();
  params.seed = plan.seed();
  params.first_tree = plan.first_tree();
  params.grow.l1 = plan.l1();
  params.grow.l2 = plan.l2();
  params.grow.min_hessian = plan.min_hessian();
  params.grow.column_sample = plan.column_sample();
  params.grow.category_smooth = plan.category_smooth();
  params.grow.absent_is_zero = plan.absent_is_zero();
  return params;
}

std::vector<std::uint64_t> CellOffsets(const std::vector<BinColumn>& columns, bool sparse) {
  std::vector<std::uint64_t> offsets{0};
  offsets.reserve(columns.size() + 1);
  for (const BinColumn& column : columns)
    offsets.push_back(offsets.back() + static_cast<std::uint64_t>(column.bins()) +
                      (sparse ? 0 : 1));
  return offsets;
}

}  // namespace ps
