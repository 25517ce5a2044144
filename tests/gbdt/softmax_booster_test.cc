// Rounds of trees for several classes: each class's tree is grown on the margins at the round's begin.
#include <gtest/gtest.h>

#include <cmath>

#include "models/gbdt/booster.h"
#include "models/gbdt/predictor.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/gbdt/trees_alike.h"

namespace ps {
namespace {

constexpr std::uint32_t kClasses = 4;

BoostParams Params(int leaves) {
  BoostParams params;
  params.objective = Objective::kSoftmax;
  params.classes = kClasses;
  params.grow.max_leaves = leaves;
  params.grow.min_hessian = 0.5;
  return params;
}

BinnedSample Sample(SampleShape shape) {
  BinnedSample sample = MakeSample(shape);
  GiveClasses(kClasses, &sample);
  return sample;
}

std::vector<Tree> Grow(const BinnedSample& sample, const BoostParams& params, int trees, int threads) {
  Crew crew(threads);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  std::vector<Tree> grown;
  for (int t = 0; t < trees; ++t) grown.push_back(booster.GrowNext());
  return grown;
}

std::size_t LeafOf(const Tree& tree, const std::vector<std::uint8_t>& bins) {
  std::int32_t at = tree.nodes.empty() ? ~0 : 0;
  while (at >= 0) {
    const TreeNode& node = tree.nodes[static_cast<std::size_t>(at)];
    const std::uint8_t bin = bins[node.column];
    at = (bin == 0 ? node.missing_left : bin <= node.bin) ? node.left : node.right;
  }
  return static_cast<std::size_t>(~at);
}

TEST(SoftmaxBooster, BaseScoresAreLogarithmsOfShares) {
  BinnedSample sample = Sample({.rows = 2000, .weights = true});
  for (float& label : sample.rows.labels) label = label == 3 ? 0 : label;  // a class without rows
  std::vector<double> share(kClasses);
  double all = 0;
  for (std::size_t r = 0; r < sample.rows.rows; ++r) {
    share[static_cast<std::size_t>(sample.rows.labels[r])] += sample.rows.weights[r];
    all += sample.rows.weights[r];
  }
  Crew crew(1);
  Booster booster(&sample.rows, &sample.columns, Params(8), &crew);
  for (std::uint32_t c = 0; c < 3; ++c) EXPECT_NEAR(booster.base_scores()[c], std::log(share[c] / all), 1e-12);
  EXPECT_NEAR(booster.base_scores()[3], std::log(5e-7), 1e-12);
}

TEST(SoftmaxBooster, LeavesHaveTheSumsOfTheRoundsBegin) {
  for (const bool weights : {false, true}) {
    const BinnedSample sample = Sample({.rows = 70001, .weights = weights});
    const BinnedRows& rows = sample.rows;
    Crew crew(2);
    Booster booster(&rows, &sample.columns, Params(15), &crew);
    std::vector<std::vector<double>> margin(rows.rows, booster.base_scores());
    for (int round = 0; round < 3; ++round) {
      const std::vector<std::vector<double>> begin = margin;
      for (std::uint32_t c = 0; c < kClasses; ++c) {
        const Tree tree = booster.GrowNext();
        std::vector<double> g(tree.leaf_value.size()), h(tree.leaf_value.size());
        for (std::size_t r = 0; r < rows.rows; ++r) {
          double sum = 0;
          for (const double m : begin[r]) sum += std::exp(m);
          const double w = weights ? rows.weights[r] : 1, p = std::exp(begin[r][c]) / sum;
          const std::size_t leaf = LeafOf(tree, sample.bin[r]);
          g[leaf] += w * (p - (rows.labels[r] == static_cast<float>(c) ? 1 : 0));
          h[leaf] += 2 * w * p * (1 - p);
          margin[r][c] += tree.leaf_value[leaf];
        }
        for (std::size_t leaf = 0; leaf < g.size(); ++leaf) {
          EXPECT_NEAR(tree.leaf_value[leaf], -0.1 * g[leaf] / (h[leaf] + 1), 2e-5) << "round " << round;
          EXPECT_NEAR(tree.leaf_cover[leaf], h[leaf], 1e-3 * h[leaf] + 1e-3);
        }
      }
    }
    const std::vector<float>& margins = booster.Margins();
    ASSERT_EQ(margins.size(), rows.rows * kClasses);
    for (std::size_t r = 0; r < rows.rows; r += 97) {
      for (std::uint32_t c = 0; c < kClasses; ++c) EXPECT_NEAR(margins[c * rows.rows + r], margin[r][c], 1e-5);
    }
  }
}

TEST(SoftmaxBooster, AnyNumberOfThreadsAndEitherLayoutGiveTheSameTrees) {
  SampleShape shape{.rows = 70000, .columns = 7, .missing = 0.4, .weights = true};
  BoostParams params = Params(15);
  params.grow.column_sample = 0.8;
  params.row_sample = 0.7;
  const std::vector<Tree> first = Grow(Sample(shape), params, 8, 1);
  for (const bool sparse : {false, true}) {
    shape.sparse = sparse;
    const BinnedSample sample = Sample(shape);
    for (const int threads : {1, 2, 5}) {
      const std::vector<Tree> trees = Grow(sample, params, 8, threads);
      for (std::size_t t = 0; t < trees.size(); ++t) EXPECT_TRUE(Same(trees[t], first[t])) << threads << ", tree " << t;
    }
  }
}

// Two classes move apart by as much as one margin would: the same model, within rounding.
TEST(SoftmaxBooster, TwoClassesLearnAsLogisticRegressionDoes) {
  const BinnedSample sample = MakeSample({.rows = 20000});
  BoostParams logistic;
  logistic.grow.l2 = 0;
  BoostParams softmax = logistic;
  softmax.objective = Objective::kSoftmax;
  softmax.classes = 2;
  Crew crew(1);
  Booster one(&sample.rows, &sample.columns, logistic, &crew), pair(&sample.rows, &sample.columns, softmax, &crew);
  for (int round = 0; round < 10; ++round) {
    one.GrowNext();
    pair.GrowNext();
    pair.GrowNext();
  }
  const std::vector<float>&margins = one.Margins(), &margins_of_two = pair.Margins();
  double error = 0, size = 0;
  for (std::size_t r = 0; r < sample.rows.rows; ++r) {
    error += std::fabs(margins[r] - (margins_of_two[sample.rows.rows + r] - margins_of_two[r]));
    size += std::fabs(margins[r]);
  }
  EXPECT_LT(error, 0.05 * size);
}

TEST(SoftmaxBooster, ThePredictorGivesTheMarginsOfTheRows) {
  const BinnedSample sample = Sample({.rows = 3001, .categories = 2});
  Crew crew(1);
  Booster booster(&sample.rows, &sample.columns, Params(8), &crew);
  TreeModel model;
  model.objective = Objective::kSoftmax;
  model.classes = {"a", "b", "c", "d"};
  model.class_scores = booster.base_scores();
  for (int t = 0; t < 20; ++t) model.trees.push_back(booster.GrowNext());
  for (std::uint32_t c = 0; c < sample.columns.size(); ++c)
    model.columns.push_back({"c", c, sample.columns[c].kind, false, sample.columns[c].categories});
  const auto parsed = TreeModel::Parse(model.Serialize());
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->classes, model.classes);
  EXPECT_EQ(parsed->class_scores, model.class_scores);
  std::vector<float> values;
  for (const std::vector<std::uint8_t>& bins : sample.bin) {
    for (std::size_t c = 0; c < bins.size(); ++c) {
      const float value = sample.columns[c].kind == ColumnKind::kCategory ? bins[c] : static_cast<float>(bins[c]) - 1;
      values.push_back(bins[c] == 0 ? NAN : value);
    }
  }
  const TreePredictor predictor(*parsed);
  std::vector<float> margins(sample.rows.rows * kClasses);
  predictor.Margins(values.data(), sample.rows.rows, margins.data());
  const std::vector<float>& expected = booster.Margins();
  for (std::size_t r = 0; r < sample.rows.rows; ++r) {
    for (std::uint32_t c = 0; c < kClasses; ++c)
      ASSERT_NEAR(margins[r * kClasses + c], expected[c * sample.rows.rows + r], 2e-6) << r;
  }
}

TEST(SoftmaxModel, WhatNoWriterWritesIsRefused) {
  TreeModel model;
  model.objective = Objective::kSoftmax;
  const auto code = [&] { return TreeModel::Parse(model.Serialize()).status().code(); };
  EXPECT_EQ(code(), absl::StatusCode::kDataLoss);  // no class
  model.classes = {"a", "b"};
  EXPECT_EQ(code(), absl::StatusCode::kDataLoss);  // nor its scores
  model.class_scores = {0, NAN};
  EXPECT_EQ(code(), absl::StatusCode::kDataLoss);
  model.class_scores = {0, 1};
  EXPECT_EQ(code(), absl::StatusCode::kOk);
  model.trees.resize(3);
  for (Tree& tree : model.trees) tree.leaf_value = tree.leaf_cover = {0.5f};
  EXPECT_EQ(code(), absl::StatusCode::kDataLoss);  // half a round
  model.trees.resize(2);
  EXPECT_EQ(code(), absl::StatusCode::kOk);
  model.classes = {"a", "a"};
  EXPECT_EQ(code(), absl::StatusCode::kDataLoss);
  model.objective = Objective::kLogistic;
  EXPECT_EQ(code(), absl::StatusCode::kDataLoss);
}

}  // namespace
}  // namespace ps
