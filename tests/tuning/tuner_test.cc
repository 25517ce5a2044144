// The race itself, on made-up predictions whose best lane is known.
#include "trainer/tuning/tuner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <random>

#include "kernels/logistic.h"
#include "tests/trainer/json_reader.h"
#include "trainer/tuning/fold_choice.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

// How far a setting is from the best one, in margins of error: alpha .2 is the best, l1 costs.
double Distance(const OptimizerParams& setting) {
  return 0.3 * std::fabs(std::log(setting.alpha / 0.2)) + 0.1 * setting.l1;
}

// Rows whose truth is a normal margin; a lane's prediction of it is off by its distance.
class Rows {
 public:
  void Next(const std::vector<OptimizerParams>& lanes, std::size_t rows,
            const std::function<double(const OptimizerParams&)>& distance) {
    margins.clear();
    labels.clear();
    for (std::size_t r = 0; r < rows; ++r) {
      const float truth = normal_(random_);
      labels.push_back(uniform_(random_) < Logistic(truth) ? 1.0f : 0.0f);
      const float noise = normal_(random_);
      for (const OptimizerParams& lane : lanes) {
        margins.push_back(truth + noise * static_cast<float>(distance(lane)));
      }
    }
  }
  std::vector<float> margins, labels;

 private:
  std::mt19937 random_{1};
  std::normal_distribution<float> normal_;
  std::uniform_real_distribution<float> uniform_;
};

struct Race {
  std::vector<int> widths;
  std::string news;
};

Race RunRace(Tuner* tuner, std::uint64_t rows, std::size_t block,
             const std::function<double(const OptimizerParams&)>& distance = Distance) {
  Rows data;
  Race race;
  for (std::uint64_t done = 0; done < rows; done += block) {
    data.Next(tuner->Settings(), block, distance);
    if (tuner->lanes() > 1) {
      tuner->Observe(data.margins, data.labels, {});
      if (tuner->AllDiverged()) break;
      if (tuner->IsDue()) {
        const auto change = tuner->Decide(static_cast<double>(rows), 1000);
        if (change) {
          EXPECT_EQ(change->settings.size(), change->origins.size());
          EXPECT_EQ(tuner->lanes(), change->settings.size());
        }
      }
    }
    race.widths.push_back(tuner->lanes());
    race.news += tuner->TakeNews() + "\n";
  }
  return race;
}

TEST(Tuner, FindsTheBestSettingAndNarrowsOnTheWay) {
  Tuner tuner(false);
  const Race race = RunRace(&tuner, 1'000'000, 1000);
  EXPECT_EQ(race.widths.front(), 16);
  EXPECT_EQ(race.widths.back(), 1);
  for (std::size_t i = 1; i < race.widths.size(); ++i)
    EXPECT_LE(race.widths[i], race.widths[i - 1]);
  tuner.Finish();
  tuner.Choose(tuner.leader_number());
  const OptimizerParams chosen = tuner.Settings()[0];
  EXPECT_NEAR(std::log(chosen.alpha / 0.2), 0, 0.36) << chosen.alpha;
  EXPECT_LE(chosen.l1, 0.05f);
  EXPECT_THAT(race.news, HasSubstr("leads lane"));
  EXPECT_THAT(race.news, HasSubstr("16 lanes become 8"));
}

TEST(Tuner, ManyFeaturesLeaveRoomForFewerLanes) {
  for (const auto& [features, lanes] :
       std::map<std::uint64_t, int>{{900'000, 16}, {1'100'000, 8}, {2'100'000, 4}}) {
    Tuner tuner(false);
    Rows data;
    data.Next(tuner.Settings(), 3000, Distance);
    tuner.Observe(data.margins, data.labels, {});
    ASSERT_TRUE(tuner.IsDue());
    tuner.Decide(1e9, features);
    EXPECT_EQ(tuner.lanes(), lanes) << features;
  }
}

TEST(Tuner, DecidesTheSameFromTheSameRows) {
  Tuner one(false), two(false);
  RunRace(&one, 100'000, 700);
  RunRace(&two, 100'000, 700);
  one.Finish();
  two.Finish();
  EXPECT_EQ(one.trace().ToJson(), two.trace().ToJson());
}

// The same rows in blocks of other sizes: what is decided, and from what, is the same.
TEST(Tuner, BlocksDecideNothing) {
  const auto trace_of = [](std::size_t block) {
    Tuner tuner(false);
    Rows data;
    constexpr std::size_t kAll = 30'000;
    for (std::size_t done = 0; done < kAll && tuner.lanes() > 1;) {
      const std::size_t left = block - done % block;
      const std::size_t rows = std::min({left, tuner.RowsToLook(), kAll - done});
      data.Next(tuner.Settings(), rows, Distance);
      tuner.Observe(data.margins, data.labels, {});
      done += rows;
      if (tuner.IsDue()) tuner.Decide(kAll, 1000);
    }
    tuner.Finish();
    tuner.Choose(tuner.leader_number());
    return tuner.trace().ToJson();
  };
  const std::string trace = trace_of(30'000);
  EXPECT_THAT(trace, HasSubstr("\"rows\":2560"));
  for (const std::size_t block : {100, 777, 4096}) EXPECT_EQ(trace_of(block), trace) << block;
}

TEST(Tuner, FewRowsKeepTheLanesAndTheElderIsChosenWithoutEvidence) {
  Tuner tuner(false);
  RunRace(&tuner, 1000, 500);
  EXPECT_EQ(tuner.lanes(), 16);
  const auto change = tuner.Finish();
  ASSERT_TRUE(change);
  EXPECT_EQ(change->settings.size(), 1u);
  EXPECT_FALSE(change->origins[0].reborn);
  EXPECT_EQ(tuner.lanes(), 1);
}

TEST(Tuner, ChallengersKeepTheWeightsThatAWarmStartGave) {
  for (const bool warm_start : {false, true}) {
    Tuner tuner(false, kMostLanes, warm_start);
    Rows data;
    int reborn = 0;
    for (int block = 0; block < 40; ++block) {
      data.Next(tuner.Settings(), 512, Distance);
      tuner.Observe(data.margins, data.labels, {});
      if (!tuner.IsDue()) continue;
      const auto change = tuner.Decide(1e5, 1000);
      if (!change) continue;
      for (const LaneOrigin& origin : change->origins) {
        reborn += origin.reborn;
        if (origin.reborn) EXPECT_EQ(origin.same_weights, warm_start);
      }
    }
    EXPECT_GT(reborn, 0);
  }
}

TEST(Tuner, ALaneThatDivergesIsReplaced) {
  const auto distance = [](const OptimizerParams& setting) {
    return setting.alpha > 0.5f ? std::nan("") : Distance(setting);
  };
  Tuner tuner(false);
  Rows data;
  data.Next(tuner.Settings(), 100, distance);
  tuner.Observe(data.margins, data.labels, {});
  EXPECT_FALSE(tuner.AllDiverged());
  const auto change = tuner.Decide(1e6, 1000);
  ASSERT_TRUE(change);
  for (const OptimizerParams& setting : change->settings) EXPECT_LE(setting.alpha, 0.5f);
  const auto json = JsonReader::Read(tuner.trace().ToJson());
  ASSERT_TRUE(json);
}

TEST(Tuner, KnowsWhenNothingIsLeft) {
  Tuner tuner(false);
  RunRace(&tuner, 2000, 500, [](const OptimizerParams&) { return std::nan(""); });
  EXPECT_TRUE(tuner.AllDiverged());
  EXPECT_EQ(tuner.lanes(), 16) << "nothing to go on with";
}

TEST(Tuner, TheLeaderIsNeverALaneThatDiverged) {
  Tuner tuner(false);
  Rows data;
  data.Next(tuner.Settings(), 100, [&](const OptimizerParams& setting) {
    return setting.alpha < 0.06f ? std::nan("") : Distance(setting);
  });
  EXPECT_EQ(tuner.leader(), 0);
  EXPECT_LT(tuner.Settings()[0].alpha, 0.06f);
  tuner.Observe(data.margins, data.labels, {});
  EXPECT_GT(tuner.Settings()[tuner.leader()].alpha, 0.06f);
}

// Losses of validation rows: lane k's mean is losses[k].
LaneRecord Valid(const std::vector<double>& losses) {
  LaneRecord valid(static_cast<int>(losses.size()), LaneRecord::Rows::kAllAlike);
  std::mt19937 random(2);
  std::vector<float> rows;
  for (int r = 0; r < 4000; ++r) {
    const float common = 1e-3f * static_cast<float>(random() % 100);
    for (const double loss : losses) rows.push_back(common + static_cast<float>(loss));
  }
  valid.Add(rows, {});
  return valid;
}

TEST(Tuner, LaterPassesAreJudgedOnValidationRows) {
  Tuner tuner(true);
  RunRace(&tuner, 20'000, 1000);
  ASSERT_EQ(tuner.lanes(), 16) << "the first pass decides nothing when others follow";
  // Lane 3 improves slowly, lane 5 is good at once and then no better; the others only get worse.
  const OptimizerParams slow = tuner.Settings()[3], quick = tuner.Settings()[5];
  std::vector<double> losses(16, 0.6);
  losses[3] = 0.55, losses[5] = 0.5;
  EXPECT_FALSE(tuner.DecideOnValidation(Valid(losses), 1, 2));
  EXPECT_TRUE(tuner.improving());
  EXPECT_EQ(tuner.leader(), 5);
  std::fill(losses.begin(), losses.end(), 0.61);
  losses[3] = 0.52, losses[5] = 0.5;
  tuner.DecideOnValidation(Valid(losses), 2, 2);
  EXPECT_EQ(tuner.lanes(), 16) << "patience is 2";
  losses[3] = 0.49;
  ASSERT_TRUE(tuner.DecideOnValidation(Valid(losses), 3, 2));
  ASSERT_EQ(tuner.lanes(), 1) << "all others are spent";
  EXPECT_EQ(DescribeSetting(tuner.Settings()[0]), DescribeSetting(slow));
  EXPECT_NE(DescribeSetting(slow), DescribeSetting(quick));
  EXPECT_TRUE(tuner.improving());
  EXPECT_FALSE(tuner.Finish());
  EXPECT_TRUE(tuner.trace().decisions.back().on_validation);
  EXPECT_EQ(tuner.trace().lanes[5].end, "spent");
}

// Folds are compared by passes that all of them have judged.
TEST(Tuner, ALaneThatIsLeftAloneIsJudgedToTheLastPass) {
  Tuner tuner(true);
  RunRace(&tuner, 20'000, 1000);
  std::vector<double> losses(16, 0.6);
  losses[3] = 0.5;
  tuner.DecideOnValidation(Valid(losses), 1, 1);
  losses[3] = 0.49;
  ASSERT_TRUE(tuner.DecideOnValidation(Valid(losses), 2, 1));
  ASSERT_EQ(tuner.lanes(), 1);
  EXPECT_FALSE(tuner.DecideOnValidation(Valid({0.4}), 3, 1));
  EXPECT_FALSE(tuner.DecideOnValidation(Valid({0.3}), 4, 1));
  EXPECT_FALSE(tuner.DecideOnValidation(Valid({NAN}), 5, 1));
  const TuningTrace::Decision& last = tuner.trace().decisions.back();
  EXPECT_EQ(last.pass, 4);
  EXPECT_TRUE(last.on_validation);
  ASSERT_EQ(last.standings.size(), 1u);
  EXPECT_EQ(last.standings[0].lane, 3);
  EXPECT_NEAR(last.standings[0].loss, 0.3 + 0.05, 0.01);
  const auto ranked = RankOverFolds(std::vector<TuningTrace>{tuner.trace(), tuner.trace()});
  ASSERT_FALSE(ranked.empty());
  EXPECT_EQ(ranked[0].lane, 3);
  EXPECT_EQ(ranked[0].pass, 4);
}

TEST(TuningTrace, NamesEveryLaneOnceAndTheOneChosen) {
  Tuner tuner(false);
  RunRace(&tuner, 100'000, 1000);
  tuner.Finish();
  tuner.Choose(tuner.leader_number());
  const TuningTrace& trace = tuner.trace();
  int chosen = 0;
  for (std::size_t i = 0; i < trace.lanes.size(); ++i) {
    EXPECT_EQ(trace.lanes[i].number, i);
    EXPECT_NE(trace.lanes[i].end, "") << i;
    EXPECT_GE(trace.lanes[i].ended_rows, trace.lanes[i].born_rows);
    chosen += trace.lanes[i].end == "chosen";
  }
  EXPECT_EQ(chosen, 1);
  EXPECT_EQ(trace.lanes[trace.chosen].end, "chosen");
}

TEST(LaneSearch, SettingsReadBackAsTheyArePrinted) {
  LaneSearch search;
  std::vector<OptimizerParams> settings = StartingSettings(false);
  for (std::size_t i = 0; i < 200; ++i) {
    for (const OptimizerParams& one : search.Challengers(settings[i], settings, 3, 1000))
      settings.push_back(one);
  }
  std::map<std::string, int> seen;
  for (const OptimizerParams& one : settings) {
    EXPECT_EQ(++seen[DescribeSetting(one)], 1) << DescribeSetting(one);
    const std::string yaml = SettingYaml(one);
    const auto number = [&yaml](const std::string& name) {
      return static_cast<float>(std::stod(yaml.substr(yaml.find(name + ": ") + name.size() + 2)));
    };
    EXPECT_EQ(number("alpha"), one.alpha);
    EXPECT_EQ(number("beta"), one.beta);
    EXPECT_EQ(number("l1"), one.l1);
    EXPECT_EQ(number("l2"), one.l2);
    EXPECT_GT(one.alpha, 0);
    EXPECT_GE(one.l1, 0);
    EXPECT_GE(one.l2, 0);
  }
}

TEST(LaneSearch, ASettingComesBackWhenTheDataHasGrown) {
  LaneSearch search;
  const OptimizerParams parent = StartingSettings(false)[4];
  const std::vector<OptimizerParams> first = search.Challengers(parent, {parent}, 1, 1000);
  ASSERT_EQ(first.size(), 1u);
  search.Note(first[0], 1000);
  const auto tried = [&](std::uint64_t rows) {
    const auto next = search.Challengers(parent, {parent}, 1, rows);
    return !next.empty() && DescribeSetting(next[0]) == DescribeSetting(first[0]);
  };
  EXPECT_FALSE(tried(2000));
  EXPECT_TRUE(tried(4000));
}

}  // namespace
}  // namespace ps
