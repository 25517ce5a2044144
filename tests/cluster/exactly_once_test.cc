// Every occurrence of every key is counted exactly once, whatever the network and the workers do.
//
// PS_SEED=n runs one seed, PS_SEEDS=n that many from 1 on (1,000 otherwise, 1,500 of restarts).
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

// A schedule of everything that can go wrong, from its seed.
SimulatedJob JobOf(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  const auto chance = [&](double most) {
    return random() % 3 == 0 ? 0.0 : most * static_cast<double>(random() % 1000) / 1000;
  };
  SimulatedJob job;
  job.seed = seed;
  job.shards = 1 + static_cast<int>(random() % 3);
  job.workers = 1 + static_cast<int>(random() % 4);
  constexpr int kStaleness[] = {0, 1, 4, -1};
  job.staleness = kStaleness[random() % 4];
  job.passes = 1 + random() % 2;
  job.batch_rows = 1 + random() % 5;
  job.chunks_per_round = 1 + random() % 4;
  job.kills = random() % 2 == 0 ? 0 : static_cast<int>(random() % 10);
  job.faults.drop = chance(0.15);
  job.faults.duplicate = chance(0.2);
  job.faults.corrupt = chance(0.05);
  job.faults.long_delay = chance(0.15);
  constexpr int kLongestDelayMs[] = {30, 2000, 12000};
  job.faults.longest_delay = std::chrono::milliseconds(kLongestDelayMs[random() % 3]);
  // Leases that lapse while their holder is at work: two workers on one chunk.
  job.lease_limit = random() % 2 == 0 ? std::chrono::milliseconds(20 + random() % 500)
                                      : std::chrono::milliseconds(20000);
  job.tiny_key_cache = random() % 4 == 0;
  if (random() % 3 == 0) {
    const MonotonicTime begin(random() % 500000);
    job.faults.partitions.push_back({absl::StrCat("worker", random() % job.workers),
                                     random() % 2 == 0 ? "scheduler" : "", begin,
                                     begin + MonotonicTime(random() % 6000000)});
  }
  return job;
}

// One worker that is killed and started again at its address, over and over, while answers to its
// forerunners are still on their way: the schedule that is rare among those of JobOf.
SimulatedJob RestartsOf(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  SimulatedJob job;
  job.seed = seed;
  job.shards = 1 + static_cast<int>(random() % 2);
  job.staleness = random() % 2 == 0 ? 4 : -1;
  job.batch_rows = 1 + random() % 3;
  job.kills = 30;
  job.faults.long_delay = 0.3;
  job.faults.longest_delay = std::chrono::milliseconds(20 + random() % 200);
  job.lease_limit = std::chrono::milliseconds(20 + random() % 100);
  return job;
}

::testing::AssertionResult CountsAreExact(const SimulatedJob& job, const MadeData& data) {
  const std::uint64_t seed = job.seed;
  const SimulatedResult result = RunSimulatedJob(job, data);
  const auto failure = [&] {
    return ::testing::AssertionFailure() << "replay: PS_SEED=" << seed << " exactly_once_test\n"
                                         << job.shards << " shards, " << job.workers
                                         << " workers, staleness " << job.staleness << ": ";
  };
  if (!result.status.ok()) return failure() << result.status;
  std::map<Key, double> expected = data.Frequencies();
  for (auto& [key, count] : expected) count *= job.passes;
  if (result.passes.size() != job.passes) return failure() << result.passes.size() << " passes";
  for (const PassCounts& counts : result.passes) {
    if (counts.learnt != data.rows || counts.rows != data.rows || counts.lines != data.rows) {
      return failure() << counts.learnt << " rows learnt, " << counts.rows << " read, not "
                       << data.rows;
    }
  }
  if (result.rows_told != data.rows * job.passes)
    return failure() << result.rows_told << " rows told";
  if (!std::is_sorted(result.keys.begin(), result.keys.end()))
    return failure() << "keys not ascending";
  if (result.keys.size() != expected.size()) {
    return failure() << result.keys.size() << " keys, not " << expected.size();
  }
  for (std::size_t i = 0; i < result.keys.size(); ++i) {
    const auto at = expected.find(result.keys[i]);
    if (at == expected.end() || at->second != result.weights[i]) {
      return failure() << "key " << result.keys[i] << " counted " << result.weights[i]
                       << " times, not " << (at == expected.end() ? 0 : at->second);
    }
  }
  return ::testing::AssertionSuccess();
}

::testing::AssertionResult CountsAreExact(std::uint64_t seed) {
  const MadeData data = MadeData::Make(seed, 2 + seed % 7, 12 + (seed % 5 == 0 ? 400 : 0), 40);
  return CountsAreExact(JobOf(seed), data);
}

TEST(ExactlyOnce, AWorkerTakesNoAnswersToItsForerunner) {
  FLAGS_minloglevel = 4;
  const std::uint64_t seeds = FromEnvironment("PS_SEEDS", 1500);
  int failed = 0;
  for (std::uint64_t seed = 1; seed <= seeds && failed < 5; ++seed) {
    const MadeData data = MadeData::Make(seed, 4, 150, 40);
    const ::testing::AssertionResult exact = CountsAreExact(RestartsOf(seed), data);
    failed += !exact;
    EXPECT_TRUE(exact) << "of RestartsOf(" << seed << ")";
  }
}

TEST(ExactlyOnce, EveryKeyIsCountedOnceAnOccurrence) {
  FLAGS_minloglevel = 4;  // thousands of planned deaths are not news
  const std::uint64_t one = FromEnvironment("PS_SEED", 0);
  if (one != 0) {
    FLAGS_minloglevel = 0;
    FLAGS_logtostderr = true;
    EXPECT_TRUE(CountsAreExact(one));
    return;
  }
  const std::uint64_t seeds = FromEnvironment("PS_SEEDS", 1000);
  int failed = 0;
  for (std::uint64_t seed = 1; seed <= seeds && failed < 5; ++seed) {
    const ::testing::AssertionResult exact = CountsAreExact(seed);
    failed += !exact;
    EXPECT_TRUE(exact);
  }
}

}  // namespace
}  // namespace ps
