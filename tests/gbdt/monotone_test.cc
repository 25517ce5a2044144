// Columns with a direction: no prediction ever goes the other way, whatever else a row has.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <random>

#include "kernels/bounded_split.h"
#include "models/gbdt/booster.h"
#include "models/gbdt/predictor.h"
#include "models/gbdt/tree_model.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/gbdt/trees_alike.h"

namespace ps {
namespace {

WideSum RandomSum(std::mt19937* random, unsigned large) {
  const auto h = static_cast<std::int64_t>((*random)() % large);
  return (h << 32) + static_cast<std::int64_t>((*random)() % (2 * large)) - large;
}

TEST(BoundedSplit, WithoutBoundsAndDirectionIsThePlainOne) {
  std::mt19937 random(1);
  for (int round = 0; round < 500; ++round) {
    std::vector<WideSum> cells(1 + random() % 60);
    ColumnCells column{cells.data(), static_cast<int>(cells.size()), 0, 0};
    for (WideSum& cell : cells) column.total += cell = RandomSum(&random, 90);
    if (round % 2 == 0) column.total += column.missing = RandomSum(&random, 90);
    const ScanParams params{1, round % 3 == 0 ? 20.0 : 0.0, 5};
    const ColumnSplit plain = BestSplitPlain(column, params),
                      bounded = BestBoundedSplit(column, params, {}, Direction::kFree);
    EXPECT_EQ(bounded.score, plain.score);
    EXPECT_EQ(bounded.bin, plain.bin);
    EXPECT_EQ(bounded.missing_left, plain.missing_left);
    EXPECT_EQ(bounded.left, plain.left);
  }
}

// What a side loses with a value: twice the usual, so that scores compare.
double Gain(WideSum sum, double value, const ScanParams& p) {
  return -(2 * WideGradient(sum) * value + 2 * p.l1 * std::fabs(value) +
           (WideHessian(sum) + p.l2) * value * value);
}

// Of a value within the bounds none is better than BoundedValue, and BoundedScore is its worth.
TEST(BoundedSplit, ValuesAreTheBestWithinTheirBounds) {
  std::mt19937 random(2);
  const auto uniform = [&] { return static_cast<double>(random() % 2001) / 500 - 2; };
  for (int round = 0; round < 2000; ++round) {
    const WideSum sum = RandomSum(&random, 50);
    const ScanParams params{0.5, round % 2 == 0 ? 10.0 : 0.0, 1};
    ValueBounds bounds;
    if (round % 3 != 0) bounds.low = uniform();
    if (round % 5 != 0) bounds.high = std::max(uniform(), bounds.low);
    const double value = BoundedValue(sum, params, bounds);
    EXPECT_EQ(bounds.Clamp(value), value);
    const double best = Gain(sum, value, params);
    EXPECT_NEAR(BoundedScore(sum, params, bounds), best, 1e-9 * (1 + std::fabs(best)));
    for (int i = 0; i < 20; ++i) EXPECT_LE(Gain(sum, bounds.Clamp(uniform()), params), best + 1e-9);
  }
}

TEST(BoundedSplit, SidesGoInTheDirection) {
  std::mt19937 random(3);
  int found = 0;
  for (int round = 0; round < 1000; ++round) {
    std::vector<WideSum> cells(2 + random() % 20);
    ColumnCells column{cells.data(), static_cast<int>(cells.size()), 0, 0};
    for (WideSum& cell : cells) column.total += cell = RandomSum(&random, 90);
    if (round % 2 == 0) column.total += column.missing = RandomSum(&random, 90);
    const ScanParams params{1, 0, 5};
    ValueBounds bounds;
    if (round % 3 == 0) bounds = {-0.1, 0.05};
    const Direction direction = round % 4 < 2 ? Direction::kIncreasing : Direction::kDecreasing;
    const ColumnSplit split = BestBoundedSplit(column, params, bounds, direction);
    if (split.score < 0) continue;
    ++found;
    const double left = BoundedValue(split.left, params, bounds),
                 right = BoundedValue(column.total - split.left, params, bounds);
    EXPECT_GE(static_cast<double>(direction) * (right - left), 0);
  }
  EXPECT_GT(found, 500);
}

TreeModel Grow(const BinnedSample& sample, const BoostParams& params, int trees, int threads) {
  Crew crew(threads);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  TreeModel model;
  model.base_score = booster.base_score();
  for (int t = 0; t < trees; ++t) model.trees.push_back(booster.GrowNext());
  for (std::uint32_t c = 0; c < sample.columns.size(); ++c)
    model.columns.push_back({"c", c, sample.columns[c].kind, false, sample.columns[c].categories});
  return model;
}

// The largest step of a prediction against the column's direction, over many rows.
double WorstStep(const TreeModel& model, std::size_t column, int bins, double direction) {
  const TreePredictor predictor(model);
  std::mt19937 random(4);
  double worst = -std::numeric_limits<double>::infinity();
  for (int r = 0; r < 300; ++r) {
    std::vector<float> row;
    for (std::size_t c = 0; c < model.columns.size(); ++c) {
      row.push_back(random() % 6 == 0 ? std::numeric_limits<float>::quiet_NaN()
                                      : static_cast<float>(1 + random() % 20));
    }
    double last = -direction * std::numeric_limits<double>::infinity();
    for (int bin = 1; bin <= bins; ++bin) {
      row[column] = static_cast<float>(bin);
      const double margin = predictor.Margin(row.data());
      worst = std::max(worst, direction * (last - margin));
      last = margin;
    }
  }
  return worst;
}

TEST(Monotone, NoPredictionGoesTheOtherWay) {
  for (int round = 0; round < 8; ++round) {
    SampleShape shape;
    shape.rows = 3000;
    shape.columns = 6;
    shape.categories = round % 2 == 0 ? 1 : 0;
    shape.weights = round % 3 == 0;
    shape.sparse = round == 3 || round == 5;
    shape.missing = shape.sparse ? 0.4 : 0.1;
    shape.seed = static_cast<unsigned>(round + 1);
    BinnedSample sample = MakeSample(shape);
    BoostParams params;
    params.grow.max_leaves = 40;
    params.grow.min_hessian = 0.2;
    params.grow.learning_rate = 0.3;
    params.grow.level_wise = round % 4 == 1;
    params.grow.l1 = round % 4 == 2 ? 1 : 0;
    params.grow.absent_is_zero = round == 5;
    if (round >= 6) params.objective = Objective::kSquared;
    const TreeModel free = Grow(sample, params, 15, 1);
    EXPECT_GT(WorstStep(free, 2, 20, 1), 0);
    EXPECT_GT(WorstStep(free, 4, 20, -1), 0);
    // What the rows say, and the contrary of it.
    sample.columns[2].direction = Direction::kIncreasing;
    sample.columns[4].direction = Direction::kDecreasing;
    sample.columns[3].direction = Direction::kIncreasing;
    const TreeModel model = Grow(sample, params, 15, 1);
    EXPECT_LE(WorstStep(model, 2, 20, 1), 0) << round;
    EXPECT_LE(WorstStep(model, 3, 20, 1), 0) << round;
    EXPECT_LE(WorstStep(model, 4, 20, -1), 0) << round;
    EXPECT_GT(WorstStep(model, 2, 20, -1), 0) << "it still learns from the column";
    const TreeModel threads = Grow(sample, params, 15, 3);
    for (std::size_t t = 0; t < model.trees.size(); ++t)
      EXPECT_TRUE(Same(threads.trees[t], model.trees[t])) << round << " tree " << t;
  }
}

}  // namespace
}  // namespace ps
