// Every occurrence of every key is counted exactly once while servers crash, come back, are cut off,
// take part again, leave and are all lost at once.
//
// PS_SEED=n runs one seed, PS_SEEDS=n that many from PS_FIRST on; PS_SHARD=i of PS_SHARDS=k runs
// every k-th of them.
#include <algorithm>
#include <cstdlib>
#include <map>
#include <random>
#include <string>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "gtest/gtest.h"
#include "tests/cluster/simulated_cluster.h"

namespace ps {
namespace {

// A schedule of everything that can go wrong with servers, from its seed: inclined to long delays,
// to servers that come back (by a partition that ends, as themselves; by a restart, as others), and
// to the loss of every copy.
SimulatedJob JobOf(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto chance = [&](double most) {
    return random() % 3 == 0 ? 0.0 : most * static_cast<double>(random() % 1000) / 1000;
  };
  SimulatedJob job;
  job.seed = seed;
  job.slot_bits = 1 + static_cast<int>(random() % 3);
  job.shards = 2 + static_cast<int>(random() % 3);
  job.workers = 1 + static_cast<int>(random() % 3);
  constexpr int kReplicas[] = {1, 2, 2, 3};
  job.replicas = kReplicas[random() % 4];
  job.staleness = random() % 2 == 0 ? 4 : -1;
  if (job.replicas == 1 && random() % 4 == 0) job.staleness = 0;
  job.passes = 1 + random() % 2;
  job.batch_rows = 1 + random() % 4;
  job.chunks_per_round = 1 + random() % 3;
  job.heartbeat = std::chrono::milliseconds(50 + random() % 100);
  constexpr int kDeadAfterMs[] = {300, 1000, 3000};
  job.dead_after = std::chrono::milliseconds(kDeadAfterMs[random() % 3]);
  job.kills_within = std::chrono::milliseconds(100 + random() % 3000);
  job.shard_kills = static_cast<int>(random() % 5);
  job.gone = job.shards > 2 ? static_cast<int>(random() % 2) : 0;
  job.total_losses = random() % 6 == 0 ? 1 : 0;
  job.drains = job.staleness != 0 && random() % 4 == 0 ? 1 : 0;
  job.kills = static_cast<int>(random() % 3);
  // Some networks would never let a job end: beats come too late too often.
  job.faults_end = std::chrono::seconds(5 + random() % 20);
  job.faults.drop = chance(0.1);
  job.faults.duplicate = chance(0.2);
  job.faults.long_delay = chance(0.2);
  constexpr int kLongestDelayMs[] = {30, 500, 4000};
  job.faults.longest_delay = std::chrono::milliseconds(kLongestDelayMs[random() % 3]);
  job.lease_limit = std::chrono::milliseconds(random() % 2 == 0 ? 300 : 20000);
  const int partitions = static_cast<int>(random() % 4);
  const auto somebody = [&]() -> Address {
    switch (random() % 4) {
      case 0:
        return "scheduler";
      case 1:
        return absl::StrCat("worker", random() % job.workers);
      default:
        return absl::StrCat("shard", random() % job.shards);
    }
  };
  for (int i = 0; i < partitions; ++i) {  // one way
    const MonotonicTime begin(random() % 2000000);
    job.faults.partitions.push_back(
        {absl::StrCat("shard", random() % job.shards), random() % 3 == 0 ? "" : somebody(), begin,
         begin + MonotonicTime(random() % 5000000)});
    if (random() % 2 == 0) {
      std::swap(job.faults.partitions.back().from, job.faults.partitions.back().to);
    }
  }
  return job;
}

// Pushes count before the copies have them: what a server had acknowledged alone when it dies or a slot moves may be lost,
// but nothing counts twice, and the job ends.
SimulatedJob AckPrimaryJobOf(std::uint64_t seed) {
  SimulatedJob job = JobOf(seed);
  job.ack_primary = true;
  job.replicas = 2;
  job.staleness = job.staleness == 0 ? 4 : job.staleness;
  if (seed % 3 == 0) {  // and while slots stay where they are nothing is lost
    job.shard_kills = job.gone = job.total_losses = job.drains = 0;
    job.faults.partitions.clear();
    job.dead_after = std::chrono::seconds(25);
  }
  return job;
}

// The same, while servers and workers come and go by command.
SimulatedJob ScalingJobOf(std::uint64_t seed) {
  SimulatedJob job = JobOf(seed);
  std::mt19937_64 random(seed * 31 + 17);
  job.scalings = 1 + static_cast<int>(random() % 4);
  job.passes = 2;
  if (random() % 4 == 0) return job;
  // Less else happens, so that slots get to move.
  job.shard_kills = static_cast<int>(random() % 2);
  job.total_losses = 0;
  job.kills_within = std::chrono::milliseconds(50 + random() % 1000);
  return job;
}

// Nothing but scaling: then nothing is done again, either.
SimulatedJob QuietScalingJobOf(std::uint64_t seed) {
  SimulatedJob job = ScalingJobOf(seed);
  job.staleness = job.staleness == 0 ? 4 : job.staleness;
  job.shard_kills = job.gone = job.total_losses = job.kills = 0;
  job.faults.partitions.clear();
  job.faults.drop = std::min(job.faults.drop, 0.02);
  job.dead_after = std::chrono::seconds(25);
  job.silent_beats = 1000;  // late beats would make chunks be done twice
  return job;
}

// The same with checkpoints: lost slots go back to the last one, and the whole job is killed and goes
// on from it on other nodes.
SimulatedJob CheckpointJobOf(std::uint64_t seed) {
  SimulatedJob job = JobOf(seed);
  std::mt19937_64 random(seed * 53 + 29);
  if (random() % 3 != 0) job.replicas = 1;
  if (job.replicas == 1 && random() % 3 == 0) job.staleness = 0;
  if (job.staleness == 0) job.drains = 0;
  job.checkpoint_every = std::chrono::milliseconds(5 + random() % 200);
  job.restarts = static_cast<int>(random() % 3);
  job.total_losses = static_cast<int>(random() % 2);
  job.passes = 1 + random() % 3;
  return job;
}

// Workers measure their work, and some are slow: rounds are shared by speed, parts are lent, and slow ones get nothing.
SimulatedJob SlowWorkersJobOf(std::uint64_t seed) {
  SimulatedJob job = seed % 3 == 0 ? CheckpointJobOf(seed) : seed % 3 == 1 ? ScalingJobOf(seed) : JobOf(seed);
  std::mt19937_64 random(seed * 97 + 41);
  job.clocks = true;
  job.workers = 2 + static_cast<int>(random() % 3);
  job.slow_workers = static_cast<int>(random() % job.workers);
  job.passes = 2 + random() % 2;
  job.heartbeat = std::chrono::milliseconds(20 + random() % 60);
  return job;
}

// With schedulers that die and come back to nodes that went on.
SimulatedJob SchedulerJobOf(std::uint64_t seed) {
  SimulatedJob job = seed % 2 == 0 ? CheckpointJobOf(seed) : JobOf(seed);
  std::mt19937_64 random(seed * 71 + 3);
  job.restarts = 0;
  job.scheduler_kills = 1 + static_cast<int>(random() % 3);
  if (random() % 2 == 0) {
    job.shard_kills = job.total_losses = job.gone = 0;
    job.dead_after = std::chrono::seconds(5);
  }
  return job;
}

// The same of jobs whose lanes, each of which counts by a number of its own, change on the way.
SimulatedJob LanesJobOf(std::uint64_t seed) {
  SimulatedJob job = seed % 4 == 0   ? CheckpointJobOf(seed)
                     : seed % 4 == 1 ? ScalingJobOf(seed)
                     : seed % 4 == 2 ? SchedulerJobOf(seed)
                                     : JobOf(seed);
  job.lanes = 2 << seed / 4 % 4;
  return job;
}

// What a checker saw, or nothing.
std::string Violation(const SimulatedJob& job, const MadeData& data,
                      const SimulatedResult& result) {
  if (!result.broken.empty()) return absl::StrCat("one primary per slot and term: ", result.broken);
  if (!result.status.ok()) return absl::StrCat("progress: ", result.status.ToString());
  if (result.passes.size() != job.passes) return absl::StrCat(result.passes.size(), " passes told");
  for (const PassCounts& counts : result.passes) {
    if (counts.learnt != data.rows || counts.rows != data.rows) {
      return absl::StrCat("no lost or doubled batch: ", counts.learnt, " rows told of ", data.rows);
    }
  }
  if (result.rows_told != job.passes * data.rows) {
    return absl::StrCat("each row is told once: ", result.rows_told, " of ", job.passes * data.rows);
  }
  std::map<Key, double> expected = data.Frequencies();
  if (job.lanes > 1) {  // what the lane counts that leads
    SimulatedResult copy = result;
    for (auto& [key, count] : expected) count *= -copy.NowLanes()[copy.LeadingLane()].alpha;
  }
  std::map<Key, double> got;
  for (std::size_t i = 0; i < result.keys.size(); ++i) got[result.keys[i]] = result.weights[i];
  for (auto& [key, count] : expected) {
    count *= job.passes;
    const bool may_lose = job.ack_primary && job.dead_after < std::chrono::seconds(25);
    if (got[key] < count && !may_lose) {
      return absl::StrCat("no lost batch: key ", key, " counted ", got[key], " times, not ", count);
    }
    if (got[key] > count) {
      return absl::StrCat("no doubled batch: key ", key, " counted ", got[key], " not ", count);
    }
  }
  if (got.size() != expected.size()) return "keys that are not in the data";
  return "";
}

struct Happened {
  int rollbacks = 0;
  int scaled = 0;
  int joined = 0;
  int resumed = 0;
  int schedulers = 0;
  std::uint64_t checkpoints = 0;
  std::uint64_t lane_changes = 0;
};

::testing::AssertionResult Holds(std::uint64_t seed, const SimulatedJob& job, Happened* happened) {
  const MadeData data = MadeData::Make(seed, 2 + seed % 6, 10 + seed % 40, 20);
  const SimulatedResult result = RunSimulatedJob(job, data);
  happened->rollbacks += result.rollbacks;
  happened->scaled += result.scaled;
  happened->joined += result.joined;
  happened->resumed += result.resumed;
  happened->schedulers += result.schedulers;
  happened->checkpoints += result.checkpoints;
  happened->lane_changes += result.changes.size();
  const std::string violation = Violation(job, data, result);
  if (violation.empty()) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure()
         << violation << "\nreplay: PS_SEED=" << seed << " nothing_lost_test\n"
         << job.shards << " shards, " << job.workers << " workers, replicas " << job.replicas
         << ", staleness " << job.staleness << ", kills " << job.shard_kills << ", losses "
         << job.total_losses << ", schedulers " << job.scheduler_kills << ", restarts " << job.restarts << ", lanes " << job.lanes << ", drains " << job.drains << ", scalings " << job.scalings
         << ", rollbacks " << result.rollbacks;
}

// All seeds that the environment asks for, or `seeds` of them.
Happened HoldsForAll(SimulatedJob (*job_of)(std::uint64_t), std::uint64_t seeds) {
  FLAGS_minloglevel = 4;
  Happened happened;
  const std::uint64_t one = FromEnvironment("PS_SEED", 0);
  if (one != 0) {
    FLAGS_minloglevel = 0;
    FLAGS_logtostderr = true;
    EXPECT_TRUE(Holds(one, job_of(one), &happened));
    return happened;
  }
  const std::uint64_t first = FromEnvironment("PS_FIRST", 1);
  const std::uint64_t end = first + FromEnvironment("PS_SEEDS", seeds);
  const std::uint64_t shard = FromEnvironment("PS_SHARD", 0);
  const std::uint64_t shards = FromEnvironment("PS_SHARDS", 1);
  int failed = 0;
  for (std::uint64_t seed = first; seed < end && failed < 3; ++seed) {
    if (seed % shards != shard) continue;
    const ::testing::AssertionResult holds = Holds(seed, job_of(seed), &happened);
    failed += !holds;
    EXPECT_TRUE(holds);
  }
  return happened;
}

// Schedules that found something once and lie beyond those below. Their numbers mean what they did
// only as long as the machines send the same messages, but odd schedules they stay.
TEST(NothingLost, SchedulesThatFoundSomething) {
  if (std::getenv("PS_SEED") != nullptr) GTEST_SKIP() << "one seed is asked for";
  FLAGS_minloglevel = 4;
  Happened happened;
  for (const std::uint64_t seed : {2482, 6706, 14980, 21991, 36597, 46411}) {
    EXPECT_TRUE(Holds(seed, JobOf(seed), &happened));
  }
  EXPECT_TRUE(Holds(14136, CheckpointJobOf(14136), &happened));
  for (const std::uint64_t seed : {680, 5082}) EXPECT_TRUE(Holds(seed, SchedulerJobOf(seed), &happened));
}

TEST(NothingLost, WhateverHappensToServers) {
  const Happened happened = HoldsForAll(JobOf, 1200);
  if (std::getenv("PS_SEED") != nullptr) return;
  EXPECT_GT(happened.rollbacks, 0) << "the schedules were too kind";
}

TEST(NothingLost, WhileServersAndWorkersComeAndGo) {
  const Happened happened = HoldsForAll(ScalingJobOf, 600);
  if (std::getenv("PS_SEED") != nullptr) return;
  EXPECT_GT(happened.scaled, 0);
  EXPECT_GT(happened.joined, 0);
}

TEST(NothingLost, WithCheckpointsAndJobsThatAreKilled) {
  const Happened happened = HoldsForAll(CheckpointJobOf, 400);
  if (std::getenv("PS_SEED") != nullptr) return;
  EXPECT_GT(happened.checkpoints, 0u);
  EXPECT_GT(happened.rollbacks, 0);
  EXPECT_GT(happened.resumed, 0);
}

TEST(NothingLost, WhenTheSchedulerDiesAndComesBack) {
  const Happened happened = HoldsForAll(SchedulerJobOf, 400);
  if (std::getenv("PS_SEED") != nullptr) return;
  EXPECT_GT(happened.schedulers, 0);
}

TEST(NothingLost, ButForWhatADeadServerHadAcknowledgedAlone) { HoldsForAll(AckPrimaryJobOf, 300); }

TEST(NothingLost, WithSlowWorkers) { HoldsForAll(SlowWorkersJobOf, 300); }

TEST(NothingLost, WhileLanesChange) {
  const Happened happened = HoldsForAll(LanesJobOf, 400);
  if (std::getenv("PS_SEED") != nullptr) return;
  EXPECT_GT(happened.rollbacks, 0);
  EXPECT_GT(happened.lane_changes, 0u);
}

TEST(NothingLost, ServersThatLeaveInOrderTakeNothingWithThem) {
  const Happened happened = HoldsForAll(QuietScalingJobOf, 200);
  EXPECT_EQ(happened.rollbacks, 0);
}

}  // namespace
}  // namespace ps
