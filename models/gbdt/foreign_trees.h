// What the readers and writers of other tools' models share.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "models/gbdt/foreign_model.h"

namespace ps {

// A node of a tree as read: children are places in the list, in any order.
struct LooseNode {
  bool leaf = false;
  double value = 0;  // leaves
  std::uint64_t feature = 0;
  bool category = false;
  bool missing_left = false;  // categories as well; of those, what is not in `listed` and not
                              // missing goes the other way of the listed ones
  float threshold = 0;                // numbers: values below it go left
  std::vector<std::uint32_t> listed;  // category codes
  bool listed_left = true;
  std::uint64_t left = 0, right = 0;
  double gain = 0, cover = 0;
};

// Where files of other tools keep what they have no words for: texts of categories and names of classes.
// XGBoost carries attributes along unread, LightGBM lines behind its own.
inline constexpr char kCategoriesAttribute[] = "hyperplane_categories";
inline constexpr char kClassesAttribute[] = "hyperplane_classes";

// Makes it a softmax of `count` classes with base scores `score`. `names` is a list of JSON; empty: they
// are called 0, 1, ... InvalidArgument: not as many distinct texts.
absl::Status SetClasses(std::size_t count, double score, std::string_view names, TreeModel* model);
// The names of the classes as a list of JSON. Unimplemented: one is not UTF-8.
absl::StatusOr<std::string> ClassList(const TreeModel& model);

// Trees as read to a model. Set the base scores and objective of `result->model`, and the features'
// names, before. Trees of classes come in rounds; one whose trees are all of one leaf goes into the base
// scores. `categories` are texts of codes by feature, empty where a code is its own text.
absl::Status BuildTrees(const std::vector<std::vector<LooseNode>>& trees,
                        const std::vector<std::vector<std::string>>& categories,
                        ForeignModel* result);

// The mean value below each node, weighted by cover.
std::vector<double> NodeMeans(const Tree& tree);

// What a node's rule is with missing values, and categories that the model does not know, on the
// side that another tool has for them. Codes are numbers of bins less one.
std::vector<std::uint32_t> CodesOfSide(const TreeModel& model, const Tree& tree,
                                       const TreeNode& node, bool left);

// By feature, the texts of its categories as a list of JSON; only of features that are categories.
// Unimplemented: a text is not UTF-8.
absl::StatusOr<std::vector<std::string>> CategoryLists(const ForeignModel& model);

// A name that both tools take: no blanks, no punctuation of JSON, no brackets, distinct.
std::vector<std::string> PlainNames(const std::vector<ForeignFeature>& features);

// The shortest digits that read back as the same number.
std::string Digits(double value);
std::string Digits(float value);

}  // namespace ps
