#include "trainer/tuning/fold_choice.h"

#include <gtest/gtest.h>

namespace ps {
namespace {

// Validation losses by pass (from 1), of lanes by number; below 0: the lane is gone.
TuningTrace Fold(const std::vector<std::vector<double>>& passes) {
  TuningTrace trace;
  trace.decisions.push_back({1000, 1, false, {{0, 0.1, 0, 0}}});  // progressive, which is no validation
  for (std::size_t pass = 0; pass < passes.size(); ++pass) {
    TuningTrace::Decision decision{1000, static_cast<int>(pass) + 1, true, {}};
    for (std::size_t lane = 0; lane < passes[pass].size(); ++lane) {
      if (passes[pass][lane] >= 0) decision.standings.push_back({static_cast<int>(lane), passes[pass][lane], 0, 0});
    }
    trace.decisions.push_back(decision);
  }
  return trace;
}

TEST(FoldChoice, TheMeanDecidesAmongWhatEveryFoldJudged) {
  // Lane 1 after pass 2 is best in the first fold only; lane 0 after pass 3 is so in no fold, but on the mean. Lane 2 is
  // best where it is, but gone in the second fold.
  const std::vector<TuningTrace> folds = {Fold({{.5, .6, .3}, {.42, .39, .2}, {.41, .5, .1}}),
                                          Fold({{.5, .4, .3}, {.46, .6, -1}, {.43, .6, -1}})};
  const auto ranked = RankOverFolds(folds);
  ASSERT_EQ(ranked.size(), 7u);
  EXPECT_EQ(ranked[0].lane, 2);
  EXPECT_EQ(ranked[0].pass, 1);
  EXPECT_EQ(ranked[1].lane, 0);
  EXPECT_EQ(ranked[1].pass, 3);
  EXPECT_DOUBLE_EQ(ranked[1].loss, .42);
  EXPECT_TRUE(RankOverFolds(std::vector<TuningTrace>{TuningTrace()}).empty());
}

TEST(FoldChoice, ALaneCountsOnceInAFoldThatHasItTwice) {
  // Lane 0 took the places of lanes that diverged.
  TuningTrace twice = Fold({{.4, .5}});
  TuningTrace::Decision& decision = twice.decisions.back();
  decision.standings.push_back(decision.standings[0]);
  const auto ranked = RankOverFolds(std::vector<TuningTrace>{twice, Fold({{.5, .6}})});
  ASSERT_EQ(ranked.size(), 2u);
  EXPECT_EQ(ranked[0].lane, 0);
  EXPECT_DOUBLE_EQ(ranked[0].loss, .45);
  EXPECT_EQ(RankOverFolds(std::vector<TuningTrace>{twice, Fold({{-1, .6}})}).size(), 1u) << "lane 0 is in one fold only";
}

TEST(FoldChoice, FewRowsAskForMoreFolds) {
  EXPECT_EQ(FoldsToJudgeBy(800, 10), 5);
  EXPECT_EQ(FoldsToJudgeBy(800, 2), 2);
  EXPECT_EQ(FoldsToJudgeBy(6'000, 10), 4);
  EXPECT_EQ(FoldsToJudgeBy(20'000, 10), 1);
  EXPECT_EQ(FoldsToJudgeBy(1'000'000, 10), 1);
  EXPECT_EQ(FoldsToJudgeBy(800, 1), 1);
  EXPECT_EQ(FoldsToJudgeBy(0, 10), 1);
}

}  // namespace
}  // namespace ps
