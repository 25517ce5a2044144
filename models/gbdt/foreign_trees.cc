#include "models/gbdt/foreign_trees.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/bundle/manifest.h"
#include "models/gbdt/class_names.h"
#include "models/gbdt/json_value.h"
#include "models/gbdt/value_rows.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::Status Malformed(std::size_t tree, const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("tree ", tree, ": ", what));
}

class Builder {
 public:
  Builder(const std::vector<std::vector<LooseNode>>& trees,
          const std::vector<std::vector<std::string>>& categories, ForeignModel* result)
      : trees_(trees), categories_(categories), result_(*result) {}

  absl::Status Build() {
    PS_RETURN_IF_ERROR(FindColumns());
    const std::size_t outputs = result_.model.outputs();
    if (trees_.size() % outputs != 0)
      return absl::InvalidArgumentError("one class has fewer trees than another");
    bool constant = false;
    for (std::size_t t = 0; t < trees_.size(); ++t) {
      if (t % outputs == 0) constant = IsConstant(t, outputs);
      PS_RETURN_IF_ERROR(AddTree(t, constant));
    }
    for (std::size_t output = 0; output < outputs; ++output) {
      if (!std::isfinite(result_.model.BaseScore(output)))
        return absl::InvalidArgumentError("the base score is not finite");
    }
    return absl::OkStatus();
  }

 private:
  bool IsConstant(std::size_t first, std::size_t trees) const {
    return std::all_of(trees_.begin() + static_cast<std::ptrdiff_t>(first),
                       trees_.begin() + static_cast<std::ptrdiff_t>(first + trees),
                       [](const std::vector<LooseNode>& tree) { return !tree.empty() && tree[0].leaf; });
  }

  TreeColumn& ColumnOf(std::uint64_t feature) {
    return result_.model.columns[static_cast<std::size_t>(result_.features[feature].column)];
  }

  absl::Status FindColumns() {
    std::vector<std::int64_t> most(result_.features.size(), -1);  // category codes
    std::vector<int> kinds(result_.features.size());              // 1: number, 2: category
    for (std::size_t t = 0; t < trees_.size(); ++t) {
      for (const LooseNode& node : trees_[t]) {
        if (node.leaf) continue;
        if (node.feature >= kinds.size()) return Malformed(t, "a feature that is not there");
        kinds[node.feature] |= node.category ? 2 : 1;
        for (const std::uint32_t code : node.listed)
          most[node.feature] = std::max<std::int64_t>(most[node.feature], code);
      }
    }
    for (std::size_t f = 0; f < kinds.size(); ++f) {
      const std::string& name = result_.features[f].name;
      if (kinds[f] == 0) continue;
      if (kinds[f] == 3) {
        return absl::InvalidArgumentError(
            absl::StrCat("feature \"", name, "\" is a number in one node, a category in another"));
      }
      if (kinds[f] == 2 && result_.libsvm) {
        return absl::UnimplementedError(
            absl::StrCat("feature \"", name,
                         "\" is a category, which libsvm rows do not have: import for a table"));
      }
      TreeColumn column;
      column.name = name;
      column.source = static_cast<std::uint32_t>(f);
      if (kinds[f] == 2) {
        column.kind = ColumnKind::kCategory;
        if (f < categories_.size()) column.categories = categories_[f];
        if (column.categories.empty() && most[f] < kMostBins) {
          for (std::int64_t code = 0; code <= most[f]; ++code)
            column.categories.push_back(absl::StrCat(code));
        }
        if (most[f] >= kMostBins || column.categories.size() > kMostBins) {
          return absl::UnimplementedError(
              absl::StrCat("feature \"", name, "\": more than ", kMostBins, " categories"));
        }
        if (most[f] >= static_cast<std::int64_t>(column.categories.size()))
          return absl::InvalidArgumentError(
              absl::StrCat("feature \"", name, "\": a category without a text"));
      }
      result_.features[f].column = static_cast<std::int64_t>(result_.model.columns.size());
      result_.model.columns.push_back(std::move(column));
    }
    return absl::OkStatus();
  }

  // From the root, parents first: whatever the list says, each node is taken once.
  absl::Status AddTree(std::size_t t, bool constant) {
    const std::vector<LooseNode>& loose = trees_[t];
    if (loose.empty()) return Malformed(t, "no node");
    TreeModel& model = result_.model;
    if (constant) {
      (model.classes.empty() ? model.base_score : model.class_scores[t % model.outputs()]) += loose[0].value;
      return absl::OkStatus();
    }
    Tree tree;
    if (loose[0].leaf) {
      PS_RETURN_IF_ERROR(AddLeaf(t, loose[0], &tree));
      model.trees.push_back(std::move(tree));
      return absl::OkStatus();
    }
    std::vector<bool> taken(loose.size());
    taken[0] = true;
    std::vector<std::uint64_t> order{0};
    for (std::size_t n = 0; n < order.size(); ++n) {
      const LooseNode& from = loose[order[n]];
      PS_RETURN_IF_ERROR(AddNode(t, from, &tree));
      for (auto [child, to] :
           {std::pair{from.left, &TreeNode::left}, {from.right, &TreeNode::right}}) {
        if (child >= loose.size()) return Malformed(t, "a child that is not there");
        if (taken[child]) return Malformed(t, "a node with two parents");
        taken[child] = true;
        if (!loose[child].leaf) {
          tree.nodes[n].*to = static_cast<std::int32_t>(order.size());
          order.push_back(child);
          continue;
        }
        tree.nodes[n].*to = ~static_cast<std::int32_t>(tree.leaf_value.size());
        PS_RETURN_IF_ERROR(AddLeaf(t, loose[child], &tree));
      }
    }
    model.trees.push_back(std::move(tree));
    return absl::OkStatus();
  }

  static absl::Status AddLeaf(std::size_t t, const LooseNode& from, Tree* tree) {
    const auto value = static_cast<float>(from.value);
    if (!std::isfinite(value)) return Malformed(t, "a leaf's value is not finite");
    tree->leaf_value.push_back(value);
    tree->leaf_cover.push_back(static_cast<float>(from.cover));
    return absl::OkStatus();
  }

  absl::Status AddNode(std::size_t t, const LooseNode& from, Tree* tree) {
    TreeNode node;
    node.column = static_cast<std::uint32_t>(result_.features[from.feature].column);
    node.missing_left = from.missing_left;
    node.threshold = from.threshold;
    node.gain = static_cast<float>(from.gain);
    node.cover = static_cast<float>(from.cover);
    if (from.threshold != from.threshold) return Malformed(t, "a threshold is not a number");
    if (from.category) {
      node.kind = ColumnKind::kCategory;
      BinSet set{};
      std::vector<bool> listed(ColumnOf(from.feature).categories.size());
      for (const std::uint32_t code : from.listed) listed[code] = true;
      for (std::size_t code = 0; code < listed.size(); ++code) {
        if (listed[code] == from.listed_left) Insert(&set, static_cast<std::uint8_t>(code + 1));
      }
      if (from.missing_left) Insert(&set, 0);
      node.left_set = static_cast<std::uint32_t>(tree->left_sets.size());
      tree->left_sets.push_back(set);
    }
    tree->nodes.push_back(node);
    return absl::OkStatus();
  }

  const std::vector<std::vector<LooseNode>>& trees_;
  const std::vector<std::vector<std::string>>& categories_;
  ForeignModel& result_;
};

template <typename Number>
std::string ShortestDigits(Number value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

// ["a", "b"]. Unimplemented: one is not UTF-8; `what` they are of.
absl::StatusOr<std::string> TextList(const std::vector<std::string>& texts, const std::string& what) {
  for (const std::string& text : texts) {
    if (!IsUtf8(text))
      return absl::UnimplementedError(absl::StrCat(what, " whose text is not UTF-8 cannot be written"));
  }
  return absl::StrCat("[",
                      absl::StrJoin(texts, ", ",
                                    [](std::string* out, const std::string& text) { out->append(JsonString(text)); }),
                      "]");
}

}  // namespace

absl::Status SetClasses(std::size_t count, double score, std::string_view names, TreeModel* model) {
  if (count < 2 || count > kMostClasses) {
    return absl::UnimplementedError(
        absl::StrCat("a model of ", count, " classes cannot be imported: only 2 to ", kMostClasses));
  }
  model->objective = Objective::kSoftmax;
  model->class_scores.assign(count, score);
  model->classes = NumberedClasses(count);
  if (names.empty()) return absl::OkStatus();
  model->classes.clear();
  const auto list = ParseJson(names);
  if (list.ok()) {
    for (const JsonNode& item : list->items) model->classes.push_back(item.text);
  }
  if (model->classes.size() != count || NumberClasses(model->classes).size() != count)
    return absl::InvalidArgumentError(absl::StrCat(kClassesAttribute, " does not name every class once"));
  return absl::OkStatus();
}

absl::StatusOr<std::string> ClassList(const TreeModel& model) { return TextList(model.classes, "a class"); }

absl::Status BuildTrees(const std::vector<std::vector<LooseNode>>& trees,
                        const std::vector<std::vector<std::string>>& categories,
                        ForeignModel* result) {
  return Builder(trees, categories, result).Build();
}

std::vector<double> NodeMeans(const Tree& tree) {
  std::vector<double> sum(tree.nodes.size()), cover(tree.nodes.size());
  for (std::size_t n = tree.nodes.size(); n-- > 0;) {
    for (const std::int32_t child : {tree.nodes[n].left, tree.nodes[n].right}) {
      const auto leaf = static_cast<std::size_t>(~child), node = static_cast<std::size_t>(child);
      const double weight = child < 0 ? double{tree.leaf_cover[leaf]} : cover[node];
      sum[n] += weight * (child < 0 ? double{tree.leaf_value[leaf]} : sum[node]);
      cover[n] += weight;
    }
    sum[n] = cover[n] > 0 ? sum[n] / cover[n] : 0;
  }
  return sum;
}

std::vector<std::uint32_t> CodesOfSide(const TreeModel& model, const Tree& tree,
                                       const TreeNode& node, bool left) {
  std::vector<std::uint32_t> codes;
  const std::size_t count = model.columns[node.column].categories.size();
  for (std::uint32_t code = 0; code < count; ++code) {
    if (Contains(tree.left_sets[node.left_set], static_cast<std::uint8_t>(code + 1)) == left)
      codes.push_back(code);
  }
  return codes;
}

absl::StatusOr<std::vector<std::string>> CategoryLists(const ForeignModel& model) {
  std::vector<std::string> lists;
  for (const ForeignFeature& feature : model.features) {
    if (feature.column < 0) continue;
    const TreeColumn& column = model.model.columns[static_cast<std::size_t>(feature.column)];
    if (column.kind != ColumnKind::kCategory) continue;
    PS_ASSIGN_OR_RETURN(std::string list,
                        TextList(column.categories, absl::StrCat("column \"", column.name, "\": a category")));
    lists.push_back(std::move(list));
  }
  return lists;
}

std::vector<std::string> PlainNames(const std::vector<ForeignFeature>& features) {
  constexpr std::string_view kBad = "\",:[]{}<>=\\";
  std::vector<std::string> names;
  std::set<std::string> seen;
  for (std::size_t f = 0; f < features.size(); ++f) {
    std::string name = features[f].name;
    const bool utf8 = IsUtf8(name);
    for (char& c : name) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte <= ' ' || byte == 0x7f || (byte >= 0x80 && !utf8) ||
          kBad.find(c) != std::string_view::npos) {
        c = '_';
      }
    }
    if (name.empty()) name = absl::StrCat("Column_", f);
    while (!seen.insert(name).second) absl::StrAppend(&name, "_", f);
    names.push_back(std::move(name));
  }
  return names;
}

std::string Digits(double value) { return ShortestDigits(value); }
std::string Digits(float value) { return ShortestDigits(value); }

}  // namespace ps
