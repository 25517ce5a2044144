// Leaves that are fitted again: on the rows that the trees were grown on, and on others.
#include "models/gbdt/refit.h"

#include <gtest/gtest.h>

#include <cmath>

#include "models/gbdt/booster.h"
#include "tests/gbdt/binned_sample.h"
#include "tests/gbdt/trees_alike.h"

namespace ps {
namespace {

struct Grown {
  std::vector<Tree> trees;
  std::vector<double> base_scores;
  std::vector<float> margins;
};

Grown Grow(const BinnedSample& sample, const BoostParams& params, int trees) {
  Crew crew(2);
  Booster booster(&sample.rows, &sample.columns, params, &crew);
  Grown grown;
  grown.base_scores = booster.base_scores();
  for (int t = 0; t < trees; ++t) grown.trees.push_back(booster.GrowNext());
  grown.margins = booster.Margins();
  return grown;
}

std::vector<Tree> Refit(const BinnedSample& sample, const BoostParams& params, const Grown& from,
                        double decay, int threads, std::vector<float>* margins = nullptr) {
  Crew crew(threads);
  TreeRefitter refitter(&sample.rows, params, &from.trees, from.base_scores, decay, &crew);
  std::vector<Tree> trees;
  for (std::size_t t = 0; t < from.trees.size(); ++t) trees.push_back(refitter.FitNext());
  if (margins != nullptr) *margins = refitter.Margins();
  return trees;
}

SampleShape Shape(int round) {
  SampleShape shape;
  shape.rows = 40000;  // more than a block of them
  shape.columns = 6;
  shape.categories = round == 1 ? 2 : 0;
  shape.sparse = round == 2;
  shape.weights = round == 3;
  return shape;
}

TEST(Refit, TheSameRowsSayTheSame) {
  for (const int round : {0, 1, 2, 3}) {
    for (const Objective objective : {Objective::kLogistic, Objective::kSquared, Objective::kSoftmax}) {
      BinnedSample sample = MakeSample(Shape(round));
      BoostParams params;
      params.objective = objective;
      if (objective == Objective::kSoftmax) {
        params.classes = 3;
        GiveClasses(params.classes, &sample);
      }
      params.grow.l1 = round;
      const Grown grown = Grow(sample, params, 6);
      for (const int threads : {1, 3}) {
        std::vector<float> margins;
        const std::vector<Tree> again = Refit(sample, params, grown, 0, threads, &margins);
        for (std::size_t t = 0; t < again.size(); ++t)
          EXPECT_TRUE(Same(again[t], grown.trees[t])) << round << " tree " << t;
        EXPECT_TRUE(margins == grown.margins);
      }
    }
  }
}

TEST(Refit, OtherRowsPullValuesAsFarAsDecayLets) {
  const BinnedSample sample = MakeSample(Shape(0));
  const BoostParams params;
  const Grown grown = Grow(sample, params, 1);
  SampleShape shape = Shape(0);
  shape.seed = 2;
  BinnedSample other = MakeSample(shape);
  for (float& label : other.rows.labels) label = 1 - label;
  const std::vector<float>& old = grown.trees[0].leaf_value;
  const std::vector<float> fitted = Refit(other, params, grown, 0, 1)[0].leaf_value;
  for (const double decay : {0.25, 0.9, 1.0}) {
    const Tree tree = Refit(other, params, grown, decay, 2)[0];
    for (std::size_t leaf = 0; leaf < old.size(); ++leaf)
      EXPECT_NEAR(tree.leaf_value[leaf], decay * old[leaf] + (1 - decay) * fitted[leaf], 1e-6);
  }
}

TEST(Refit, LeavesWithoutRowsKeepTheirValues) {
  const BinnedSample sample = MakeSample(Shape(0));
  const BoostParams params;
  const Grown grown = Grow(sample, params, 2);
  SampleShape shape = Shape(0);
  shape.rows = 3;
  const BinnedSample few = MakeSample(shape);
  const std::vector<Tree> trees = Refit(few, params, grown, 0.5, 1);
  for (std::size_t t = 0; t < trees.size(); ++t) {
    std::size_t kept = 0;
    for (std::size_t leaf = 0; leaf < trees[t].leaf_value.size(); ++leaf) {
      if (trees[t].leaf_cover[leaf] > 0) continue;
      ++kept;
      EXPECT_EQ(trees[t].leaf_value[leaf], grown.trees[t].leaf_value[leaf]);
    }
    EXPECT_GE(kept, trees[t].leaf_value.size() - 3);
  }
}

// Rows that have margins are where a booster begins.
TEST(Booster, GoesOnFromTheMarginsOfItsRows) {
  BinnedSample sample = MakeSample(Shape(0));
  BoostParams params;
  params.row_sample = 0.7;
  const Grown once = Grow(sample, params, 7), first = Grow(sample, params, 3);
  sample.rows.margins = first.margins;
  params.first_tree = 3;
  const Grown more = Grow(sample, params, 4);
  for (std::size_t t = 0; t < 4; ++t) EXPECT_TRUE(Same(more.trees[t], once.trees[t + 3])) << t;
  EXPECT_TRUE(more.margins == once.margins);
}

}  // namespace
}  // namespace ps
