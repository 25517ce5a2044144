#include "models/gbdt/tree_model.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "models/gbdt/class_names.h"
#include "models/gbdt/trees.pb.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint32_t kVersion = 1, kVersionOfClasses = 2, kVersionOfTargets = 3;
constexpr char kSoftmax[] = "softmax";
constexpr std::uint32_t kMissingLeft = 1, kCategory = 2;

absl::Status Damaged(const std::string& what) {
  return absl::DataLossError(absl::StrCat(kTreesName, ": ", what));
}

void Write(const Tree& tree, trees::Tree* out) {
  for (const TreeNode& node : tree.nodes) {
    out->add_column(node.column);
    out->add_threshold(node.threshold);
    out->add_flags((node.missing_left ? kMissingLeft : 0) |
                   (node.kind == ColumnKind::kCategory ? kCategory : 0));
    out->add_left_set(node.left_set);
    out->add_left(node.left);
    out->add_right(node.right);
    out->add_gain(node.gain);
    out->add_cover(node.cover);
  }
  for (const float value : tree.leaf_value) out->add_leaf_value(value);
  for (const float cover : tree.leaf_cover) out->add_leaf_cover(cover);
  for (const BinSet& set : tree.left_sets) {
    for (const std::uint64_t word : set) out->add_set_word(word);
  }
}

absl::StatusOr<Tree> Read(const trees::Tree& in, const std::vector<TreeColumn>& columns) {
  const int nodes = in.column_size(), leaves = in.leaf_value_size();
  if (in.threshold_size() != nodes || in.flags_size() != nodes || in.left_set_size() != nodes ||
      in.left_size() != nodes || in.right_size() != nodes || in.gain_size() != nodes ||
      in.cover_size() != nodes || leaves != nodes + 1 || in.leaf_cover_size() != leaves ||
      in.set_word_size() % 4 != 0) {
    return Damaged("a tree's lists differ in length");
  }
  Tree tree;
  std::vector<bool> reached_node(static_cast<std::size_t>(nodes)),
      reached_leaf(static_cast<std::size_t>(leaves));
  for (int i = 0; i < nodes; ++i) {
    TreeNode node;
    node.column = in.column(i);
    node.threshold = in.threshold(i);
    node.missing_left = (in.flags(i) & kMissingLeft) != 0;
    node.kind = (in.flags(i) & kCategory) != 0 ? ColumnKind::kCategory : ColumnKind::kNumber;
    node.left_set = in.left_set(i);
    node.left = in.left(i);
    node.right = in.right(i);
    node.gain = in.gain(i);
    node.cover = in.cover(i);
    if (node.column >= columns.size() || columns[node.column].kind != node.kind ||
        node.threshold != node.threshold ||
        (node.kind == ColumnKind::kCategory &&
         node.left_set >= static_cast<std::uint32_t>(in.set_word_size() / 4))) {
      return Damaged("a node asks for what is not there");
    }
    for (const std::int32_t child : {node.left, node.right}) {
      // Every node but the root, and every leaf, is the child of exactly one node before it.
      const bool known = child < 0 ? ~child < leaves : child > i && child < nodes;
      if (!known) return Damaged("a node's child is not there");
      auto reached = child < 0 ? reached_leaf[static_cast<std::size_t>(~child)]
                               : reached_node[static_cast<std::size_t>(child)];
      if (reached) return Damaged("a node or leaf has two parents");
      reached = true;
    }
    tree.nodes.push_back(node);
  }
  for (int i = 0; i < leaves; ++i) {
    if (!std::isfinite(in.leaf_value(i))) return Damaged("a leaf's value is not finite");
    tree.leaf_value.push_back(in.leaf_value(i));
    tree.leaf_cover.push_back(in.leaf_cover(i));
  }
  for (int i = 0; i < in.set_word_size(); i += 4) {
    tree.left_sets.push_back(
        {in.set_word(i), in.set_word(i + 1), in.set_word(i + 2), in.set_word(i + 3)});
  }
  return tree;
}

absl::Status ReadClasses(const trees::Model& in, TreeModel* model) {
  model->objective = in.objective() == kSoftmax     ? Objective::kSoftmax
                     : in.objective() == "logistic" ? Objective::kLogistic
                                                    : Objective::kSquared;
  const bool softmax = model->objective == Objective::kSoftmax;
  const int classes = in.class_name_size();
  if (in.class_score_size() != classes || (softmax ? classes < 2 : classes > 0) ||
      classes > static_cast<int>(kMostClasses)) {
    return Damaged("not as many classes as its objective has");
  }
  if (softmax && in.tree_size() % classes != 0) return Damaged("a class has fewer trees than another");
  model->classes.assign(in.class_name().begin(), in.class_name().end());
  if (NumberClasses(model->classes).size() != model->classes.size()) return Damaged("a class is there twice");
  for (const double score : in.class_score()) {
    if (!std::isfinite(score)) return Damaged("a class's base score is not finite");
    model->class_scores.push_back(score);
  }
  return absl::OkStatus();
}

}  // namespace

std::string TreeModel::Serialize() const {
  trees::Model out;
  const bool softmax = objective == Objective::kSoftmax;
  out.set_version(has_targets() ? kVersionOfTargets : softmax ? kVersionOfClasses : kVersion);
  out.set_objective(softmax ? kSoftmax : objective == Objective::kLogistic ? "logistic" : "squared");
  for (const std::string& name : classes) out.add_class_name(name);
  for (const double score : class_scores) out.add_class_score(score);
  out.set_base_score(base_score);
  out.set_absent_is_zero(absent_is_zero);
  for (const TreeColumn& column : columns) {
    trees::Column* const to = out.add_column();
    to->set_name(column.name);
    to->set_source(column.source);
    to->set_category(column.kind == ColumnKind::kCategory);
    to->set_text_is_missing(column.text_is_missing);
    for (const std::string& text : column.categories) to->add_text(text);
    if (column.target != nullptr) column.target->Write(/*folds=*/false, to->mutable_target());
  }
  for (const Tree& tree : trees) Write(tree, out.add_tree());
  return out.SerializeAsString();
}

absl::StatusOr<TreeModel> TreeModel::Parse(std::string_view bytes) {
  trees::Model in;
  if (!in.ParseFromArray(bytes.data(), static_cast<int>(std::min<std::size_t>(
                                           bytes.size(), std::numeric_limits<int>::max())))) {
    return Damaged("not a model of trees");
  }
  if (in.version() < kVersion || in.version() > kVersionOfTargets) {
    return absl::FailedPreconditionError(absl::StrCat(kTreesName, ": version ", in.version(),
                                                      "; this program reads versions up to ", kVersionOfTargets));
  }
  TreeModel model;
  if (in.objective() != "logistic" && in.objective() != "squared" && in.objective() != kSoftmax)
    return Damaged("an unknown objective");
  PS_RETURN_IF_ERROR(ReadClasses(in, &model));
  model.base_score = in.base_score();
  if (!std::isfinite(model.base_score)) return Damaged("the base score is not finite");
  model.absent_is_zero = in.absent_is_zero();
  for (const trees::Column& column : in.column()) {
    if (column.text_size() > kMostBins) return Damaged("a column of too many categories");
    model.columns.push_back({column.name(),
                             column.source(),
                             column.category() ? ColumnKind::kCategory : ColumnKind::kNumber,
                             column.text_is_missing(),
                             {column.text().begin(), column.text().end()},
                             nullptr});
    if (!column.has_target()) continue;
    if (in.version() < kVersionOfTargets || column.category() || column.text_size() > 0)
      return Damaged("target statistics of a column that cannot have any");
    std::optional<TargetTable> target = TargetTable::Read(column.target());
    if (!target) return Damaged("target statistics that no rows have");
    model.columns.back().target = std::make_shared<const TargetTable>(*std::move(target));
  }
  for (const trees::Tree& tree : in.tree()) {
    PS_ASSIGN_OR_RETURN(Tree read, Read(tree, model.columns));
    model.trees.push_back(std::move(read));
  }
  return model;
}

bool TreeModel::has_targets() const {
  return std::any_of(columns.begin(), columns.end(),
                     [](const TreeColumn& column) { return column.target != nullptr; });
}

void TreeModel::DropUnusedColumns() {
  std::vector<std::uint32_t> place(columns.size());
  for (const Tree& tree : trees) {
    for (const TreeNode& node : tree.nodes) place[node.column] = 1;
  }
  std::vector<TreeColumn> used;
  for (std::size_t c = 0; c < columns.size(); ++c) {
    if (place[c] == 0) continue;
    place[c] = static_cast<std::uint32_t>(used.size());
    used.push_back(std::move(columns[c]));
  }
  columns = std::move(used);
  for (Tree& tree : trees) {
    for (TreeNode& node : tree.nodes) node.column = place[node.column];
  }
}

std::vector<ColumnImportance> Importance(const TreeModel& model) {
  std::vector<ColumnImportance> columns(model.columns.size());
  for (std::size_t c = 0; c < columns.size(); ++c) columns[c].name = model.columns[c].name;
  for (const Tree& tree : model.trees) {
    for (const TreeNode& node : tree.nodes) {
      columns[node.column].gain += node.gain;
      columns[node.column].cover += node.cover;
      ++columns[node.column].splits;
    }
  }
  std::stable_sort(
      columns.begin(), columns.end(),
      [](const ColumnImportance& a, const ColumnImportance& b) { return a.gain > b.gain; });
  return columns;
}

}  // namespace ps
