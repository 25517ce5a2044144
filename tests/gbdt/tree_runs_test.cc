// Trainings beside each other on the same binned rows: the same as one alone, and judged as metrics are.
#include "trainer/gbdt/tree_runs.h"

#include <gtest/gtest.h>

#include <numeric>

#include "models/gbdt/booster.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

class TreeRunsTest : public testing::TestWithParam<bool> {
 protected:
  TreeRunsTest()
      : train_(MakeSample({.rows = 3000, .sparse = GetParam(), .weights = true, .seed = 1})),
        held_out_(MakeSample({.rows = 700, .sparse = GetParam(), .weights = true, .seed = 2})) {
    options_.train = &train_.rows;
    options_.held_out = &held_out_.rows;
    options_.columns = &train_.columns;
    options_.offset = 0.25;
    options_.patience = 4;
    options_.patience_trees = 40;
    options_.stop = &stop_;
    for (int i = 0; i < 5; ++i) {
      GbdtConfig setting;
      setting.trees = 40;
      setting.max_leaves = 4 + 3 * i;
      setting.learning_rate = 0.1 * (i + 1);
      setting.row_sample = i % 2 == 0 ? 1 : 0.7;
      entrants_.push_back({i, setting});
    }
  }

  std::vector<TreeRuns::Grown> Train(int threads) {
    options_.threads = threads;
    std::atomic<int> done{0};
    auto grown = TreeRuns(options_).TrainAll(entrants_, deadline_, [&](const TreeRun&) { ++done; });
    EXPECT_EQ(done, std::count_if(grown.begin(), grown.end(), [](const auto& g) { return g.run.grown > 0; }));
    return grown;
  }

  const BinnedSample train_, held_out_;
  std::atomic<bool> stop_{false};
  TreeRuns::Options options_;
  std::vector<TreeRace::Entrant> entrants_;
  std::optional<TreeRuns::Clock::time_point> deadline_;
};

TEST_P(TreeRunsTest, AreWhatEachIsAloneWhateverTheThreads) {
  const auto alone = Train(1), beside = Train(3), wide = Train(11);
  for (std::size_t i = 0; i < entrants_.size(); ++i) {
    Crew crew(1);
    Booster booster(&train_.rows, &train_.columns, ParamsOf(entrants_[i].setting, 1), &crew);
    ASSERT_GT(alone[i].trees.size(), 0u);
    std::vector<float> margins(held_out_.rows.rows, static_cast<float>(booster.base_score()));
    for (const Tree& tree : alone[i].trees) {
      const Tree grown = booster.GrowNext();
      EXPECT_EQ(tree.leaf_value, grown.leaf_value);
      AddTree(grown, held_out_.rows, &crew, &margins);
    }
    // Its loss is that of the metrics, and its rows' losses add up to it.
    for (float& margin : margins) margin += 0.25f;
    MetricState state;
    state.AddRows(margins, held_out_.rows.labels, held_out_.rows.weights);
    EXPECT_NEAR(alone[i].run.loss, state.Finish().logloss, 1e-6);
    double sum = 0, weights = 0;
    for (std::size_t r = 0; r < held_out_.rows.rows; ++r) {
      sum += held_out_.rows.weights[r] * alone[i].run.row_losses[r];
      weights += held_out_.rows.weights[r];
    }
    EXPECT_NEAR(sum / weights, alone[i].run.loss, 1e-6);
    for (const auto* other : {&beside[i], &wide[i]}) {
      EXPECT_EQ(other->run.loss, alone[i].run.loss);
      EXPECT_EQ(other->run.grown, alone[i].run.grown);
      EXPECT_EQ(other->trees.size(), alone[i].trees.size());
    }
  }
}

TEST_P(TreeRunsTest, OfSeveralClassesGrowRounds) {
  BinnedSample train = MakeSample({.rows = 3000, .sparse = GetParam(), .seed = 1});
  BinnedSample held_out = MakeSample({.rows = 700, .sparse = GetParam(), .weights = true, .seed = 2});
  GiveClasses(3, &train);
  GiveClasses(3, &held_out);
  options_.train = &train.rows;
  options_.held_out = &held_out.rows;
  options_.classes = 3;
  options_.offset = 0;
  entrants_.resize(2);
  for (auto& entrant : entrants_) {
    entrant.setting.objective = "softmax";
    entrant.setting.trees = 10;
  }
  for (const TreeRuns::Grown& grown : Train(2)) {
    ASSERT_GT(grown.run.best_trees, 0);
    ASSERT_EQ(grown.trees.size(), 3u * static_cast<std::size_t>(grown.run.best_trees));
    Crew crew(1);
    BoostParams params;
    params.objective = Objective::kSoftmax;
    params.classes = 3;
    std::vector<float> margins = StartMargins(Booster(&train.rows, &train.columns, params, &crew).base_scores(), 700);
    for (std::size_t t = 0; t < grown.trees.size(); ++t) AddTree(grown.trees[t], held_out.rows, &crew, &margins, t % 3);
    ClassMetricState state(3);
    state.AddColumns(margins, held_out.rows.labels, held_out.rows.weights);
    EXPECT_NEAR(grown.run.loss, state.Finish().logloss, 1e-6);
    EXPECT_LT(grown.run.loss, 0.95 * ConstantBaseline(state.Finish()).logloss);
  }
}

TEST_P(TreeRunsTest, EndWhenNothingImproves) {
  for (auto& entrant : entrants_) entrant.setting.learning_rate = 1;
  for (const TreeRuns::Grown& grown : Train(2)) {
    EXPECT_LT(grown.run.grown, 40);
    EXPECT_EQ(grown.run.grown, grown.run.best_trees + 5);  // five at least
    EXPECT_EQ(grown.trees.size(), static_cast<std::size_t>(grown.run.best_trees));
  }
}

TEST_P(TreeRunsTest, BeginNothingAfterAStopOrADeadline) {
  deadline_ = TreeRuns::Clock::now();
  for (const TreeRuns::Grown& grown : Train(2)) EXPECT_EQ(grown.run.grown, 0);
  deadline_.reset();
  stop_ = true;
  for (const TreeRuns::Grown& grown : Train(2)) EXPECT_EQ(grown.run.grown, 0);
}

INSTANTIATE_TEST_SUITE_P(DenseAndSparse, TreeRunsTest, testing::Bool());

}  // namespace
}  // namespace ps
