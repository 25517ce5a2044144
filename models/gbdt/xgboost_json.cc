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

// Where texts of categories are kept: XGBoost carries attributes along unread.
constexpr char kCategoriesAttribute[] = "hyperplane_categories";

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

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("not an XGBoost JSON model: ", what));
}

const JsonNode* Walk(const JsonNode* node, std::initializer_list<const char*> path) {
  for (const char* name : path) {
    if (node != nullptr) node = node->Find(name);
  }
  return node;
}

std::string TextAt(const JsonNode* node, std::initializer_list<const char*> path) {
  const JsonNode* const found = Walk(node, path);
  return found == nullptr ? "" : found->text;
}

// Their parameters are texts.
bool NumberText(std::string_view text, double* number) {
  if (text.starts_with('[') && text.ends_with(']')) text = text.substr(1, text.size() - 2);
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size() && std::isfinite(*number);
}

class TreeReader {
 public:
  TreeReader(const JsonNode& tree, std::size_t number) : tree_(tree), number_(number) {}

  absl::StatusOr<std::vector<LooseNode>> Read(double scale) {
    std::vector<double> left, right, condition, feature, default_left, type, gain, cover;
    if (!Numbers("left_children", &left) || !Numbers("right_children", &right) ||
        !Numbers("split_conditions", &condition) || !Numbers("split_indices", &feature) ||
        !Numbers("default_left", &default_left)) {
      return Problem("a list is absent or holds other things than numbers");
    }
    const std::size_t nodes = left.size();
    if (right.size() != nodes || condition.size() != nodes || feature.size() != nodes ||
        default_left.size() != nodes) {
      return Problem("its lists differ in length");
    }
    if (!Numbers("split_type", &type)) type.assign(nodes, 0);
    if (!Numbers("loss_changes", &gain)) gain.assign(nodes, 0);
    if (!Numbers("sum_hessian", &cover)) cover.assign(nodes, 0);
    if (type.size() != nodes || gain.size() != nodes || cover.size() != nodes)
      return Problem("its lists differ in length");
    double width = 0;
    if (NumberText(TextAt(&tree_, {"tree_param", "size_leaf_vector"}), &width) && width > 1)
      return absl::UnimplementedError("leaves of several values cannot be imported");
    std::vector<LooseNode> loose(nodes);
    for (std::size_t n = 0; n < nodes; ++n) {
      LooseNode& node = loose[n];
      node.gain = gain[n];
      node.cover = cover[n];
      if (left[n] == -1) {
        node.leaf = true;
        node.value = static_cast<float>(condition[n]) * scale;
        continue;
      }
      if (!Place(left[n], &node.left) || !Place(right[n], &node.right) ||
          !Place(feature[n], &node.feature)) {
        return Problem("a child or a feature is no number of one");
      }
      node.missing_left = default_left[n] != 0;
      node.category = type[n] != 0;
      node.listed_left = false;
      if (!node.category) node.threshold = static_cast<float>(condition[n]);
    }
    PS_RETURN_IF_ERROR(ReadCategories(&loose));
    return loose;
  }

 private:
  absl::Status Problem(const char* what) const {
    return Bad(absl::StrCat("tree ", number_, ": ", what));
  }

  static bool Place(double number, std::uint64_t* place) {
    if (!(number >= 0 && number < 4e9) || number != std::floor(number)) return false;
    *place = static_cast<std::uint64_t>(number);
    return true;
  }

  bool Numbers(const char* name, std::vector<double>* out) const {
    const JsonNode* const list = tree_.Find(name);
    if (list == nullptr || list->kind != JsonNode::Kind::kList) return false;
    out->clear();
    for (const JsonNode& item : list->items) {
      if (item.kind != JsonNode::Kind::kNumber && item.kind != JsonNode::Kind::kFlag) return false;
      out->push_back(item.number);
    }
    return true;
  }

  absl::Status ReadCategories(std::vector<LooseNode>* loose) const {
    std::vector<double> nodes, segments, sizes, categories;
    if (!Numbers("categories_nodes", &nodes)) return absl::OkStatus();
    if (!Numbers("categories_segments", &segments) || !Numbers("categories_sizes", &sizes) ||
        !Numbers("categories", &categories) || segments.size() != nodes.size() ||
        sizes.size() != nodes.size()) {
      return Problem("its lists of categories");
    }
    for (std::size_t i = 0; i < nodes.size(); ++i) {
      std::uint64_t node = 0, first = 0, size = 0;
      if (!Place(nodes[i], &node) || !Place(segments[i], &first) || !Place(sizes[i], &size) ||
          node >= loose->size() || first + size > categories.size()) {
        return Problem("its lists of categories");
      }
      LooseNode& to = (*loose)[node];
      if (!to.listed.empty()) return Problem("a node with two sets of categories");
      for (std::uint64_t k = first; k < first + size; ++k) {
        std::uint64_t code = 0;
        if (!Place(categories[k], &code)) return Problem("a category is no whole number");
        to.listed.push_back(static_cast<std::uint32_t>(code));
      }
    }
    return absl::OkStatus();
  }

  const JsonNode& tree_;
  const std::size_t number_;
};

absl::Status ReadObjective(const JsonNode& learner, TreeModel* model) {
  const std::string name = TextAt(&learner, {"objective", "name"});
  double base = 0.5;
  const std::string text = TextAt(&learner, {"learner_model_param", "base_score"});
  if (!text.empty() && !NumberText(text, &base)) return Bad("base_score is no number");
  for (const char* identity : {"reg:squarederror", "reg:linear", "reg:pseudohubererror",
                               "reg:absoluteerror", "reg:quantileerror"}) {
    if (name == identity) model->objective = Objective::kSquared;
  }
  if (name == "binary:logistic" || name == "reg:logistic") {
    if (!(base > 0 && base < 1)) return Bad("base_score is not between 0 and 1");
    base = std::log(base / (1 - base));
  } else if (name != "binary:logitraw" && model->objective != Objective::kSquared) {
    return absl::UnimplementedError(absl::StrCat(
        "objective \"", name.substr(0, 60),
        "\" cannot be imported: only binary:logistic, binary:logitraw, reg:logistic and "
        "regressions on the plain scale"));
  }
  model->base_score = base;
  return absl::OkStatus();
}

absl::Status ReadFeatures(const JsonNode& learner, ForeignModel* result) {
  double count = 0;
  if (!NumberText(TextAt(&learner, {"learner_model_param", "num_feature"}), &count) || count < 0 ||
      count > static_cast<double>(kMostFeatures)) {
    return Bad(absl::StrCat("num_feature is not a number up to ", kMostFeatures));
  }
  const JsonNode* const names = learner.Find("feature_names");
  const auto features = static_cast<std::size_t>(count);
  const bool named = names != nullptr && names->items.size() == features;
  for (std::size_t f = 0; f < features; ++f)
    result->features.push_back({named ? names->items[f].text : absl::StrCat("f", f), -1});
  return absl::OkStatus();
}

absl::Status ReadTexts(const JsonNode& learner, std::vector<std::vector<std::string>>* texts) {
  const std::string text = TextAt(&learner, {"attributes", kCategoriesAttribute});
  if (text.empty()) return absl::OkStatus();
  const auto lists = ParseJson(text);
  if (!lists.ok()) return Bad(kCategoriesAttribute);
  for (const JsonNode& list : lists->items) {
    texts->emplace_back();
    for (const JsonNode& item : list.items) texts->back().push_back(item.text);
  }
  return absl::OkStatus();
}

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
  // base_score is a probability as text: the base goes into a tree of one leaf, where no digit is
  // lost.
  Tree base;
  base.leaf_value = {static_cast<float>(model.base_score + margin_offset)};
  base.leaf_cover = {0};
  const TreeWriter writer(foreign);
  std::string trees = writer.Write(0, base);
  for (std::size_t t = 0; t < model.trees.size(); ++t)
    absl::StrAppend(&trees, ",", writer.Write(t + 1, model.trees[t]));
  const std::size_t count = model.trees.size() + 1;
  const std::string attributes = lists.empty() ? "{}"
                                               : absl::StrCat("{\"", kCategoriesAttribute,
                                                              "\":", JsonString(List(texts)), "}");
  return absl::StrCat(
      "{\"learner\":{\"attributes\":", attributes, ",\"feature_names\":", List(names),
      ",\"feature_types\":", List(types),
      ",\"gradient_booster\":{\"model\":{\"gbtree_model_param\":{\"num_parallel_tree\":\"1\","
      "\"num_trees\":\"",
      count, "\",\"size_leaf_vector\":\"0\"},\"tree_info\":", List(std::vector<int>(count)),
      ",\"trees\":[", trees, "]},\"name\":\"gbtree\"},\"learner_model_param\":{\"base_score\":\"",
      logistic ? "5E-1" : "0E0",
      "\",\"boost_from_average\":\"1\",\"num_class\":\"0\",\"num_feature\":\"",
      foreign.features.size(), "\",\"num_target\":\"1\"},\"objective\":{\"name\":\"",
      logistic ? "binary:logistic" : "reg:squarederror",
      "\",\"reg_loss_param\":{\"scale_pos_weight\":\"1\"}}},\"version\":[1,7,4]}\n");
}

absl::StatusOr<ForeignModel> FromXgBoost(std::string_view text, bool libsvm) {
  const auto json = ParseJson(text);
  if (!json.ok()) return Bad(std::string(json.status().message()));
  const JsonNode* const learner = json->Find("learner");
  if (learner == nullptr) return Bad("it has no learner");
  ForeignModel result;
  result.libsvm = libsvm;
  double classes = 0, targets = 0;
  if ((NumberText(TextAt(learner, {"learner_model_param", "num_class"}), &classes) &&
       classes > 1) ||
      (NumberText(TextAt(learner, {"learner_model_param", "num_target"}), &targets) &&
       targets > 1)) {
    return absl::UnimplementedError("models of several classes or targets cannot be imported");
  }
  PS_RETURN_IF_ERROR(ReadObjective(*learner, &result.model));
  PS_RETURN_IF_ERROR(ReadFeatures(*learner, &result));
  const JsonNode* booster = learner->Find("gradient_booster");
  const std::string name = TextAt(booster, {"name"});
  const JsonNode* dropped = nullptr;
  if (name == "dart") {
    dropped = booster->Find("weight_drop");
    booster = booster->Find("gbtree");
  } else if (name != "gbtree") {
    return absl::UnimplementedError(absl::StrCat("booster \"", name.substr(0, 60),
                                                 "\" cannot be imported: only gbtree and dart"));
  }
  const JsonNode* const list = Walk(booster, {"model", "trees"});
  if (list == nullptr) return Bad("it has no trees");
  if (name == "dart" && (dropped == nullptr || dropped->items.size() != list->items.size()))
    return Bad("weight_drop");
  std::vector<std::vector<LooseNode>> trees;
  for (std::size_t t = 0; t < list->items.size(); ++t) {
    const double scale = dropped == nullptr ? 1 : dropped->items[t].number;
    PS_ASSIGN_OR_RETURN(std::vector<LooseNode> tree, TreeReader(list->items[t], t).Read(scale));
    trees.push_back(std::move(tree));
  }
  std::vector<std::vector<std::string>> texts;
  PS_RETURN_IF_ERROR(ReadTexts(*learner, &texts));
  PS_RETURN_IF_ERROR(BuildTrees(trees, texts, &result));
  return result;
}

}  // namespace ps
