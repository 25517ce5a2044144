// Leaves as features: the keys of the leaves that a plain walk finds, whoever parses.
#include "models/gbdt/leaf_keys.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>
#include <set>

#include "models/features/plan.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

TreeModel Grown(int categories, int trees) {
  SampleShape shape;
  shape.rows = 2000;
  shape.categories = categories;
  const BinnedSample sample = MakeSample(shape);
  BoostParams params;
  params.grow.max_leaves = 12;
  Crew crew(2);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  TreeModel model;
  for (int t = 0; t < trees; ++t) model.trees.push_back(booster.GrowNext());
  for (std::uint32_t c = 0; c < sample.columns.size(); ++c) {
    model.columns.push_back({"c" + std::to_string(c), c + 1, sample.columns[c].kind, false,
                             sample.columns[c].categories});
  }
  // One that cannot tell rows apart.
  Tree stump;
  stump.leaf_value = {0.25f};
  stump.leaf_cover = {1};
  model.trees.insert(model.trees.begin() + 1, stump);
  return model;
}

std::size_t Leaf(const Tree& tree, const std::vector<float>& row) {
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
  return static_cast<std::size_t>(~at);
}

std::vector<Key> PlainKeys(const TreeModel& model, const std::vector<float>& row) {
  std::vector<Key> keys;
  for (std::size_t t = 0; t < model.trees.size(); ++t) {
    if (model.trees[t].nodes.empty()) continue;
    keys.push_back(BucketKey(FieldSeed(LeafName(t)), Leaf(model.trees[t], row)));
  }
  return keys;
}

std::vector<float> RandomRow(const TreeModel& model, std::mt19937* random) {
  std::vector<float> row;
  for (const TreeColumn& column : model.columns) {
    const auto value = static_cast<float>(1 + (*random)() % 20);
    row.push_back((*random)() % 5 == 0 ? kNan
                  : column.kind == ColumnKind::kCategory ? value
                                                         : value / 2);
  }
  return row;
}

std::vector<Key> KeysOfRow(const RowBlock& block, std::size_t r) {
  return {block.key.begin() + block.row_begin[r], block.key.begin() + block.row_begin[r + 1]};
}

TEST(LeafKeys, AreThoseOfTheLeavesThatAPlainWalkFinds) {
  for (const int categories : {0, 2}) {
    for (const int trees : {1, 7, 8, 20}) {
      const TreeModel model = Grown(categories, trees);
      const LeafKeys leaves(model);
      ASSERT_EQ(leaves.keys(), static_cast<std::size_t>(trees));
      const auto names = LeafNames(model);
      std::mt19937 random(3);
      std::set<Key> seen;
      for (int r = 0; r < 200; ++r) {
        const std::vector<float> row = RandomRow(model, &random);
        std::vector<Key> keys(leaves.keys());
        leaves.Of(row.data(), keys.data());
        ASSERT_EQ(keys, PlainKeys(model, row));
        for (const Key key : keys) EXPECT_TRUE(names.contains(key));
        seen.insert(keys.begin(), keys.end());
      }
      EXPECT_GT(seen.size(), 2u * trees);
      EXPECT_EQ(names.at(BucketKey(FieldSeed(LeafName(0)), 3)), "tree 0 leaf 3");
    }
  }
}

TEST(LeafKeys, OfSeveralClassesTreesKeepTheirNumbers) {
  TreeModel model = Grown(0, 5);
  model.objective = Objective::kSoftmax;
  model.classes = {"a", "b", "c"};
  model.class_scores = {0, 0, 0};
  const LeafKeys leaves(model);
  std::mt19937 random(8);
  for (int r = 0; r < 50; ++r) {
    const std::vector<float> row = RandomRow(model, &random);
    std::vector<Key> keys(leaves.keys()), plain = PlainKeys(model, row);
    leaves.Of(row.data(), keys.data());
    EXPECT_THAT(keys, testing::UnorderedElementsAreArray(plain));
  }
}

features::Plan TablePlan(const TreeModel& model) {
  features::Plan plan;
  plan.set_version(kPlanVersionOfTrees);
  plan.set_format("csv");
  plan.add_missing("");
  plan.add_column()->set_name("label");
  for (const TreeColumn& column : model.columns) plan.add_column()->set_name(column.name);
  plan.set_trees(model.Serialize());
  return plan;
}

features::Plan IndexPlan(const TreeModel& model) {
  features::Plan plan;
  plan.set_version(kPlanVersionOfTrees);
  plan.set_format("libsvm");
  plan.set_index_base(1);
  plan.set_trees(model.Serialize());
  return plan;
}

TEST(LeafKeys, OfTablesComeBehindTheColumnsOwn) {
  const TreeModel model = Grown(2, 9);
  features::Plan plan = TablePlan(model);
  features::Feature* const own = plan.add_feature();
  own->set_op(features::Feature::HASH);
  own->set_column(1);
  ASSERT_TRUE(ValidatePlan(plan).ok());
  const absl::StatusOr<TreeModel> trees = TreesOfPlan(plan);
  ASSERT_TRUE(trees.ok()) << trees.status();
  const auto parser = MakeLeafParser(plan, *trees);
  std::mt19937 random(5);
  std::string text;
  std::vector<std::vector<float>> rows;
  for (int r = 0; r < 500; ++r) {
    rows.push_back(RandomRow(model, &random));
    text += "1";
    for (std::size_t c = 0; c < rows.back().size(); ++c) {
      const float value = rows.back()[c];
      const TreeColumn& column = model.columns[c];
      text += std::isnan(value) ? ","
              : column.kind == ColumnKind::kCategory
                  ? "," + column.categories[static_cast<std::size_t>(value) - 1]
                  : ", " + std::to_string(value);
    }
    text += "\n";
    if (r == 100) text += "1,0,0,oops,1,1\n";  // no number, where the trees ask for one
  }
  RowBlock block;
  parser->Parse(text, {0, 0}, &block);
  ASSERT_EQ(block.rows(), rows.size());
  EXPECT_EQ(block.bad_rows, 1u);
  EXPECT_THAT(block.bad[0].what, testing::HasSubstr("expected a number in column \"c2\""));
  for (std::size_t r = 0; r < rows.size(); ++r) {
    std::vector<Key> keys = KeysOfRow(block, r);
    keys.erase(keys.begin());
    ASSERT_EQ(keys, PlainKeys(model, rows[r])) << r;
  }
}

TEST(LeafKeys, OfIndicesBesideThemOrInTheirPlace) {
  for (const bool zero : {false, true}) {
    TreeModel model = Grown(0, 9);
    model.absent_is_zero = zero;
    for (std::uint32_t c = 0; c < model.columns.size(); ++c) model.columns[c].source = 3 * c;
    features::Plan plan = IndexPlan(model);
    std::mt19937 random(5);
    std::string text;
    std::vector<std::vector<float>> rows;
    std::vector<std::vector<Key>> indices;
    for (int r = 0; r < 300; ++r) {
      std::vector<float> row = RandomRow(model, &random);
      text += r % 2 == 0 ? "1" : "-1";
      indices.emplace_back();
      for (std::size_t c = 0; c < row.size(); ++c) {
        if (r % 10 == 9) row[c] = 1;  // rows without values in the block
        if (std::isnan(row[c])) {
          if (zero) row[c] = 0;
          continue;
        }
        text += " " + std::to_string(3 * c + 1) + ":" + std::to_string(row[c]);
        indices.back().push_back(IndexKey(3 * c + 1));
      }
      text += " 1000000000:1\n";  // which no tree has heard of
      indices.back().push_back(IndexKey(1000000000));
      rows.push_back(row);
    }
    for (const bool without : {false, true}) {
      plan.set_without_indices(without);
      ASSERT_TRUE(ValidatePlan(plan).ok());
      const absl::StatusOr<TreeModel> trees = TreesOfPlan(plan);
      ASSERT_TRUE(trees.ok()) << trees.status();
      RowBlock block;
      const auto parser = MakeLeafParser(plan, *trees);
      const std::size_t half = text.find('\n', text.size() / 2) + 1;
      parser->Parse(text.substr(0, half), {0, 0}, &block);
      parser->Parse(text.substr(half), {0, half}, &block);
      ASSERT_EQ(block.rows(), rows.size());
      EXPECT_EQ(block.value.empty(), without);
      if (!without) {
        ASSERT_EQ(block.value.size(), block.key.size());
      }
      for (std::size_t r = 0; r < rows.size(); ++r) {
        std::vector<Key> keys = without ? std::vector<Key>() : indices[r];
        const std::size_t own = keys.size();
        const std::vector<Key> leaves = PlainKeys(model, rows[r]);
        keys.insert(keys.end(), leaves.begin(), leaves.end());
        ASSERT_EQ(KeysOfRow(block, r), keys) << r;
        if (without) continue;
        for (std::size_t i = own; i < keys.size(); ++i)
          ASSERT_EQ(block.value[block.row_begin[r] + i], 1) << r;
      }
    }
  }
}

TEST(LeafKeys, OfRowsWithoutFeatures) {
  const TreeModel model = Grown(0, 3);
  const auto parser = MakeLeafParser(IndexPlan(model), model);
  const std::vector<Key> leaves = PlainKeys(model, std::vector<float>(model.columns.size(), kNan));
  for (const char* text : {"1\n", "1 1000000000:1\n-1\n", "1\n-1 1000000000:1\n0\n"}) {
    RowBlock block;
    parser->Parse(text, {0, 0}, &block);
    ASSERT_EQ(block.bad_rows, 0u) << text;
    for (std::size_t r = 0; r < block.rows(); ++r) {
      std::vector<Key> keys = KeysOfRow(block, r);
      if (keys.size() > leaves.size()) keys.erase(keys.begin());  // the index that no tree asks for
      EXPECT_EQ(keys, leaves) << text << r;
    }
    EXPECT_EQ(KeysOfRow(block, block.rows() - 1).size(), leaves.size()) << text;
  }
}

TEST(LeafKeys, DamagedPlansAreRefused) {
  const TreeModel model = Grown(0, 3);
  features::Plan plan = TablePlan(model);
  plan.set_version(kPlanVersion);
  EXPECT_FALSE(ValidatePlan(plan).ok());
  plan.set_version(kPlanVersionOfTrees);
  plan.set_without_indices(true);
  EXPECT_FALSE(ValidatePlan(plan).ok());
  plan.clear_without_indices();
  EXPECT_TRUE(TreesOfPlan(plan).ok());
  plan.mutable_column()->RemoveLast();
  EXPECT_FALSE(TreesOfPlan(plan).ok()) << "a column beyond the table's last";
  EXPECT_TRUE(TreesOfPlan(IndexPlan(model)).ok());
  EXPECT_FALSE(TreesOfPlan(IndexPlan(Grown(1, 3))).ok()) << "a category among indices";
  std::string bytes = plan.trees();
  for (std::size_t at = 0; at < bytes.size(); at += 7) {
    std::string damaged = bytes;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x55);
    plan.set_trees(damaged);
    if (const auto trees = TreesOfPlan(plan); trees.ok()) MakeLeafParser(plan, *trees);
  }
}

TEST(LeafKeys, PlansOfMoreThanAJobMakesAreRefused) {
  TreeModel model = Grown(0, 1);
  const Tree tree = model.trees[0];
  model.trees.assign(10000, {.leaf_value = {0.5f}, .leaf_cover = {1}});
  model.trees[0] = tree;
  features::Plan plan = TablePlan(model);
  EXPECT_TRUE(TreesOfPlan(plan).ok());
  model.trees.push_back(tree);
  plan.set_trees(model.Serialize());
  EXPECT_THAT(TreesOfPlan(plan).status().message(), testing::HasSubstr("number of its trees"));
  model.trees.assign(1, tree);
  model.columns[0].categories.assign(kMostBins, std::string((std::size_t{32} << 20) / kMostBins, 'x'));
  plan.set_trees(model.Serialize());
  EXPECT_THAT(TreesOfPlan(plan).status().message(), testing::HasSubstr("size of its trees"));
}

}  // namespace
}  // namespace ps
