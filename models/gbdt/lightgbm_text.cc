// LightGBM's text model. A row goes left by a number when x <= threshold, by a category when it is
// listed; missing categories go right.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "models/gbdt/foreign_trees.h"
#include "models/gbdt/json_value.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr int kCategoryBit = 1, kDefaultLeftBit = 2;
enum MissingType { kNone = 0, kZero = 1, kNan = 2 };
constexpr double kLargest = std::numeric_limits<double>::max();

// The largest double that, rounded to float, is below `threshold`.
double LastBelow(float threshold) {
  if (threshold == HUGE_VALF) return kLargest;
  const float below = std::nextafter(threshold, -HUGE_VALF);
  if (!std::isfinite(below)) return -kLargest;
  const double middle = (double{below} + double{threshold}) / 2;
  return static_cast<float>(middle) < threshold ? middle : std::nextafter(middle, -HUGE_VAL);
}

// The smallest float above: for values that are floats, x <= threshold is x < that.
float FirstAbove(double threshold) {
  if (threshold >= double{std::numeric_limits<float>::max()}) return HUGE_VALF;
  if (threshold < double{std::numeric_limits<float>::lowest()})
    return std::numeric_limits<float>::lowest();
  const auto near = static_cast<float>(threshold);
  return double{near} > threshold ? near : std::nextafter(near, HUGE_VALF);
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

absl::Status Bad(const std::string& what) {
  return absl::InvalidArgumentError(absl::StrCat("not a LightGBM text model: ", what));
}

using Fields = std::map<std::string, std::string_view, std::less<>>;

class TextReader {
 public:
  TextReader(std::string_view text, bool libsvm) {
    result_.libsvm = libsvm;
    text_ = text;
  }

  absl::StatusOr<ForeignModel> Read() {
    PS_RETURN_IF_ERROR(ReadHead());
    while (Peek().starts_with("Tree=")) {
      Next();
      Fields fields;
      while (at_ < text_.size() && !Peek().empty() && Peek().find('=') != std::string_view::npos &&
             !Peek().starts_with("Tree=")) {
        AddField(Next(), &fields);
      }
      while (at_ < text_.size() && Peek().empty()) Next();
      PS_RETURN_IF_ERROR(ReadTree(fields));
    }
    PS_RETURN_IF_ERROR(ReadCategories());
    // Random forests give the mean of their trees.
    double scale = sigmoid_;
    if (average_ && !trees_.empty()) scale /= static_cast<double>(trees_.size());
    for (auto& tree : trees_) {
      for (LooseNode& node : tree) node.value *= scale;
    }
    PS_RETURN_IF_ERROR(BuildTrees(trees_, categories_, &result_));
    return std::move(result_);
  }

 private:
  std::string_view Peek() const {
    std::string_view line = text_.substr(at_, text_.find('\n', at_) - at_);
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
  }
  std::string_view Next() {
    const std::string_view line = Peek();
    const std::size_t end = text_.find('\n', at_);
    at_ = end == std::string_view::npos ? text_.size() : end + 1;
    return line;
  }
  static void AddField(std::string_view line, Fields* fields) {
    const std::size_t equals = line.find('=');
    (*fields)[std::string(line.substr(0, equals))] =
        equals == std::string_view::npos ? std::string_view() : line.substr(equals + 1);
  }
  static std::string_view Get(const Fields& fields, std::string_view name) {
    const auto found = fields.find(name);
    return found == fields.end() ? std::string_view() : found->second;
  }

  template <typename Number>
  static bool Numbers(const Fields& fields, const char* name, std::size_t count, bool must,
                      std::vector<Number>* out) {
    const std::string_view text = Get(fields, name);
    if (text.empty() && !must) {
      out->assign(count, Number());
      return true;
    }
    for (std::size_t at = 0; at < text.size();) {
      if (text[at] == ' ') {
        ++at;
        continue;
      }
      Number number{};
      const auto [end, error] =
          std::from_chars(text.data() + at, text.data() + text.size(), number);
      if (error != std::errc() || (end != text.data() + text.size() && *end != ' ')) return false;
      at = static_cast<std::size_t>(end - text.data());
      out->push_back(number);
    }
    return out->size() == count;
  }

  absl::Status ReadHead() {
    if (Next() != "tree") return Bad("the first line is not \"tree\"");
    Fields fields;
    while (at_ < text_.size() && !Peek().starts_with("Tree=") && Peek() != "end of trees") {
      const std::string_view line = Next();
      if (!line.empty()) AddField(line, &fields);
    }
    for (const char* name : {"num_class", "num_tree_per_iteration"}) {
      if (fields.contains(name) && Get(fields, name) != "1")
        return absl::UnimplementedError("models of several classes cannot be imported");
    }
    average_ = fields.contains("average_output");
    for (const auto name : absl::StrSplit(absl::string_view(Get(fields, "feature_names").data(),
                                                            Get(fields, "feature_names").size()),
                                          ' ', absl::SkipEmpty())) {
      result_.features.push_back({std::string(name), -1});
    }
    std::int64_t last = -1;
    const std::string_view index = Get(fields, "max_feature_idx");
    const bool number =
        std::from_chars(index.data(), index.data() + index.size(), last).ec == std::errc();
    if (!number || last + 1 != static_cast<std::int64_t>(result_.features.size()))
      return Bad("feature_names and max_feature_idx differ");
    const std::string_view infos = Get(fields, "feature_infos");
    for (const auto info :
         absl::StrSplit(absl::string_view(infos.data(), infos.size()), ' ', absl::SkipEmpty())) {
      infos_category_.push_back(info != "none" && !absl::StartsWith(info, "["));
    }
    if (infos_category_.size() != result_.features.size())
      return Bad("feature_names and feature_infos differ");
    return ReadObjective(Get(fields, "objective"));
  }

  absl::Status ReadObjective(std::string_view text) {
    const std::vector<std::string> words =
        absl::StrSplit(absl::string_view(text.data(), text.size()), ' ', absl::SkipEmpty());
    const std::string name = words.empty() ? "" : words[0];
    for (const char* identity :
         {"regression", "regression_l1", "huber", "fair", "quantile", "mape"}) {
      if (name == identity) result_.model.objective = Objective::kSquared;
    }
    if (name == "binary" || name == "cross_entropy") {
      for (const std::string& word : words) {
        if (!absl::StartsWith(word, "sigmoid:")) continue;
        const char* const begin = word.data() + 8;
        if (std::from_chars(begin, word.data() + word.size(), sigmoid_).ec != std::errc() ||
            !(sigmoid_ > 0) || !std::isfinite(sigmoid_)) {
          return Bad("sigmoid is not a number above 0");
        }
      }
    } else if (result_.model.objective != Objective::kSquared ||
               std::find(words.begin(), words.end(), "sqrt") != words.end()) {
      return absl::UnimplementedError(absl::StrCat(
          "objective \"", std::string(text.substr(0, 60)),
          "\" cannot be imported: only binary, cross_entropy and regressions on the plain scale"));
    }
    return absl::OkStatus();
  }

  absl::Status ReadTree(const Fields& fields) {
    const std::string tree = absl::StrCat("tree ", trees_.size(), ": ");
    std::vector<std::int64_t> leaves_of;
    if (!Numbers(fields, "num_leaves", 1, true, &leaves_of) || leaves_of[0] < 1 ||
        static_cast<std::uint64_t>(leaves_of[0]) > text_.size()) {
      return Bad(tree + "num_leaves");
    }
    const auto leaves = static_cast<std::size_t>(leaves_of[0]), nodes = leaves - 1;
    if (!Get(fields, "is_linear").empty() && Get(fields, "is_linear") != "0")
      return absl::UnimplementedError(tree + "trees with linear leaves cannot be imported");
    std::vector<double> value, weight, threshold, gain, cover;
    std::vector<std::int64_t> feature, decision, left, right, count;
    std::vector<std::size_t> boundaries;
    std::vector<std::uint32_t> words;
    std::vector<std::size_t> sets_of;
    if (!Numbers(fields, "leaf_value", leaves, true, &value)) return Bad(tree + "leaf_value");
    if (!Numbers(fields, "leaf_weight", nodes == 0 ? 0 : leaves, false, &weight) && nodes > 0)
      return Bad(tree + "leaf_weight");
    const bool must = nodes > 0;
    if (!Numbers(fields, "split_feature", nodes, must, &feature) ||
        !Numbers(fields, "threshold", nodes, must, &threshold) ||
        !Numbers(fields, "left_child", nodes, must, &left) ||
        !Numbers(fields, "right_child", nodes, must, &right) ||
        !Numbers(fields, "decision_type", nodes, false, &decision) ||
        !Numbers(fields, "split_gain", nodes, false, &gain) ||
        !Numbers(fields, "internal_weight", nodes, false, &cover)) {
      return Bad(tree + "its lists are malformed or differ in length");
    }
    if (!Numbers(fields, "num_cat", 1, true, &sets_of) || sets_of[0] > nodes)
      return Bad(tree + "num_cat");
    if (sets_of[0] > 0) {
      if (!Numbers(fields, "cat_boundaries", sets_of[0] + 1, true, &boundaries) ||
          !std::is_sorted(boundaries.begin(), boundaries.end()) ||
          boundaries.back() > text_.size() ||
          !Numbers(fields, "cat_threshold", boundaries.back(), true, &words)) {
        return Bad(tree + "its sets of categories");
      }
    }
    std::vector<LooseNode> loose(nodes + leaves);
    for (std::size_t n = 0; n < nodes; ++n) {
      LooseNode& node = loose[n];
      const auto place = [&](std::int64_t child) {
        return static_cast<std::uint64_t>(child >= 0 ? child
                                                     : ~child + static_cast<std::int64_t>(nodes));
      };
      node.left = place(left[n]);
      node.right = place(right[n]);
      node.feature = static_cast<std::uint64_t>(feature[n]);
      node.gain = gain[n];
      node.cover = cover[n];
      if ((decision[n] & kCategoryBit) != 0) {
        if (!(threshold[n] >= 0 && threshold[n] < static_cast<double>(sets_of[0])))
          return Bad(tree + "a set of categories that is not there");
        node.category = true;
        const auto set = static_cast<std::size_t>(threshold[n]);
        for (std::size_t w = boundaries[set]; w < boundaries[set + 1]; ++w) {
          for (std::uint32_t bit = 0; bit < 32; ++bit) {
            if ((words[w] >> bit & 1) != 0)
              node.listed.push_back(static_cast<std::uint32_t>(w - boundaries[set]) * 32 + bit);
          }
        }
        continue;
      }
      PS_RETURN_IF_ERROR(ReadNumberRule(static_cast<int>(decision[n]), threshold[n], &node));
    }
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
      LooseNode& node = loose[nodes + leaf];
      node.leaf = true;
      node.value = value[leaf];
      node.cover = leaf < weight.size() ? weight[leaf] : 0;
    }
    trees_.push_back(std::move(loose));
    return absl::OkStatus();
  }

  absl::Status ReadNumberRule(int decision, double threshold, LooseNode* node) {
    if (threshold != threshold) return Bad("a threshold is not a number");
    node->threshold = FirstAbove(threshold);
    const int missing = decision >> 2 & 3;
    const bool default_left = (decision & kDefaultLeftBit) != 0, zero_left = 0 <= threshold;
    // LightGBM takes what a libsvm row does not have for 0, and 0 for missing where it was told so.
    const bool zero_goes_left = missing == kZero ? default_left : zero_left;
    node->missing_left = result_.libsvm || missing == kNone ? zero_goes_left : default_left;
    if (!result_.libsvm && missing == kZero && default_left != zero_left) {
      return absl::UnimplementedError(
          "a model for which 0 is missing (zero_as_missing) cannot score a table here: import it "
          "with --data_format libsvm");
    }
    return absl::OkStatus();
  }

  // The last line names the texts of categories, where Python's pandas made the codes.
  absl::Status ReadCategories() {
    constexpr std::string_view kName = "\npandas_categorical:";
    const std::size_t found = text_.rfind(kName);
    if (found == std::string_view::npos || found < at_) return absl::OkStatus();
    const std::string_view rest = text_.substr(found + kName.size());
    const auto lists = ParseJson(rest.substr(0, rest.find('\n')));
    if (!lists.ok()) return Bad("pandas_categorical");
    if (lists->items.empty()) return absl::OkStatus();
    std::size_t next = 0;
    categories_.resize(result_.features.size());
    for (std::size_t f = 0; f < categories_.size(); ++f) {
      if (!infos_category_[f]) continue;
      if (next == lists->items.size()) return Bad("pandas_categorical names fewer columns");
      for (const JsonNode& text : lists->items[next].items) {
        categories_[f].push_back(text.kind == JsonNode::Kind::kText ? text.text
                                                                    : Digits(text.number));
      }
      ++next;
    }
    return next == lists->items.size()
               ? absl::OkStatus()
               : Bad("pandas_categorical names more columns than are categories");
  }

  std::string_view text_;
  std::size_t at_ = 0;
  ForeignModel result_;
  double sigmoid_ = 1;
  bool average_ = false;
  std::vector<bool> infos_category_;
  std::vector<std::vector<LooseNode>> trees_;
  std::vector<std::vector<std::string>> categories_;
};

}  // namespace

absl::StatusOr<std::string> ToLightGbm(const ForeignModel& foreign, double margin_offset) {
  const TreeModel& model = foreign.model;
  PS_ASSIGN_OR_RETURN(const std::vector<std::string> lists, CategoryLists(foreign));
  std::string out = absl::StrCat(
      "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=",
      static_cast<std::int64_t>(foreign.features.size()) - 1,
      "\nobjective=", model.objective == Objective::kLogistic ? "binary sigmoid:1" : "regression",
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
  absl::StrAppend(
      &out,
      "Tree=0\nnum_leaves=1\nnum_cat=0\nsplit_feature=\nsplit_gain=\nthreshold=\n"
      "decision_type=\nleft_child=\nright_child=\nleaf_value=",
      Digits(model.base_score + margin_offset),
      "\nleaf_weight=\nleaf_count=\ninternal_value=\ninternal_weight=\ninternal_count=\n"
      "is_linear=0\nshrinkage=1\n\n\n");
  for (std::size_t t = 0; t < model.trees.size(); ++t) writer.Add(t + 1, model.trees[t], &out);
  absl::StrAppend(&out,
                  "end of trees\n\nfeature_importances:\n\nparameters:\nend of parameters\n\n",
                  "pandas_categorical:[", absl::StrJoin(lists, ", "), "]\n");
  return out;
}

absl::StatusOr<ForeignModel> FromLightGbm(std::string_view text, bool libsvm) {
  return TextReader(text, libsvm).Read();
}

}  // namespace ps
