// Models: the file, damage to it, and prediction against a plain walk.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "models/gbdt/predictor.h"
#include "models/gbdt/tree_model.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

TreeModel Grown(int categories, int trees, int leaves) {
  SampleShape shape;
  shape.rows = 3000;
  shape.categories = categories;
  const BinnedSample sample = MakeSample(shape);
  BoostParams params;
  params.grow.max_leaves = leaves;
  Crew crew(2);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  TreeModel model;
  model.base_score = booster.base_score();
  for (int t = 0; t < trees; ++t) model.trees.push_back(booster.GrowNext());
  for (std::uint32_t c = 0; c < sample.columns.size(); ++c) {
    model.columns.push_back({"c" + std::to_string(c), 10 + c, sample.columns[c].kind, false,
                             sample.columns[c].categories});
  }
  return model;
}

double Walk(const TreeModel& model, const float* row) {
  double sum = model.base_score;
  for (const Tree& tree : model.trees) {
    std::int32_t at = tree.nodes.empty() ? ~0 : 0;
    while (at >= 0) {
      const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
      const float x = row[node.column];
      bool left = std::isnan(x) ? node.missing_left : x < node.threshold;
      if (node.kind == ColumnKind::kCategory) {
        left = Contains(tree.left_sets[node.left_set],
                        std::isnan(x) ? 0 : static_cast<std::uint8_t>(x));
      }
      at = left ? node.left : node.right;
    }
    sum += tree.leaf_value[static_cast<std::size_t>(~at)];
  }
  return sum;
}

TEST(TreeModel, PredictsAsAPlainWalkDoes) {
  for (const int categories : {0, 2}) {
    for (const int trees : {0, 1, 8, 21}) {
      const TreeModel model = Grown(categories, trees, 20);
      const TreePredictor predictor(model);
      std::mt19937 random(4);
      std::vector<float> rows;
      const std::size_t count = 203;
      for (std::size_t r = 0; r < count; ++r) {
        for (std::size_t c = 0; c < model.columns.size(); ++c) {
          const bool category = model.columns[c].kind == ColumnKind::kCategory;
          const float value = category ? static_cast<float>(1 + random() % 20)
                                       : static_cast<float>(random() % 400) / 20;
          rows.push_back(random() % 5 == 0 ? std::numeric_limits<float>::quiet_NaN() : value);
        }
      }
      std::vector<float> margins(count);
      predictor.Margins(rows.data(), count, margins.data());
      for (std::size_t r = 0; r < count; ++r) {
        const float* const row = rows.data() + r * model.columns.size();
        ASSERT_DOUBLE_EQ(predictor.Margin(row), Walk(model, row));
        ASSERT_EQ(margins[r], static_cast<float>(predictor.Margin(row)));
      }
    }
  }
}

TEST(TreeModel, ComesBackFromItsFile) {
  TreeModel model = Grown(1, 5, 6);
  const std::size_t all = model.columns.size();
  model.DropUnusedColumns();
  EXPECT_LT(model.columns.size(), all);  // one column is constant
  const std::string bytes = model.Serialize();
  const absl::StatusOr<TreeModel> back = TreeModel::Parse(bytes);
  ASSERT_TRUE(back.ok()) << back.status();
  EXPECT_EQ(back->Serialize(), bytes);
  EXPECT_EQ(back->trees.size(), 5u);
  EXPECT_EQ(back->columns[0].name, "c0");
  EXPECT_EQ(back->columns[0].source, 10u);
  EXPECT_EQ(back->columns[0].categories.size(), 20u);
  std::uint64_t splits = 0;
  double last = std::numeric_limits<double>::infinity();
  for (const ColumnImportance& column : Importance(*back)) {
    splits += column.splits;
    EXPECT_LE(column.gain, last);
    last = column.gain;
  }
  EXPECT_EQ(splits, 5 * 5u);
}

TEST(TreeModel, DamagedFilesAreRefusedOrSafe) {
  const TreeModel model = Grown(1, 3, 8);
  const std::string bytes = model.Serialize();
  std::mt19937 random(8);
  int refused = 0;
  const std::vector<float> row(model.columns.size(), 3.0f);
  for (int round = 0; round < 3000; ++round) {
    std::string damaged = bytes;
    for (unsigned i = 0; i < 1 + random() % 3; ++i)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    if (round % 7 == 0) damaged.resize(random() % damaged.size());
    const absl::StatusOr<TreeModel> parsed = TreeModel::Parse(damaged);
    refused += !parsed.ok();
    // Whatever is accepted can be walked.
    if (!parsed.ok() || parsed->columns.size() > row.size()) continue;
    const TreePredictor predictor(*parsed);
    predictor.Margin(row.data());
    std::vector<std::uint32_t> leaves(predictor.trees());
    predictor.Leaves(row.data(), leaves.data());
    for (std::size_t t = 0; t < leaves.size(); ++t) EXPECT_LT(leaves[t], parsed->trees[t].leaf_value.size());
    std::vector<float> rows, margins(20);
    for (int i = 0; i < 20; ++i) rows.insert(rows.end(), row.begin(), row.begin() + static_cast<std::ptrdiff_t>(parsed->columns.size()));
    predictor.Margins(rows.data(), margins.size(), margins.data());
    EXPECT_EQ(margins[19], static_cast<float>(predictor.Margin(row.data())));
  }
  EXPECT_GT(refused, 1000);
}

}  // namespace
}  // namespace ps
