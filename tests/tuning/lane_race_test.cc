// The race of a cluster's job: what it decides follows from the data, whatever lands when, is done again after a rollback
// or goes on in another process.
#include "trainer/tuning/lane_race.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "kernels/logistic.h"

namespace ps {
namespace {

constexpr std::uint32_t kChunks = 200, kBatches = 4, kRound = 4;
constexpr std::size_t kBatchRows = 40;

LaneRace::Options OptionsOf(bool in_order) {
  return {.lanes = 16,
          .in_order = in_order,
          .chunks = kChunks,
          .round_chunks = in_order ? kRound : 1,
          .chunk_rows = kBatches * kBatchRows};
}

// What lanes of these settings predict of a batch: alpha .2 is the best, l1 costs.
struct Rows {
  Rows(const std::vector<OptimizerParams>& lanes, std::uint32_t chunk, std::uint32_t batch) {
    std::mt19937 random(chunk * 100 + batch);
    std::normal_distribution<float> normal;
    std::uniform_real_distribution<float> uniform;
    for (std::size_t r = 0; r < kBatchRows; ++r) {
      const float truth = normal(random);
      labels.push_back(uniform(random) < Logistic(truth) ? 1 : 0);
      const float noise = normal(random);
      for (const OptimizerParams& lane : lanes) {
        const double off = 0.3 * std::fabs(std::log(lane.alpha / 0.2)) + 0.1 * lane.l1;
        margins.push_back(truth + noise * static_cast<float>(off));
      }
    }
  }
  std::vector<float> margins;
  std::vector<std::uint8_t> labels;
};

// As the scheduler would run it: chunks up to the next look in an order of the seed, then the look.
class Job {
 public:
  explicit Job(bool in_order) : in_order_(in_order), race_(OptionsOf(in_order)) {}

  std::vector<OptimizerParams> Lanes() const {
    if (holding_ == 0) return StartingSettings(false, 16);
    return race_.LaneChanges()[holding_ - 1].settings;
  }
  // Chunks [from, to); those of a round in any order where they are told in steps.
  void Learn(std::uint32_t from, std::uint32_t to, unsigned seed, bool again = false) {
    const std::vector<OptimizerParams> lanes = Lanes();
    std::vector<std::pair<std::uint32_t, std::uint32_t>> places;
    for (std::uint32_t chunk = from; chunk < to; ++chunk) {
      for (std::uint32_t batch = 0; batch < kBatches; ++batch) places.emplace_back(chunk, batch);
    }
    std::mt19937 random(seed);
    if (seed > 0) std::shuffle(places.begin(), places.end(), random);
    for (const auto& [chunk, batch] : places) {
      const Rows rows(lanes, chunk, batch);
      race_.OnLanes({0, chunk, batch, kBatches, rows.margins, rows.labels, {}, again});
    }
  }
  // On to the look at or after `until`.
  void Run(std::uint32_t until, unsigned seed, bool again = false) {
    while (at_ < until) {
      const std::uint32_t look = std::min(race_.NextLook(0, at_ + 1), kChunks);
      Learn(at_, look, seed, again);
      at_ = look;
      holding_ = race_.OnLook(0, look, 100);
      EXPECT_EQ(race_.OnLook(0, look, 7), holding_) << "asked again";
    }
  }
  void RollBack(std::uint32_t to) {
    at_ = to;
    if (in_order_) holding_ = 0;
    for (; in_order_ && to > 0 && holding_ < race_.OnLook(0, to, 0); ++holding_) {}
  }
  void Reload() {
    const std::string bytes = race_.Save();
    LaneRace other(OptionsOf(in_order_));
    ASSERT_TRUE(other.Load(bytes).ok());
    EXPECT_EQ(other.Save(), bytes);
    ASSERT_TRUE(race_.Load(bytes).ok());  // what had come early is told again
  }
  std::string Trace() {
    race_.Choose(race_.leader_number());
    return race_.trace().ToJson();
  }
  LaneRace& race() { return race_; }

 private:
  const bool in_order_;
  LaneRace race_;
  std::uint32_t at_ = 0;
  std::size_t holding_ = 0;
};

std::string Undisturbed() {
  Job job(true);
  job.Run(kChunks, 0);
  EXPECT_EQ(job.race().lanes(), 1);
  EXPECT_GT(job.race().LaneChanges().size(), 2u);
  return job.Trace();
}

TEST(LaneRace, EndsInTheBestSettingWithItsEvidence) {
  Job job(true);
  job.Run(kChunks, 0);
  EXPECT_NEAR(job.race().Choose(job.race().leader_number()).alpha, 0.2, 0.08);
  EXPECT_THAT(job.Trace(), ::testing::HasSubstr("\"end\":\"chosen\""));
  EXPECT_EQ(job.race().LeadingLane(), 0u);
}

TEST(LaneRace, WhatLandsWhenDecidesNothing) {
  for (unsigned seed = 1; seed < 6; ++seed) {
    Job job(true);
    job.Run(kChunks, seed);
    EXPECT_EQ(job.Trace(), Undisturbed()) << seed;
  }
}

TEST(LaneRace, ARollbackChangesNoDecision) {
  for (const std::uint32_t to : {0u, 16u, 32u}) {
    Job job(true);
    job.Run(90, 3);
    job.RollBack(to);
    job.Run(kChunks, 5, /*again=*/true);
    EXPECT_EQ(job.Trace(), Undisturbed()) << to;
  }
}

TEST(LaneRace, GoesOnInAnotherProcess) {
  Job job(true);
  for (std::uint32_t until = 1; until < kChunks; until += 13) {
    job.Run(until, until);
    job.Reload();
  }
  job.Run(kChunks, 1);
  EXPECT_EQ(job.Trace(), Undisturbed());
}

TEST(LaneRace, WithoutStepsEachBatchCountsOnce) {
  Job job(false);
  job.Run(60, 0);
  const std::string before = job.race().Save();
  job.Learn(0, 40, 1, /*again=*/true);
  EXPECT_EQ(job.race().Save(), before);
  job.Run(kChunks, 0);
  EXPECT_EQ(job.race().lanes(), 1);
}

TEST(LaneRace, AJobThatEndsEarlyHasOneLaneAllTheSame) {
  Job job(true);
  job.Run(40, 0);
  ASSERT_GT(job.race().lanes(), 1);
  job.race().OnLook(0, kChunks, 0);
  EXPECT_EQ(job.race().lanes(), 1);
  EXPECT_GT(job.race().Choose(job.race().leader_number()).alpha, 0);
  EXPECT_GE(job.race().trace().chosen, 0);
}

TEST(LaneRace, DamagedStatesAreRefused) {
  Job job(true);
  job.Run(60, 0);
  const std::string good = job.race().Save();
  std::mt19937 random(4);
  for (int i = 0; i < 3000; ++i) {
    std::string bad = good;
    for (int n = 1 + random() % 4; n > 0; --n) bad[random() % bad.size()] = static_cast<char>(random());
    if (i % 5 == 0) bad.resize(random() % bad.size());
    LaneRace race(OptionsOf(true));
    if (!race.Load(bad).ok()) continue;
    EXPECT_GE(race.lanes(), 1);
    EXPECT_LT(race.LeadingLane(), static_cast<std::uint32_t>(race.lanes()));
    race.OnLook(0, kChunks, 0);
    race.Choose(race.leader_number());
  }
}

}  // namespace
}  // namespace ps
