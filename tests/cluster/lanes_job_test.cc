// The race of lanes on a simulated cluster in steps: nodes, schedulers and whole jobs die, and every decision and every
// weight is that of a job to which nothing happens.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
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
    race->Choose(race->leader_number());
    return race->trace().ToJson();
  }
  std::optional<LaneRace> race;
};

// A coordinator of a job whose lanes go on into later passes: validation rows decide after each.
struct RacingOn : Racing {
  explicit RacingOn(const MadeData* valid) : valid(*valid) { ForgetAll(); }
  void ForgetAll() override {
    race.emplace(LaneRace::Options{.lanes = 8, .in_order = true, .chunks = kChunks, .round_chunks = kRound,
                                   .chunk_rows = 500, .later_passes = true});
    models.clear();
    best_loss = INFINITY;
    best_lane = 0;
  }
  bool ExportsAllLanes(std::uint32_t pass) override { return race->Judges(pass); }
  void OnWeights(std::uint32_t lane, absl::Span<const Key> k, absl::Span<const float> w) override {
    if (models.size() <= lane) models.resize(lane + 1);
    for (std::size_t i = 0; i < k.size(); ++i) models[lane][k[i]] = w[i];
  }
  void OnRollback() override {
    Racing::OnRollback();
    models.clear();
  }
  bool OnPassEnd(const PassReport& report) override {
    Racing::OnPassEnd(report);
    models.resize(report.lanes);
    if (race->Judges(report.pass)) {
      EXPECT_EQ(race->lanes(), static_cast<int>(report.lanes));
      const LaneRecord record = Losses();
      const int lane = race->JudgePass(report.pass, record, 1);
      if (record.Mean(lane) < best_loss) {
        best_loss = record.Mean(lane);
        best_lane = race->leader_number();
        best = models[lane];
      }
    }
    models.clear();
    return true;
  }
  LaneRecord Losses() const {
    LaneRecord record(static_cast<int>(models.size()), LaneRecord::Rows::kAllAlike);
    for (const RowBlock& block : valid.chunks) {
      for (std::size_t r = 0; r < block.rows(); ++r) {
        std::vector<float> losses;
        for (const auto& model : models) {
          const auto weight = [&](Key key) { return model.contains(key) ? model.at(key) : 0.0f; };
          double margin = weight(kBiasKey);
          for (std::uint32_t f = block.row_begin[r]; f < block.row_begin[r + 1]; ++f) margin += weight(block.key[f]);
          losses.push_back(static_cast<float>(std::log1p(std::exp(block.label[r] > 0 ? -margin : margin))));
        }
        record.Add(losses, {});
      }
    }
    return record;
  }
  std::string SaveState() override {
    return absl::StrCat(passes.size(), " ", best_lane, " ", absl::Hex(std::bit_cast<std::uint64_t>(best_loss)), " ", race->Save());
  }
  absl::Status OnResume(const std::string& state, const PassReport&) override {
    ++resumed;
    std::size_t at = 0;
    const auto word = [&] {
      const std::size_t begin = at;
      at = state.find(' ', at) + 1;
      return state.substr(begin, at - 1 - begin);
    };
    passes.resize(std::stoul(word()));
    best_lane = std::stoi(word());
    best_loss = std::bit_cast<double>(std::stoull(word(), nullptr, 16));
    return race->Load(state.substr(at));
  }
  std::string Trace() {
    race->Choose(best_lane);
    return race->trace().ToJson();
  }

  const MadeData& valid;
  std::vector<std::map<Key, float>> models;  // of the lanes
  std::map<Key, float> best;                 // as on disk: a scheduler that comes back finds it
  double best_loss = INFINITY;
  int best_lane = 0;
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

TEST(LanesJob, LanesThatGoOnAreJudgedTheSameWhateverDies) {
  FLAGS_minloglevel = 4;
  const MadeData data = MadeData::Make(5, kChunks, 40, 2000), valid = MadeData::Make(6, 4, 900, 2000);
  const auto job_of = [](SimulatedJob job) {
    job.settings = StartingSettings(/*several_passes=*/true, 8);
    job.passes = 4;
    job.export_every_pass = true;
    job.kills_within *= 2;
    return job;
  };
  RacingOn quiet(&valid);
  RunSimulatedJob(job_of(QuietJob()), data, &quiet);
  ASSERT_TRUE(quiet.status.ok()) << quiet.status;
  std::set<std::uint32_t> judged;
  for (const TuningTrace::Decision& decision : quiet.race->trace().decisions) {
    if (decision.on_validation) judged.insert(static_cast<std::uint32_t>(decision.pass));
  }
  ASSERT_EQ(judged, (std::set<std::uint32_t>{1, 2, 3, 4}));
  ASSERT_LT(quiet.race->lanes(), 8) << "no lane went";
  const std::string trace = quiet.Trace();
  ASSERT_FALSE(quiet.best.empty());
  int rollbacks = 0, schedulers = 0, resumed = 0;
  const std::uint64_t seeds = FromEnvironment("PS_SEEDS", 40);
  for (std::uint64_t seed = FromEnvironment("PS_FIRST", 1), end = seed + seeds; seed < end; ++seed) {
    RacingOn racing(&valid);
    RunSimulatedJob(job_of(DisturbedJob(seed)), data, &racing);
    ASSERT_TRUE(racing.status.ok()) << "seed " << seed << ": " << racing.status;
    ASSERT_EQ(racing.Trace(), trace) << "seed " << seed << ", rollbacks " << racing.rollbacks << ", resumed " << racing.resumed;
    ASSERT_EQ(racing.best, quiet.best) << seed;
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
