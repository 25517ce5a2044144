// Prediction by masks of leaves against walks: the same leaves and the same bits, on trees of all shapes.
#include "models/gbdt/predictor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <limits>
#include <random>
#include <vector>

namespace ps {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Shape {
  std::size_t columns = 5;
  std::size_t trees = 9;
  std::size_t most_leaves = 31;
  std::size_t outputs = 1;
  bool categories = false;
  int chain = 0;  // in tenths: splits of the newest leaf
};

float AnyNumber(std::mt19937& random) {
  static constexpr float kOdd[] = {0.0f, -0.0f, kInfinity, -kInfinity, 1e-45f, 3.0f};
  if (random() % 8 == 0) return kOdd[random() % 6];
  return static_cast<float>(random() % 40) / 4 - 5;  // often equal to a threshold
}

Tree RandomTree(const Shape& shape, std::mt19937& random) {
  Tree tree;
  struct Place {
    std::int32_t node;
    bool left;
  };
  std::vector<Place> leaves{{-1, false}};
  const std::size_t count = 1 + random() % shape.most_leaves;
  while (leaves.size() < count) {
    const std::size_t at =
        static_cast<int>(random() % 10) < shape.chain ? leaves.size() - 1 - random() % std::min<std::size_t>(2, leaves.size())
                                                       : random() % leaves.size();
    const auto node = static_cast<std::int32_t>(tree.nodes.size());
    TreeNode split;
    split.column = static_cast<std::uint32_t>(random() % shape.columns);
    split.missing_left = random() % 2 == 0;
    split.threshold = random() % 50 == 0 ? kNaN : AnyNumber(random);
    if (shape.categories && split.column % 2 == 0) {
      split.kind = ColumnKind::kCategory;
      split.left_set = static_cast<std::uint32_t>(tree.left_sets.size());
      tree.left_sets.push_back({});
      for (int i = 0; i < 120; ++i) Insert(&tree.left_sets.back(), static_cast<std::uint8_t>(random()));
    }
    tree.nodes.push_back(split);
    if (leaves[at].node >= 0) {
      TreeNode& above = tree.nodes[static_cast<std::size_t>(leaves[at].node)];
      (leaves[at].left ? above.left : above.right) = node;
    }
    leaves[at] = {node, true};
    leaves.push_back({node, false});
  }
  for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
    if (leaves[leaf].node >= 0) {
      TreeNode& above = tree.nodes[static_cast<std::size_t>(leaves[leaf].node)];
      (leaves[leaf].left ? above.left : above.right) = ~static_cast<std::int32_t>(leaf);
    }
    tree.leaf_value.push_back(static_cast<float>(random()) / 1e9f - 2);
    tree.leaf_cover.push_back(1);
  }
  return tree;
}

TreeModel RandomModel(const Shape& shape, std::mt19937& random) {
  TreeModel model;
  model.base_score = 0.1;
  for (std::size_t m = 0; shape.outputs > 1 && m < shape.outputs; ++m) {
    model.classes.push_back(std::to_string(m));
    model.class_scores.push_back(0.3 * static_cast<double>(m));
  }
  model.columns.resize(shape.columns);
  for (std::size_t t = 0; t < shape.trees * shape.outputs; ++t) model.trees.push_back(RandomTree(shape, random));
  return model;
}

std::vector<float> RandomRows(const Shape& shape, std::size_t count, std::mt19937& random) {
  std::vector<float> rows;
  const bool missing = random() % 4 != 0;
  for (std::size_t i = 0; i < count * shape.columns; ++i) {
    const bool category = shape.categories && i % shape.columns % 2 == 0;
    static constexpr float kNoBins[] = {-1, 256, 300.5f, 1e10f, -1e10f, kInfinity, -kInfinity};
    const float bin = random() % 9 == 0 ? kNoBins[random() % 7] : static_cast<float>(random() % 256);
    const float value = category ? bin : AnyNumber(random);
    rows.push_back(missing && random() % 4 == 0 ? kNaN : value);
  }
  return rows;
}

// Where the processor lacks the vectors both walk.
void ExpectAlike(const Shape& shape, std::size_t count, std::mt19937& random) {
  const TreeModel model = RandomModel(shape, random);
  const TreePredictor walks(model, TreePredictor::Way::kWalks), fastest(model);
  const std::vector<float> rows = RandomRows(shape, count, random);
  std::vector<float> margins[2];
  int which = 0;
  for (const TreePredictor* predictor : {&walks, &fastest}) {
    margins[which].resize(count * shape.outputs);
    predictor->Margins(rows.data(), count, margins[which++].data());
  }
  std::vector<std::uint32_t> leaves(walks.trees()), fast_leaves(walks.trees());
  std::vector<float> grown(shape.outputs), fast_grown(shape.outputs);
  for (std::size_t r = 0; r < count; ++r) {
    const float* const row = rows.data() + r * shape.columns;
    walks.Leaves(row, leaves.data());
    fastest.Leaves(row, fast_leaves.data());
    ASSERT_EQ(leaves, fast_leaves);
    for (std::size_t m = 0; m < shape.outputs; ++m) {
      const std::size_t at = r * shape.outputs + m;
      ASSERT_EQ(walks.Margin(row, m), fastest.Margin(row, m));
      ASSERT_EQ(margins[0][at], margins[1][at]) << r << " of " << count;
      ASSERT_EQ(margins[1][at], static_cast<float>(walks.Margin(row, m)));
    }
    walks.MarginsAsGrown(row, grown.data());
    fastest.MarginsAsGrown(row, fast_grown.data());
    ASSERT_EQ(grown, fast_grown);
  }
}

TEST(TreePredictor, MasksComeToTheLeavesOfWalks) {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
    Shape shape;
    shape.columns = std::array<std::size_t, 7>{1, 5, 16, 17, 32, 33, 200}[random() % 7];
    shape.trees = random() % 40;
    shape.most_leaves = std::array<std::size_t, 8>{1, 2, 31, 32, 33, 100, 700, 6000}[random() % 8];
    shape.outputs = std::array<std::size_t, 3>{1, 1, 3}[random() % 3];
    shape.categories = random() % 2 == 0;
    shape.chain = static_cast<int>(random() % 11);
    SCOPED_TRACE(::testing::Message() << "round " << round << ": columns " << shape.columns << ", trees " << shape.trees
                                      << ", leaves " << shape.most_leaves << ", outputs " << shape.outputs);
    ASSERT_NO_FATAL_FAILURE(ExpectAlike(shape, random() % 80, random));
  }
}

// A node whose left side is a word of leaves and more, or exactly one, or the last one.
TEST(TreePredictor, LeftSidesMayEndAnywhereInAWord) {
  std::mt19937 random(2);
  for (std::size_t leaves = 2; leaves <= 130; ++leaves) {
    TreeModel model;
    model.columns.resize(1);
    Tree tree;  // a chain to the left: node n's left side has all leaves but n + 1
    for (std::size_t n = 0; n + 1 < leaves; ++n) {
      TreeNode node;
      node.threshold = static_cast<float>(leaves - n);
      node.right = ~static_cast<std::int32_t>(n);
      node.left = n + 2 < leaves ? static_cast<std::int32_t>(n) + 1 : ~static_cast<std::int32_t>(n + 1);
      tree.nodes.push_back(node);
    }
    for (std::size_t leaf = 0; leaf < leaves; ++leaf) {
      tree.leaf_value.push_back(static_cast<float>(leaf));
      tree.leaf_cover.push_back(1);
    }
    model.trees.push_back(tree);
    const TreePredictor predictor(model);
    std::vector<float> rows, margins(leaves + 1);
    for (std::size_t i = 0; i <= leaves; ++i) rows.push_back(static_cast<float>(i) + 0.5f);
    predictor.Margins(rows.data(), rows.size(), margins.data());
    for (std::size_t i = 0; i <= leaves; ++i) {
      const std::size_t below = leaves - std::min(leaves, i);  // thresholds above the value
      EXPECT_EQ(margins[i], static_cast<float>(std::min(below, leaves - 1))) << leaves << " leaves, row " << i;
      EXPECT_EQ(predictor.Margin(rows.data() + i), margins[i]);
    }
  }
}

}  // namespace
}  // namespace ps
