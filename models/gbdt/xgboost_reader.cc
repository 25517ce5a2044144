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
  double classes = 0;
  if (NumberText(TextAt(&learner, {"learner_model_param", "num_class"}), &classes) && classes > 1) {
    if (name != "multi:softprob" && name != "multi:softmax")
      return absl::UnimplementedError(absl::StrCat("objective \"", name.substr(0, 60),
                                                   "\" of several classes cannot be imported: only multi:softprob"));
    return SetClasses(static_cast<std::size_t>(std::min(classes, 1e9)), base,
                      TextAt(&learner, {"attributes", kClassesAttribute}), model);
  }
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
        "\" cannot be imported: only binary:logistic, binary:logitraw, reg:logistic, multi:softprob, "
        "multi:softmax and regressions on the plain scale"));
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

// Trees of classes in rounds, as ours are: several trees of a class may lie side by side there.
absl::Status OrderByClass(const JsonNode* info, std::size_t classes, std::vector<std::vector<LooseNode>>* trees) {
  if (info == nullptr || info->items.size() != trees->size()) return Bad("tree_info");
  std::vector<std::vector<std::size_t>> of_class(classes);
  for (std::size_t t = 0; t < trees->size(); ++t) {
    const double number = info->items[t].number;
    if (!(number >= 0 && number < static_cast<double>(classes)) || number != std::floor(number))
      return Bad("tree_info names a class that is not there");
    of_class[static_cast<std::size_t>(number)].push_back(t);
  }
  std::vector<std::vector<LooseNode>> ordered;
  for (std::size_t t = 0; t < trees->size(); ++t) {
    const std::vector<std::size_t>& of = of_class[t % classes];
    if (t / classes >= of.size()) return Bad("one class has fewer trees than another");
    ordered.push_back(std::move((*trees)[of[t / classes]]));
  }
  *trees = std::move(ordered);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<ForeignModel> FromXgBoost(std::string_view text, bool libsvm) {
  const auto json = ParseJson(text);
  if (!json.ok()) return Bad(std::string(json.status().message()));
  const JsonNode* const learner = json->Find("learner");
  if (learner == nullptr) return Bad("it has no learner");
  ForeignModel result;
  result.libsvm = libsvm;
  double targets = 0;
  if (NumberText(TextAt(learner, {"learner_model_param", "num_target"}), &targets) && targets > 1)
    return absl::UnimplementedError("models of several targets cannot be imported");
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
  if (const std::size_t classes = result.model.classes.size(); classes > 0)
    PS_RETURN_IF_ERROR(OrderByClass(Walk(booster, {"model", "tree_info"}), classes, &trees));
  std::vector<std::vector<std::string>> texts;
  PS_RETURN_IF_ERROR(ReadTexts(*learner, &texts));
  PS_RETURN_IF_ERROR(BuildTrees(trees, texts, &result));
  return result;
}

}  // namespace ps
