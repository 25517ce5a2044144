// The race of lanes on a simulated cluster in steps: nodes, schedulers and whole jobs die, and every decision and every
// weight is that of a job to which nothing happens.
#include <gtest/gtest.h>

#include <optional>
#include <random>
#include <string>

#include "glog/logging.h"
#include "tests/cluster/simulated_cluster.h"
#include "trainer/tuning/lane_race.h"

namespace ps {
namespace {

constexpr std::uint32_t kChunks = 60, kRound = 3;

// A coordinator with a real race.
struct Racing : SimulatedResult {
  Racing() { ForgetAll(); }
  void ForgetAll() override {
    race.emplace(LaneRace::Options{
        .lanes = 8, .in_order = true, .chunks = kChunks, .round_chunks = kRound, .chunk_rows = 500});
  }
  void OnLanes(const LearntLanes& rows) override { race->OnLanes(rows); }
  std::uint32_t LeadingLane() override { return race->LeadingLane(); }
  std::uint32_t NextLook(std::uint32_t pass, std::uint32_t chunk) override { return race->NextLook(pass, chunk); }
  std::size_t OnLook(std::uint32_t pass, std::uint32_t chunk, std::uint64_t entries) override {
    return race->OnLook(pass, chunk, entries);
  }
  const std::vector<LaneChange>& LaneChanges() override { return race->LaneChanges(); }
  std::string SaveState() override { return std::to_string(passes.size()) + " " + race->Save(); }
  absl::Status OnResume(const std::string& state, const PassReport&) override {
    ++resumed;
    passes.resize(std::stoul(state));
    return race->Load(state.substr(state.find(' ') + 1));
  }
  std::string Trace() {
    race->Choose();
    return race->trace().ToJson();
  }
  std::optional<LaneRace> race;
};

SimulatedJob QuietJob() {
  SimulatedJob job;
  job.count = false;
  job.settings = StartingSettings(/*several_passes=*/false, 8);
  job.chunks_per_round = kRound;
  job.batch_rows = 40;
  job.passes = 2;
  return job;
}

SimulatedJob DisturbedJob(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  SimulatedJob job = QuietJob();
  job.seed = seed;
  job.shards = 1 + static_cast<int>(random() % 3);
  job.workers = 1 + static_cast<int>(random() % 3);
  job.kills_within = std::chrono::milliseconds(200 + random() % 4000);
  job.kills = static_cast<int>(random() % 3);
  job.shard_kills = static_cast<int>(random() % 3);
  job.dead_after = std::chrono::seconds(1);
  job.heartbeat = std::chrono::milliseconds(100);
  job.faults.drop = random() % 2 == 0 ? 0 : 0.02;
  job.faults.duplicate = 0.05;
  job.faults_end = std::chrono::seconds(10);
  if (random() % 2 == 0) job.checkpoint_every = std::chrono::milliseconds(50 + random() % 500);
  if (random() % 3 == 0) job.scheduler_kills = 1 + static_cast<int>(random() % 2);
  else if (random() % 3 == 0) job.restarts = 1;
  return job;
}

TEST(LanesJob, WhateverDiesEveryDecisionAndWeightIsTheSame) {
  FLAGS_minloglevel = 4;
  const MadeData data = MadeData::Make(5, kChunks, 600, 60);
  Racing quiet;
  RunSimulatedJob(QuietJob(), data, &quiet);
  ASSERT_TRUE(quiet.status.ok()) << quiet.status;
  ASSERT_GT(quiet.race->LaneChanges().size(), 1u);
  const std::string trace = quiet.Trace();
  int rollbacks = 0, schedulers = 0, resumed = 0;
  const std::uint64_t seeds = FromEnvironment("PS_SEEDS", 40);
  for (std::uint64_t seed = FromEnvironment("PS_FIRST", 1), end = seed + seeds; seed < end; ++seed) {
    Racing racing;
    RunSimulatedJob(DisturbedJob(seed), data, &racing);
    ASSERT_TRUE(racing.status.ok()) << "seed " << seed << ": " << racing.status;
    ASSERT_EQ(racing.Trace(), trace) << "seed " << seed << ", rollbacks " << racing.rollbacks << ", resumed " << racing.resumed;
    ASSERT_EQ(racing.keys, quiet.keys) << seed;
    ASSERT_EQ(racing.weights, quiet.weights) << seed;
    rollbacks += racing.rollbacks;
    schedulers += racing.schedulers;
    resumed += racing.resumed;
  }
  EXPECT_GT(rollbacks, 0);
  EXPECT_GT(schedulers, 0);
  EXPECT_GT(resumed, 0);
}

}  // namespace
}  // namespace ps
