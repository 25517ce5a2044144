// A hostile peer: while a job runs, every machine is sent changed copies of the job's own messages in
// sound frames. Nothing is promised of the job then (who may speak on the wire is CURVE's business),
// but no machine crashes, reads what is not its own, or takes memory without bound.
//
// PS_SEED=n runs one seed, PS_SEEDS=n that many from PS_FIRST on.
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <random>

#include "glog/logging.h"
#include "gtest/gtest.h"
#include "tests/cluster/simulated_cluster.h"

namespace ps {
namespace {

SimulatedJob JobOf(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  SimulatedJob job;
  job.seed = seed;
  job.slot_bits = 1 + static_cast<int>(random() % 4);
  job.shards = 2 + static_cast<int>(random() % 2);
  job.workers = 1 + static_cast<int>(random() % 2);
  job.replicas = 1 + static_cast<int>(random() % 2);
  job.staleness = random() % 2 == 0 ? 4 : -1;
  if (job.replicas == 1 && random() % 3 == 0) job.staleness = 0;
  job.passes = 1 + random() % 2;
  job.min_count = 1 + random() % 2;
  job.count = random() % 2 == 0;
  job.heartbeat = std::chrono::milliseconds(50);
  job.dead_after = std::chrono::milliseconds(1000);
  job.shard_kills = static_cast<int>(random() % 3);
  job.drains = job.staleness != 0 ? static_cast<int>(random() % 2) : 0;
  job.faults.forge = 0.02 + 0.2 * static_cast<double>(random() % 100) / 100;
  job.stall_limit = std::chrono::seconds(3);
  job.most_time = std::chrono::seconds(5);
  return job;
}

TEST(ForgedMessages, NoMachineCrashes) {
  google::InstallFailureSignalHandler();
  FLAGS_minloglevel = 4;
  const std::uint64_t one = FromEnvironment("PS_SEED", 0);
  const std::uint64_t first = one != 0 ? one : FromEnvironment("PS_FIRST", 1);
  const std::uint64_t end = first + (one != 0 ? 1 : FromEnvironment("PS_SEEDS", 150));
  int ended = 0;
  for (std::uint64_t seed = first; seed < end; ++seed) {
    // What a crash leaves on the terminal.
    std::fprintf(stderr, "\rPS_SEED=%llu ", static_cast<unsigned long long>(seed));
    const MadeData data = MadeData::Make(seed, 2 + seed % 6, 10 + seed % 40, 20);
    ended += RunSimulatedJob(JobOf(seed), data).status.ok();
  }
  std::fprintf(stderr, "\r%d of %llu jobs came to their end\n", ended,
               static_cast<unsigned long long>(end - first));
  struct rusage usage;
  ASSERT_EQ(::getrusage(RUSAGE_SELF, &usage), 0);
  EXPECT_LT(usage.ru_maxrss, 4 << 20) << "KiB: a number in a message has been believed";
}

}  // namespace
}  // namespace ps
