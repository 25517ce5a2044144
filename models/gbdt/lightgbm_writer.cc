// LightGBM's text model. A row goes left by a number when x <= threshold, by a category when it is
// listed; missing categories go right.
#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/gbdt/foreign_trees.h"
#include "models/gbdt/lightgbm_bits.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr double kLargest = std::numeric_limits<double>::max();

// The largest double that, rounded to float, is below `threshold`.
double LastBelow(float threshold) {
  if (threshold == HUGE_VALF) return kLargest;
  const float below = std::nextafter(threshold, -HUGE_VALF);
  if (!std::isfinite(below)) return -kLargest;
  const double middle = (double{below} + double{threshold}) / 2;
  return static_cast<float>(middle) < threshold ? middle : std::nextafter(middle, -HUGE_VAL);
}

template <typename Values>
void Line(const char* name, const Values& values, std::string* out) {
  absl::StrAppend(out, name, "=", absl::StrJoin(values, " "), "\n");
}
class Writer {
 public:
  explicit Writer(const ForeignModel& model) : foreign_(model), model_(model.model) {
    feature_.resize(model_.columns.size());
    for (std::size_t f = 0; f < model.features.size(); ++f) {
      if (model.features[f].column >= 0)
        feature_[static_cast<std::size_t>(model.features[f].column)] = f;
    }
  }

  void Add(std::size_t number, const Tree& tree, std::string* out) const {
    std::vector<std::size_t> feature;
    std::vector<std::string> gain, threshold, value, weight, mean, cover;
    std::vector<int> decision, left, right;
    std::vector<std::int64_t> leaf_count, count(tree.nodes.size());
    std::vector<std::size_t> boundaries{0};
    std::vector<std::uint32_t> words;
    const std::vector<double> means = NodeMeans(tree);
    for (std::size_t leaf = 0; leaf < tree.leaf_value.size(); ++leaf) {
      value.push_back(Digits(double{tree.leaf_value[leaf]}));
      weight.push_back(Digits(tree.leaf_cover[leaf]));
      // Rows are not kept; hessians stand for them.
      leaf_count.push_back(static_cast<std::int64_t>(
          std::clamp(std::round(double{tree.leaf_cover[leaf]}), 1.0, 1e6)));
    }
    for (std::size_t n = tree.nodes.size(); n-- > 0;) {
      for (const std::int32_t child : {tree.nodes[n].left, tree.nodes[n].right}) {
        count[n] += child < 0 ? leaf_count[static_cast<std::size_t>(~child)]
                              : count[static_cast<std::size_t>(child)];
      }
    }
    for (std::size_t n = 0; n < tree.nodes.size(); ++n) {
      const TreeNode& node = tree.nodes[n];
      feature.push_back(feature_[node.column]);
      gain.push_back(Digits(node.gain));
      cover.push_back(Digits(node.cover));
      mean.push_back(Digits(means[n]));
      bool swap = false;
      if (node.kind == ColumnKind::kCategory) {
        // Missing and unknown ones go right there: list the other side.
        swap = Contains(tree.left_sets[node.left_set], 0);
        threshold.push_back(absl::StrCat(boundaries.size() - 1));
        decision.push_back(kCategoryBit);
        std::vector<std::uint32_t> bits(1);
        for (const std::uint32_t code : CodesOfSide(model_, tree, node, !swap)) {
          if (code / 32 >= bits.size()) bits.resize(code / 32 + 1);
          bits[code / 32] |= 1u << (code % 32);
        }
        words.insert(words.end(), bits.begin(), bits.end());
        boundaries.push_back(words.size());
      } else {
        threshold.push_back(Digits(LastBelow(node.threshold)));
        const int missing = !foreign_.libsvm ? kNan : model_.absent_is_zero ? kNone : kZero;
        decision.push_back(missing << 2 | (node.missing_left ? kDefaultLeftBit : 0));
      }
      left.push_back(swap ? node.right : node.left);
      right.push_back(swap ? node.left : node.right);
    }
    absl::StrAppend(out, "Tree=", number, "\nnum_leaves=", tree.leaf_value.size(),
                    "\nnum_cat=", boundaries.size() - 1, "\n");
    Line("split_feature", feature, out);
    Line("split_gain", gain, out);
    Line("threshold", threshold, out);
    Line("decision_type", decision, out);
    Line("left_child", left, out);
    Line("right_child", right, out);
    Line("leaf_value", value, out);
    Line("leaf_weight", weight, out);
    Line("leaf_count", leaf_count, out);
    Line("internal_value", mean, out);
    Line("internal_weight", cover, out);
    Line("internal_count", count, out);
    if (boundaries.size() > 1) {
      Line("cat_boundaries", boundaries, out);
      Line("cat_threshold", words, out);
    }
    absl::StrAppend(out, "is_linear=0\nshrinkage=1\n\n\n");
  }

 private:
  const ForeignModel& foreign_;
  const TreeModel& model_;
  std::vector<std::size_t> feature_;  // of each column
};

}  // namespace

absl::StatusOr<std::string> ToLightGbm(const ForeignModel& foreign, double margin_offset) {
  const TreeModel& model = foreign.model;
  PS_ASSIGN_OR_RETURN(const std::vector<std::string> lists, CategoryLists(foreign));
  const std::size_t outputs = model.outputs();
  const std::string objective = model.objective == Objective::kSoftmax ? absl::StrCat("multiclass num_class:", outputs)
                                : model.objective == Objective::kLogistic ? "binary sigmoid:1"
                                                                          : "regression";
  PS_ASSIGN_OR_RETURN(const std::string classes, ClassList(model));
  std::string out = absl::StrCat(
      "tree\nversion=v4\nnum_class=", outputs, "\nnum_tree_per_iteration=", outputs,
      "\nlabel_index=0\nmax_feature_idx=", static_cast<std::int64_t>(foreign.features.size()) - 1,
      "\nobjective=", objective,
      "\nfeature_names=", absl::StrJoin(PlainNames(foreign.features), " "), "\nfeature_infos=");
  for (std::size_t f = 0; f < foreign.features.size(); ++f) {
    const std::int64_t column = foreign.features[f].column;
    std::string info = "none";
    if (column >= 0) {
      const TreeColumn& of = model.columns[static_cast<std::size_t>(column)];
      info = "[-1e+308:1e+308]";
      if (of.kind == ColumnKind::kCategory) {
        info.clear();
        for (std::size_t code = 0; code < std::max<std::size_t>(1, of.categories.size()); ++code)
          absl::StrAppend(&info, code == 0 ? "" : ":", code);
      }
    }
    absl::StrAppend(&out, f == 0 ? "" : " ", info);
  }
  out += "\n\n";
  const Writer writer(foreign);
  // A tree of one leaf is the base score.
  for (std::size_t output = 0; output < outputs; ++output) {
    absl::StrAppend(
        &out, "Tree=", output,
        "\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\n"
        "decision_type=\nleft_child=\nright_child=\nleaf_value=",
        Digits(model.BaseScore(output) + margin_offset),
        "\nleaf_weight=\nleaf_count=\ninternal_value=\ninternal_weight=\ninternal_count=\n"
        "is_linear=0\nshrinkage=1\n\n\n");
  }
  for (std::size_t t = 0; t < model.trees.size(); ++t) writer.Add(outputs + t, model.trees[t], &out);
  out += "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\n";
  if (outputs > 1) absl::StrAppend(&out, kClassesAttribute, ":", classes, "\n");
  absl::StrAppend(&out, "pandas_categorical:[", absl::StrJoin(lists, ", "), "]\n");
  return out;
}

}  // namespace ps
