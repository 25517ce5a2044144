// Contributions of columns against Shapley values by their definition, over all sets of columns.
#include "models/gbdt/contributions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "models/gbdt/booster.h"
#include "models/gbdt/predictor.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

double CoverOf(const Tree& tree, std::int32_t child) {
  return child < 0 ? tree.leaf_cover[static_cast<std::size_t>(~child)]
                   : tree.nodes[static_cast<std::size_t>(child)].cover;
}

bool Left(const Tree& tree, const TreeNode& node, float x) {
  if (node.kind == ColumnKind::kCategory)
    return Contains(tree.left_sets[node.left_set],
                    std::isnan(x) ? 0 : static_cast<std::uint8_t>(x));
  return std::isnan(x) ? node.missing_left : x < node.threshold;
}

// The tree's value where only the columns of `known` are: others send the row both ways, by cover.
double Expected(const Tree& tree, std::int32_t at, const float* row, unsigned known) {
  if (at < 0) return tree.leaf_value[static_cast<std::size_t>(~at)];
  const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
  if ((known >> node.column) & 1) {
    const bool left = Left(tree, node, row[node.column]);
    return Expected(tree, left ? node.left : node.right, row, known);
  }
  const double left = CoverOf(tree, node.left), right = CoverOf(tree, node.right);
  const double share = left + right > 0 ? left / (left + right) : 0.5;
  double sum = 0;
  if (share > 0) sum += share * Expected(tree, node.left, row, known);
  if (share < 1) sum += (1 - share) * Expected(tree, node.right, row, known);
  return sum;
}

std::vector<double> ShapleyValues(const TreeModel& model, const float* row) {
  const std::size_t columns = model.columns.size();
  std::vector<double> of_set(std::size_t{1} << columns, model.base_score);
  for (std::size_t set = 0; set < of_set.size(); ++set) {
    for (const Tree& tree : model.trees)
      of_set[set] += Expected(tree, tree.nodes.empty() ? ~0 : 0, row, static_cast<unsigned>(set));
  }
  std::vector<double> factorial{1};
  for (std::size_t n = 1; n <= columns; ++n)
    factorial.push_back(factorial.back() * static_cast<double>(n));
  std::vector<double> values(columns);
  for (std::size_t c = 0; c < columns; ++c) {
    for (std::size_t set = 0; set < of_set.size(); ++set) {
      if ((set >> c) & 1) continue;
      const auto size = static_cast<std::size_t>(std::popcount(set));
      values[c] += factorial[size] * factorial[columns - 1 - size] / factorial[columns] *
                   (of_set[set | (std::size_t{1} << c)] - of_set[set]);
    }
  }
  return values;
}

std::vector<float> RandomRow(const TreeModel& model, std::mt19937* random) {
  std::vector<float> row;
  for (const TreeColumn& column : model.columns) {
    const float value = column.kind == ColumnKind::kCategory
                            ? static_cast<float>(1 + (*random)() % 12)
                            : static_cast<float>((*random)() % 400) / 20;
    row.push_back((*random)() % 5 == 0 ? std::numeric_limits<float>::quiet_NaN() : value);
  }
  return row;
}

void ExpectShapley(const TreeModel& model, const float* row, const double* contributions,
                   double tolerance) {
  const std::vector<double> values = ShapleyValues(model, row);
  for (std::size_t c = 0; c < values.size(); ++c)
    ASSERT_NEAR(contributions[c], values[c], tolerance) << "column " << c;
}

TreeModel Grown(const SampleShape& shape, int trees, int leaves) {
  const BinnedSample sample = MakeSample(shape);
  BoostParams params;
  params.grow.max_leaves = leaves;
  Crew crew(2);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  TreeModel model;
  model.base_score = booster.base_score();
  for (int t = 0; t < trees; ++t) model.trees.push_back(booster.GrowNext());
  for (std::uint32_t c = 0; c < sample.columns.size(); ++c)
    model.columns.push_back({"c", c, sample.columns[c].kind, false, sample.columns[c].categories});
  return model;
}

TEST(Contributions, AreShapleyValues) {
  std::mt19937 random(1);
  for (const int categories : {0, 2}) {
    for (const int leaves : {2, 3, 7, 24}) {
      SampleShape shape;
      shape.rows = 2000;
      shape.columns = 9;
      shape.bins = 12;
      shape.categories = categories;
      shape.weights = leaves == 7;
      const TreeModel model = Grown(shape, 3, leaves);
      const auto explained = TreeContributions::Of(model);
      ASSERT_TRUE(explained.ok()) << explained.status();
      const TreePredictor predictor(model);
      std::vector<float> rows;
      constexpr std::size_t kRows = 70;
      for (std::size_t r = 0; r < kRows; ++r) {
        const std::vector<float> row = RandomRow(model, &random);
        rows.insert(rows.end(), row.begin(), row.end());
      }
      std::vector<double> contributions(kRows * model.columns.size(), 7);
      explained->Explain(rows.data(), kRows, contributions.data());
      for (std::size_t r = 0; r < kRows; ++r) {
        const std::size_t first = r * model.columns.size();
        ExpectShapley(model, rows.data() + first, contributions.data() + first, 1e-12);
        double sum = explained->base();
        for (std::size_t c = 0; c < model.columns.size(); ++c) sum += contributions[first + c];
        ASSERT_NEAR(sum, predictor.Margin(rows.data() + first), 1e-12);
      }
    }
  }
}

// A tree of random shape, columns and covers: columns come again and again on a path, and some
// children have no cover at all.
TreeModel RandomTree(int leaves, int columns, std::mt19937* random) {
  TreeModel model;
  for (int c = 0; c < columns; ++c)
    model.columns.push_back({"c", 0, ColumnKind::kNumber, false, {}});
  Tree tree;
  std::vector<std::pair<std::size_t, bool>> open;  // children to be: node, left
  for (int n = 0; n + 1 < leaves; ++n) {
    if (n > 0) {
      const std::size_t at = (*random)() % open.size();
      TreeNode& above = tree.nodes[open[at].first];
      (open[at].second ? above.left : above.right) = n;
      open.erase(open.begin() + static_cast<std::ptrdiff_t>(at));
    }
    TreeNode node;
    node.column = (*random)() % static_cast<unsigned>(columns);
    node.threshold = static_cast<float>((*random)() % 400) / 20;
    node.missing_left = (*random)() % 2 == 0;
    tree.nodes.push_back(node);
    open.push_back({static_cast<std::size_t>(n), true});
    open.push_back({static_cast<std::size_t>(n), false});
  }
  for (int leaf = 0; leaf < leaves; ++leaf) {
    TreeNode& above = tree.nodes[open[static_cast<std::size_t>(leaf)].first];
    (open[static_cast<std::size_t>(leaf)].second ? above.left : above.right) = ~leaf;
    tree.leaf_value.push_back(static_cast<float>((*random)() % 2001) / 1000 - 1);
    tree.leaf_cover.push_back((*random)() % 4 == 0 ? 0.0f : static_cast<float>((*random)() % 1000));
  }
  for (std::size_t n = tree.nodes.size(); n-- > 0;) {
    tree.nodes[n].cover =
        static_cast<float>(CoverOf(tree, tree.nodes[n].left) + CoverOf(tree, tree.nodes[n].right));
  }
  model.trees.push_back(tree);
  return model;
}

TEST(Contributions, OfRandomTreesAreShapleyValues) {
  std::mt19937 random(2);
  for (int round = 0; round < 60; ++round) {
    const int columns = 1 + static_cast<int>(random() % 10);
    const TreeModel model = RandomTree(2 + static_cast<int>(random() % 30), columns, &random);
    const auto explained = TreeContributions::Of(model);
    ASSERT_TRUE(explained.ok()) << explained.status();
    for (int r = 0; r < 20; ++r) {
      const std::vector<float> row = RandomRow(model, &random);
      std::vector<double> contributions(row.size());
      explained->Explain(row.data(), 1, contributions.data());
      ExpectShapley(model, row.data(), contributions.data(), 1e-12);
    }
  }
}

// A chain: every node asks for a column of its own, so a path has as many as there are nodes.
TreeModel Chain(int nodes, bool covers) {
  TreeModel model;
  Tree tree;
  for (int n = 0; n < nodes; ++n) {
    model.columns.push_back({"c", 0, ColumnKind::kNumber, false, {}});
    TreeNode node;
    node.column = static_cast<std::uint32_t>(n);
    node.threshold = 1;
    node.left = n + 1 < nodes ? n + 1 : ~0;
    node.right = ~(n + 1);
    node.cover = covers ? static_cast<float>(nodes + 1 - n) : 0;
    tree.nodes.push_back(node);
  }
  for (int leaf = 0; leaf <= nodes; ++leaf) {
    tree.leaf_value.push_back(static_cast<float>(leaf % 7) - 3);
    tree.leaf_cover.push_back(covers ? 1 : std::numeric_limits<float>::quiet_NaN());
  }
  model.trees.push_back(tree);
  return model;
}

TEST(Contributions, OfADeepTreeAddUpToTheMargin) {
  const TreeModel model = Chain(300, true);
  const auto explained = TreeContributions::Of(model);
  ASSERT_TRUE(explained.ok()) << explained.status();
  const TreePredictor predictor(model);
  std::mt19937 random(3);
  for (int r = 0; r < 20; ++r) {
    std::vector<float> row;
    for (std::size_t c = 0; c < 300; ++c) row.push_back(random() % 50 == 0 ? 2.0f : 0.0f);
    std::vector<double> contributions(row.size());
    explained->Explain(row.data(), 1, contributions.data());
    double sum = explained->base();
    for (const double contribution : contributions) sum += contribution;
    EXPECT_NEAR(sum, predictor.Margin(row.data()), 1e-9);
  }
}

TEST(Contributions, HaveADefinedEndForAnyModel) {
  // Covers that are no numbers: both sides alike.
  const TreeModel model = Chain(5, false);
  const auto explained = TreeContributions::Of(model);
  ASSERT_TRUE(explained.ok()) << explained.status();
  const std::vector<float> row(5, 0.0f);
  std::vector<double> contributions(5);
  explained->Explain(row.data(), 1, contributions.data());
  double sum = explained->base();
  for (const double contribution : contributions) sum += contribution;
  EXPECT_NEAR(sum, -3, 1e-12);
  EXPECT_TRUE(absl::IsResourceExhausted(TreeContributions::Of(Chain(20000, true)).status()));
  // No trees, and trees of one leaf.
  TreeModel constant;
  constant.base_score = 0.5;
  EXPECT_EQ(TreeContributions::Of(constant)->base(), 0.5);
  constant.trees.push_back({{}, {0.25f}, {1}, {}});
  const auto one_leaf = TreeContributions::Of(constant);
  EXPECT_EQ(one_leaf->base(), 0.75);
  one_leaf->Explain(nullptr, 3, nullptr);
}

}  // namespace
}  // namespace ps
