// Which settings of trees are tried: the budget is kept, the best go on, and everything is decided alike
// again. Trainings are stood in for by a loss that is known.
#include "trainer/gbdt/tree_race.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "tests/trainer/json_reader.h"

namespace ps {
namespace {

using testing::HasSubstr;

// Least at 40 leaves and l2 3; the rate matters less.
double LossOf(const GbdtConfig& s) {
  const double leaves = std::log(s.max_leaves / 40.0), l2 = std::log(s.l2 / 3.0);
  return 0.3 + 0.01 * leaves * leaves + 0.004 * l2 * l2 + 0.01 * std::fabs(s.row_sample - 0.8);
}

TreeRun RunOf(const TreeRace::Entrant& entrant) {
  TreeRun run;
  run.grown = entrant.setting.trees;
  run.best_trees = run.grown - run.grown / 10;
  run.loss = LossOf(entrant.setting);
  run.row_losses = {static_cast<float>(run.loss - 0.1), static_cast<float>(run.loss + 0.1)};
  return run;
}

struct Raced {
  std::vector<std::vector<TreeRace::Entrant>> rounds;
  std::string trace;
  GbdtConfig best;
  double best_loss = 0, grown = 0;
};

Raced Race(int trees, double trainings, std::uint64_t seed = 1) {
  GbdtConfig job;
  job.trees = trees;
  TreeRace race({job, seed, {}});
  Raced raced;
  while (raced.rounds.size() < 1000) {
    const std::vector<TreeRace::Entrant> entrants = race.NextRound(trainings * trees - raced.grown);
    if (entrants.empty()) break;
    raced.rounds.push_back(entrants);
    std::vector<TreeRun> runs;
    for (const TreeRace::Entrant& entrant : entrants) {
      runs.push_back(RunOf(entrant));
      raced.grown += runs.back().grown;
    }
    EXPECT_TRUE(race.Judge(std::move(runs)));
  }
  raced.trace = race.TraceJson();
  raced.best = race.best();
  raced.best_loss = race.best_loss();
  return raced;
}

TEST(TreeRaceTest, KeepsTheBudgetAndSpendsIt) {
  for (const int trees : {1, 10, 50, 100, 200, 1000}) {
    for (const int trainings : {3, 4, 10, 50}) {
      const Raced raced = Race(trees, trainings);
      EXPECT_LE(raced.grown, trainings * trees) << trees << " " << trainings;
      EXPECT_GT(raced.grown, (trainings - 1) * trees) << trees << " " << trainings;
      // The first to be tried are the settings that a job has by itself, and somebody is trained in full.
      EXPECT_EQ(raced.rounds[0][0].setting.max_leaves, GbdtConfig().max_leaves);
      const std::vector<TreeRace::Entrant>& last = raced.rounds.back();
      EXPECT_TRUE(std::all_of(last.begin(), last.end(),
                              [&](const TreeRace::Entrant& e) { return e.setting.trees == trees; }));
    }
  }
}

TEST(TreeRaceTest, TheBestGoOn) {
  const Raced raced = Race(200, 10);
  ASSERT_GE(raced.rounds.size(), 3u);
  int before = 0;
  for (const std::vector<TreeRace::Entrant>& round : raced.rounds) {
    EXPECT_GE(round[0].setting.trees, before);
    before = round[0].setting.trees;
  }
  std::vector<TreeRace::Entrant> first = raced.rounds[0];
  std::sort(first.begin(), first.end(), [](const auto& a, const auto& b) {
    return LossOf(a.setting) < LossOf(b.setting);
  });
  std::set<int> second;
  for (const TreeRace::Entrant& entrant : raced.rounds[1]) second.insert(entrant.number);
  EXPECT_TRUE(second.count(first[0].number) == 1 && second.count(first[1].number) == 1);
  EXPECT_EQ(second.count(first.back().number), 0u);
  EXPECT_EQ(second.size(), raced.rounds[1].size());
}

TEST(TreeRaceTest, FindsWhatIsToBeFound) {
  double lost = 0;
  for (std::uint64_t seed = 1; seed <= 10; ++seed) lost += Race(200, 10, seed).best_loss - 0.3;
  EXPECT_LT(lost / 10, 0.003);  // settings that are drawn lose about .03
}

// Places of the space that differ may come down to one setting, and settings to one short training.
TEST(TreeRaceTest, NothingIsTrainedTwice) {
  for (const int trees : {1, 10, 50, 100, 200, 1000}) {
    for (const int trainings : {2, 3, 4, 5, 10, 50}) {
      for (std::uint64_t seed = 1; seed <= 10; ++seed) {
        const Raced raced = Race(trees, trainings, seed);
        std::vector<GbdtConfig> trained;
        for (const std::vector<TreeRace::Entrant>& round : raced.rounds) {
          for (const TreeRace::Entrant& entrant : round) {
            EXPECT_EQ(std::count(trained.begin(), trained.end(), entrant.setting), 0)
                << trees << " trees, " << trainings << " trainings, seed " << seed << ": " << SettingText(entrant.setting);
            trained.push_back(entrant.setting);
          }
        }
      }
    }
  }
}

TEST(TreeRaceTest, TheSeedDecides) {
  EXPECT_EQ(Race(200, 10, 7).trace, Race(200, 10, 7).trace);
  EXPECT_NE(Race(200, 10, 7).trace, Race(200, 10, 8).trace);
}

TEST(TreeRaceTest, SaysHowSureItIs) {
  GbdtConfig job;
  TreeRace race({job, 1, {1, 1, 2}});
  const auto entrants = race.NextRound(1000);
  ASSERT_GE(entrants.size(), 3u);
  std::vector<TreeRun> runs(entrants.size());
  runs[1] = {30, 20, 0.5, {0.4f, 0.5f, 0.55f}};
  runs[2] = {30, 25, 0.525, {0.5f, 0.5f, 0.55f}};  // worse by .1, 0 and 0; weights 1, 1 and 2
  EXPECT_TRUE(race.Judge(runs));
  EXPECT_EQ(race.best_of_round(), 1);
  EXPECT_EQ(race.best().trees, 20);
  EXPECT_EQ(race.grown(), 60u);
  // The deviation of .1, 0, 0 is .0577; by root(3) rows, over a weight of 4.
  EXPECT_THAT(race.news(), HasSubstr("setting 1 "));
  EXPECT_THAT(race.news(), HasSubstr("leads setting 2 by 0.02500 ± 0.02500"));
  const JsonValue trace = *JsonReader::Read(race.TraceJson());
  EXPECT_EQ(trace.members.at("rounds").items.size(), 1u);
}

TEST(TreeRaceTest, WhatHasNoFiniteLossIsNeverTheBest) {
  GbdtConfig job;
  TreeRace race({job, 1, {}});
  std::vector<TreeRun> runs(race.NextRound(1000).size());
  for (TreeRun& run : runs) run = {30, 0, NAN, {NAN, NAN}};
  EXPECT_TRUE(race.Judge(runs));
  EXPECT_EQ(race.best_of_round(), -1);
  ASSERT_TRUE(JsonReader::Read(race.TraceJson()).has_value());
  EXPECT_FALSE(race.NextRound(500).empty());
}

TEST(SettingSpaceTest, SettingsAreThoseThatAreWrittenDown) {
  GbdtConfig job;
  job.trees = 300;
  job.category_smooth = 3;
  const SettingSpace space(job, 5);
  const GbdtConfig usual = space.At(space.Default());
  EXPECT_EQ(usual, job);
  std::set<int> depths;
  bool all_rows = false, some_rows = false, no_l1 = false;
  for (std::uint64_t n = 0; n < 300; ++n) {
    const SettingSpace::Place place = space.Draw(n), near = space.Challenger(place, space.Default(), n);
    EXPECT_NE(place, near);
    for (const SettingSpace::Place& at : {place, near}) {
      const GbdtConfig s = space.At(at);
      for (const double value : {s.learning_rate, s.min_hessian, s.l1, s.l2, s.row_sample, s.column_sample}) {
        char text[32];
        std::snprintf(text, sizeof text, "%.3g", value);
        EXPECT_EQ(std::stod(text), value);
      }
      EXPECT_TRUE(s.learning_rate >= 0.01 && s.learning_rate <= 0.2) << s.learning_rate;
      EXPECT_TRUE(s.max_leaves >= 4 && s.max_leaves <= kMostTunedLeaves);
      EXPECT_TRUE(s.row_sample >= 0.4 && s.row_sample <= 1 && s.column_sample >= 0.3);
      EXPECT_EQ(s.category_smooth, 3);
      depths.insert(s.max_depth);
      all_rows |= s.row_sample == 1;
      some_rows |= s.row_sample < 0.6;
      no_l1 |= s.l1 == 0;
    }
  }
  EXPECT_THAT(depths, testing::ElementsAre(0, 2, 3, 4, 5, 6, 7, 8, 9, 10));
  EXPECT_TRUE(all_rows && some_rows && no_l1);
}

TEST(SettingSpaceTest, FewerTreesHaveLargerSteps) {
  GbdtConfig setting;
  setting.trees = 100;
  setting.learning_rate = 0.05;
  EXPECT_EQ(SettingSpace::Shortened(setting, 25).learning_rate, 0.2);
  EXPECT_EQ(SettingSpace::Shortened(setting, 25).trees, 25);
  EXPECT_EQ(SettingSpace::Shortened(setting, 100), setting);
  EXPECT_LE(SettingSpace::Shortened(setting, 2).learning_rate, 0.6);
}

}  // namespace
}  // namespace ps
