// XGBoost's JSON model. A row goes left by a number when x < threshold, by a category when it is
// not listed.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/bundle/manifest.h"
#include "models/gbdt/foreign_trees.h"
#include "models/gbdt/json_value.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

template <typename Values>
std::string List(const Values& values) {
  return absl::StrCat("[", absl::StrJoin(values, ","), "]");
}

// Their reader wants to see that a number is no integer.
std::string FiniteDigits(float value) {
  const std::string digits = Digits(
      std::clamp(value, std::numeric_limits<float>::lowest(), std::numeric_limits<float>::max()));
  return digits.find_first_of(".e") == std::string::npos ? digits + "E0" : digits;
}

class TreeWriter {
 public:
  explicit TreeWriter(const ForeignModel& model)
      : foreign_(model), feature_(model.model.columns.size()) {
    for (std::size_t f = 0; f < model.features.size(); ++f) {
      if (model.features[f].column >= 0)
        feature_[static_cast<std::size_t>(model.features[f].column)] = f;
    }
  }

  // A right child lies behind its left one: XGBoost reads one of the two numbers only.
  std::string Write(std::size_t id, const Tree& tree) const {
    std::vector<std::int32_t> order{tree.nodes.empty() ? ~0 : 0};  // our nodes, and ~leaves
    const std::size_t all = tree.nodes.size() + tree.leaf_value.size();
    std::vector<std::string> weights, conditions, gains, covers;
    std::vector<int> default_left(all), left(all, -1), right(all, -1), type(all);
    std::vector<std::uint32_t> parents(all, 2147483647), category_nodes, categories;
    std::vector<std::size_t> index(all), segments, sizes;
    const std::vector<double> means = NodeMeans(tree);
    for (std::size_t n = 0; n < all; ++n) {
      if (order[n] < 0) {
        const auto leaf = static_cast<std::size_t>(~order[n]);
        weights.push_back(FiniteDigits(tree.leaf_value[leaf]));
        conditions.push_back(FiniteDigits(tree.leaf_value[leaf]));
        gains.push_back("0E0");
        covers.push_back(FiniteDigits(tree.leaf_cover[leaf]));
        continue;
      }
      const auto from = static_cast<std::size_t>(order[n]);
      const TreeNode& node = tree.nodes[from];
      bool swap = false;
      bool missing_left = node.missing_left;
      if (node.kind == ColumnKind::kCategory) {
        // Unknown ones are not listed, and go where missing ones go: left.
        swap = !Contains(tree.left_sets[node.left_set], 0);
        missing_left = true;
        type[n] = 1;
        const std::vector<std::uint32_t> codes = CodesOfSide(foreign_.model, tree, node, swap);
        category_nodes.push_back(static_cast<std::uint32_t>(n));
        segments.push_back(categories.size());
        sizes.push_back(codes.size());
        categories.insert(categories.end(), codes.begin(), codes.end());
        conditions.push_back("0E0");
      } else {
        conditions.push_back(FiniteDigits(node.threshold));
        // What a row does not have is missing there.
        if (foreign_.libsvm && foreign_.model.absent_is_zero) missing_left = 0 < node.threshold;
      }
      default_left[n] = missing_left;
      left[n] = static_cast<int>(order.size());
      right[n] = left[n] + 1;
      parents[order.size()] = parents[order.size() + 1] = static_cast<std::uint32_t>(n);
      order.push_back(swap ? node.right : node.left);
      order.push_back(swap ? node.left : node.right);
      index[n] = feature_[node.column];
      weights.push_back(FiniteDigits(static_cast<float>(means[from])));
      gains.push_back(FiniteDigits(node.gain));
      covers.push_back(FiniteDigits(node.cover));
    }
    return absl::StrCat("{\"base_weights\":", List(weights), ",\"categories\":", List(categories),
                        ",\"categories_nodes\":", List(category_nodes),
                        ",\"categories_segments\":", List(segments),
                        ",\"categories_sizes\":", List(sizes),
                        ",\"default_left\":", List(default_left), ",\"id\":", id,
                        ",\"left_children\":", List(left), ",\"loss_changes\":", List(gains),
                        ",\"parents\":", List(parents), ",\"right_children\":", List(right),
                        ",\"split_conditions\":", List(conditions)) +
           absl::StrCat(",\"split_indices\":", List(index), ",\"split_type\":", List(type),
                        ",\"sum_hessian\":", List(covers),
                        ",\"tree_param\":{\"num_deleted\":\"0\",\"num_feature\":\"",
                        foreign_.features.size(), "\",\"num_nodes\":\"", all,
                        "\",\"size_leaf_vector\":\"0\"}}");
  }

 private:
  const ForeignModel& foreign_;
  std::vector<std::size_t> feature_;  // of each column
};

}  // namespace

absl::StatusOr<std::string> ToXgBoost(const ForeignModel& foreign, double margin_offset) {
  const TreeModel& model = foreign.model;
  PS_ASSIGN_OR_RETURN(const std::vector<std::string> lists, CategoryLists(foreign));
  std::vector<std::string> names, types, texts;
  std::size_t next = 0;
  for (const ForeignFeature& feature : foreign.features) {
    const bool category =
        feature.column >= 0 &&
        model.columns[static_cast<std::size_t>(feature.column)].kind == ColumnKind::kCategory;
    types.push_back(category ? "\"c\"" : "\"q\"");
    texts.push_back(category ? lists[next++] : "[]");
  }
  if (foreign.libsvm) types.clear();
  if (!foreign.libsvm) {
    for (const std::string& name : PlainNames(foreign.features)) names.push_back(JsonString(name));
  }
  const bool logistic = model.objective == Objective::kLogistic;
  const bool softmax = model.objective == Objective::kSoftmax;
  const std::size_t outputs = model.outputs();
  // base_score is a probability as text: the bases go into trees of one leaf, where no digit is
  // lost.
  const TreeWriter writer(foreign);
  std::string trees;
  for (std::size_t output = 0; output < outputs; ++output) {
    Tree base;
    base.leaf_value = {static_cast<float>(model.BaseScore(output) + margin_offset)};
    base.leaf_cover = {0};
    absl::StrAppend(&trees, output == 0 ? "" : ",", writer.Write(output, base));
  }
  for (std::size_t t = 0; t < model.trees.size(); ++t)
    absl::StrAppend(&trees, ",", writer.Write(outputs + t, model.trees[t]));
  const std::size_t count = model.trees.size() + outputs;
  std::vector<std::size_t> class_of(count);
  for (std::size_t t = 0; t < count; ++t) class_of[t] = t % outputs;
  std::vector<std::string> attributes;
  const auto add = [&](const char* name, const std::string& text) {
    attributes.push_back(absl::StrCat("\"", name, "\":", JsonString(text)));
  };
  if (!lists.empty()) add(kCategoriesAttribute, List(texts));
  PS_ASSIGN_OR_RETURN(const std::string classes, ClassList(model));
  if (softmax) add(kClassesAttribute, classes);
  const std::string objective =
      softmax ? absl::StrCat("\"multi:softprob\",\"softmax_multiclass_param\":{\"num_class\":\"", outputs, "\"}")
              : absl::StrCat(logistic ? "\"binary:logistic\"" : "\"reg:squarederror\"",
                             ",\"reg_loss_param\":{\"scale_pos_weight\":\"1\"}");
  return absl::StrCat(
      "{\"learner\":{\"attributes\":{", absl::StrJoin(attributes, ","), "},\"feature_names\":", List(names),
      ",\"feature_types\":", List(types),
      ",\"gradient_booster\":{\"model\":{\"gbtree_model_param\":{\"num_parallel_tree\":\"1\","
      "\"num_trees\":\"",
      count, "\",\"size_leaf_vector\":\"0\"},\"tree_info\":", List(class_of),
      ",\"trees\":[", trees, "]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"",
      logistic ? "5E-1" : "0E0",
      "\",\"boost_from_average\":\"1\",\"num_class\":\"", softmax ? outputs : 0, "\",\"num_feature\":\"",
      foreign.features.size(), "\",\"num_target\":\"1\"},\"objective\":{\"name\":", objective,
      "}},\"version\":[1,7,4]}\n");
}

}  // namespace ps
