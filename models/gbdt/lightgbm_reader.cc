// LightGBM's text model. A row goes left by a number when x <= threshold, by a category when it is
// listed; missing categories go right.
#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "models/gbdt/foreign_trees.h"
#include "models/gbdt/json_value.h"
#include "models/gbdt/lightgbm_bits.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// The smallest float above: for values that are floats, x <= threshold is x < that.
float FirstAbove(double threshold) {
  if (threshold >= double{std::numeric_limits<float>::max()}) return HUGE_VALF;
  if (threshold < double{std::numeric_limits<float>::lowest()})
    return std::numeric_limits<float>::lowest();
  const auto near = static_cast<float>(threshold);
  return double{near} > threshold ? near : std::nextafter(near, HUGE_VALF);
}

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
    const double rounds = static_cast<double>(trees_.size()) / static_cast<double>(classes_);
    if (average_ && !trees_.empty()) scale /= rounds;
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
    const std::string_view classes = fields.contains("num_class") ? Get(fields, "num_class") : "1";
    const auto [end, error] = std::from_chars(classes.data(), classes.data() + classes.size(), classes_);
    if (error != std::errc() || end != classes.data() + classes.size() || classes_ < 1)
      return Bad("num_class is no number of classes");
    if (fields.contains("num_tree_per_iteration") && Get(fields, "num_tree_per_iteration") != classes)
      return absl::UnimplementedError("a model without a tree for each class in every round cannot be imported");
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
    if (name == "multiclass" || name == "softmax") return SetClasses(classes_, 0, ClassNames(), &result_.model);
    if (classes_ > 1) {
      return absl::UnimplementedError(absl::StrCat("objective \"", std::string(text.substr(0, 60)),
                                                   "\" of several classes cannot be imported: only multiclass"));
    }
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
          "\" cannot be imported: only binary, cross_entropy, multiclass and regressions on the plain scale"));
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

  // What our writer leaves in a line of its own; empty where there is none.
  std::string_view ClassNames() const {
    const std::string begin = absl::StrCat("\n", kClassesAttribute, ":");
    const std::size_t found = text_.rfind(begin);
    if (found == std::string_view::npos) return {};
    const std::string_view rest = text_.substr(found + begin.size());
    return rest.substr(0, rest.find('\n'));
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
  std::size_t classes_ = 1;
  bool average_ = false;
  std::vector<bool> infos_category_;
  std::vector<std::vector<LooseNode>> trees_;
  std::vector<std::vector<std::string>> categories_;
};

}  // namespace

absl::StatusOr<ForeignModel> FromLightGbm(std::string_view text, bool libsvm) {
  return TextReader(text, libsvm).Read();
}

}  // namespace ps
