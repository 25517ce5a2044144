// What workers of trees share, by what it costs.
#include "trainer/gbdt/distribution.h"

#include <gtest/gtest.h>

namespace ps {
namespace {

DistributionShape Dense(int leaves) {
  DistributionShape shape;
  shape.rows = 2e6;
  shape.columns = 28;
  shape.cells = 28 * 256;
  shape.values = shape.rows * shape.columns;
  shape.text_bytes = 350e6;
  shape.trees = 100;
  shape.leaves = leaves;
  shape.servers = shape.workers = 2;
  return shape;
}

DistributionShape Sparse() {
  DistributionShape shape = Dense(31);
  shape.rows = 5e5;
  shape.columns = 1e5;
  shape.cells = 8e5;
  shape.values = 83 * shape.rows;
  shape.sparse = true;
  shape.text_bytes = 480e6;
  return shape;
}

// As measured (docs/gbdt.md), within a factor of two.
TEST(DistributionTest, EstimatesAreNearWhatWasMeasured) {
  const auto near = [](double estimate, double measured) {
    EXPECT_GT(estimate, measured / 2);
    EXPECT_LT(estimate, measured * 2);
  };
  DistributionShape few = Dense(31), many = Dense(255);
  few.rows = many.rows = 2e5;
  few.values = many.values = 2e5 * 28;
  near(CostByRows(few).wire_bytes, 0.62e6);
  near(CostByRows(many).wire_bytes, 2.86e6);
  near(CostByColumns(few).wire_bytes, 0.14e6);
  near(CostByColumns(many).wire_bytes, 0.29e6);
}

TEST(DistributionTest, AutoTakesWhatIsCheaperAndFits) {
  for (const int leaves : {31, 255}) EXPECT_FALSE(ChooseDistribution("auto", Dense(leaves), 0).by_columns) << leaves;
  // Every worker reads all of the text, once for all trees.
  DistributionShape many = Dense(255);
  many.columns = 280;
  many.cells = 280 * 256;
  many.values = many.rows * many.columns;
  many.text_bytes = 3.5e9;
  many.trees = 1;
  EXPECT_FALSE(ChooseDistribution("auto", many, 0).by_columns);
  many.trees = 1000;
  EXPECT_TRUE(ChooseDistribution("auto", many, 0).by_columns);
  EXPECT_TRUE(ChooseDistribution("auto", Sparse(), 0).by_columns);
  // All rows are at every worker.
  DistributionShape wide = Sparse();
  wide.workers = wide.servers = 20;
  const DistributionChoice either = ChooseDistribution("auto", wide, 0);
  ASSERT_GT(either.columns.worker_bytes, either.rows.worker_bytes);
  EXPECT_TRUE(either.by_columns);
  const auto between =
      static_cast<std::uint64_t>((either.columns.worker_bytes + either.rows.worker_bytes) / 2);
  EXPECT_FALSE(ChooseDistribution("auto", wide, between).by_columns);
  DistributionShape apart = Sparse();
  apart.rows_only = "workers may not reach each other";
  EXPECT_FALSE(ChooseDistribution("auto", apart, 0).by_columns);
}

TEST(DistributionTest, WhatTheJobSaysHolds) {
  EXPECT_TRUE(ChooseDistribution("columns", Dense(31), 1).by_columns);
  EXPECT_FALSE(ChooseDistribution("rows", Sparse(), 0).by_columns);
}

}  // namespace
}  // namespace ps
