// Whole jobs in the simulated network: staleness 0 gives the same bytes everywhere, learning
// learns, and what cannot be mended ends with an error that says what is missing.
#include <cstring>
#include <map>

#include "glog/logging.h"
#include "gtest/gtest.h"
#include "tests/cluster/simulated_cluster.h"

namespace ps {
namespace {

SimulatedJob Learning(int shards, int workers, std::uint64_t seed) {
  SimulatedJob job;
  job.seed = seed;
  job.shards = shards;
  job.workers = workers;
  job.staleness = 0;
  job.passes = 2;
  job.count = false;
  return job;
}

::testing::AssertionResult SameBytes(const SimulatedResult& a, const SimulatedResult& b) {
  if (a.keys != b.keys) return ::testing::AssertionFailure() << "other keys";
  if (std::memcmp(a.weights.data(), b.weights.data(), a.weights.size() * 4) != 0) {
    return ::testing::AssertionFailure() << "other weights";
  }
  return ::testing::AssertionSuccess();
}

class Quiet : public ::testing::Environment {
  void SetUp() override { FLAGS_minloglevel = 4; }
};
[[maybe_unused]] const auto* const kQuiet = ::testing::AddGlobalTestEnvironment(new Quiet);

TEST(StalenessZero, TheSameBytesForAnyCluster) {
  for (std::uint32_t min_count : {1u, 2u}) {
    const MadeData data = MadeData::Make(11, 7, 40, 60);
    SimulatedJob job = Learning(1, 1, 1);
    job.min_count = min_count;
    const SimulatedResult reference = RunSimulatedJob(job, data);
    ASSERT_TRUE(reference.status.ok()) << reference.status;
    ASSERT_GT(reference.keys.size(), 20u);
    for (const auto& [shards, workers] : {std::pair{2, 3}, std::pair{3, 2}, std::pair{1, 4}}) {
      SimulatedJob other = Learning(shards, workers, 2);
      other.min_count = min_count;
      const SimulatedResult result = RunSimulatedJob(other, data);
      ASSERT_TRUE(result.status.ok()) << result.status;
      EXPECT_TRUE(SameBytes(reference, result)) << shards << " shards, " << workers << " workers";
    }
  }
}

TEST(StalenessZero, TheSameBytesUnderFaults) {
  const MadeData data = MadeData::Make(12, 7, 40, 60);
  const SimulatedResult reference = RunSimulatedJob(Learning(1, 1, 1), data);
  ASSERT_TRUE(reference.status.ok()) << reference.status;
  for (std::uint64_t seed = 1; seed <= 100; ++seed) {
    SimulatedJob job = Learning(1 + seed % 3, 1 + seed % 4, seed);
    job.kills = seed % 3;
    job.faults.drop = 0.1;
    job.faults.duplicate = 0.1;
    job.faults.long_delay = 0.1;
    job.lease_limit = std::chrono::milliseconds(seed % 2 == 0 ? 50 : 20000);
    const SimulatedResult result = RunSimulatedJob(job, data);
    ASSERT_TRUE(result.status.ok()) << "seed " << seed << ": " << result.status;
    ASSERT_TRUE(SameBytes(reference, result)) << "seed " << seed;
  }
}

// Worker 0 cannot reach the shards for a while; how far the others get meanwhile.
std::map<Address, std::uint64_t> BatchesWhileOneIsSlow(int staleness, std::uint64_t seed) {
  const MadeData data = MadeData::Make(seed, 60, 400, 50);
  SimulatedJob job;
  job.seed = seed;
  job.shards = 2;
  job.workers = 3;
  job.staleness = staleness;
  const MonotonicTime begin = std::chrono::milliseconds(150), end = std::chrono::seconds(12);
  for (const char* shard : {"shard0", "shard1"}) {
    job.faults.partitions.push_back({"worker0", shard, begin, end});
  }
  job.look_at = end - std::chrono::milliseconds(1);
  const SimulatedResult result = RunSimulatedJob(job, data);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_EQ(result.rows_told, data.rows);
  return result.computed;
}

TEST(BoundedStaleness, NobodyIsFurtherAheadOfTheSlowestThanTheJobSays) {
  for (int staleness : {1, 2, 4, 20}) {
    for (std::uint64_t seed = 1; seed <= 10; ++seed) {
      const auto computed = BatchesWhileOneIsSlow(staleness, seed);
      ASSERT_EQ(computed.size(), 3u);
      for (const auto& [worker, batches] : computed) {
        // One that is started has number landed + 1, and `staleness` may be between.
        EXPECT_LE(batches, computed.at("worker0") + staleness + 1) << worker << ", seed " << seed;
      }
      // What worker 0 has computed and cannot push is in its count, but not landed: 8 at most.
      EXPECT_GE(computed.at("worker1") + 8, computed.at("worker0") + staleness) << "seed " << seed;
    }
  }
}

TEST(BoundedStaleness, UnboundedIsNot) {
  const auto computed = BatchesWhileOneIsSlow(-1, 1);
  EXPECT_GT(computed.at("worker1"), computed.at("worker0") + 100);
}

// The virtual time of a job of three workers, one of which takes 20 times as long for its work.
MonotonicTime TimeWithASlowWorker(const MadeData& data, int staleness, bool clocks) {
  SimulatedJob job;
  job.shards = 2;
  job.workers = 3;
  job.slow_workers = 1;
  job.staleness = staleness;
  job.chunks_per_round = 9;
  job.clocks = clocks;
  job.heartbeat = std::chrono::milliseconds(20);
  const SimulatedResult result = RunSimulatedJob(job, data);
  EXPECT_TRUE(result.status.ok()) << result.status;
  return result.ended;
}

TEST(SlowWorkers, DoNotHoldTheOthersUp) {
  const MadeData data = MadeData::Make(7, 90, 200, 60);
  for (const int staleness : {0, 4}) {
    const MonotonicTime unknown = TimeWithASlowWorker(data, staleness, false);
    const MonotonicTime known = TimeWithASlowWorker(data, staleness, true);
    EXPECT_LT(known, unknown / 3) << "staleness " << staleness << ", us";
  }
}

TEST(SlowWorkers, AreHelpedAtTheEndOfAPass) {
  const MadeData data = MadeData::Make(8, 6, 250, 60);
  const MonotonicTime alone = TimeWithASlowWorker(data, -1, false);
  const MonotonicTime helped = TimeWithASlowWorker(data, -1, true);
  EXPECT_LT(helped, alone * 2 / 3);
}

TEST(SlowWorkers, OneThatIsCutOffIsNotWaitedFor) {
  const MadeData data = MadeData::Make(9, 30, 40, 60);
  SimulatedJob job;
  job.shards = 2;
  job.workers = 3;
  job.staleness = 4;
  job.dead_after = std::chrono::seconds(25);
  job.faults.partitions = {{"worker0", "", std::chrono::milliseconds(50), std::chrono::seconds(500)},
                           {"", "worker0", std::chrono::milliseconds(50), std::chrono::seconds(500)}};
  const SimulatedResult result = RunSimulatedJob(job, data);
  ASSERT_TRUE(result.status.ok()) << result.status;
  EXPECT_LT(result.ended, std::chrono::seconds(10)) << "it would be given up after 25 s only";
}

TEST(Job, WorkersThatReachNoShardEndTheJob) {
  const MadeData data = MadeData::Make(1, 20, 40, 10);
  SimulatedJob job;
  job.workers = 2;
  job.staleness = 4;
  job.stall_limit = std::chrono::seconds(100);
  for (const char* worker : {"worker0", "worker1"}) {
    job.faults.partitions.push_back({worker, "shard0", MonotonicTime(0), std::chrono::hours(24)});
  }
  const SimulatedResult result = RunSimulatedJob(job, data);
  EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
  EXPECT_NE(result.status.message().find("no batch has been finished for 100 s"), std::string::npos)
      << result.status;
}

TEST(Job, AShardThatNeverComesIsNamed) {
  const MadeData data = MadeData::Make(1, 2, 10, 10);
  SimulatedJob job = Learning(2, 1, 1);
  job.missing_shards = 1;
  const SimulatedResult result = RunSimulatedJob(job, data);
  EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
  EXPECT_NE(result.status.message().find("1 of 2 servers"), std::string::npos) << result.status;
  EXPECT_FALSE(result.started);
}

TEST(Job, ALostShardsPartIsLearntAgainByTheOthers) {
  for (int staleness : {0, 4}) {
    const MadeData data = MadeData::Make(1, 60, 60, 30);
    SimulatedJob job = Learning(2, 2, 1);
    job.staleness = staleness;
    const SimulatedResult reference = RunSimulatedJob(job, data);
    job.kill_shard_at = std::chrono::milliseconds(120);
    job.dead_after = std::chrono::seconds(2);
    const SimulatedResult result = RunSimulatedJob(job, data);
    ASSERT_TRUE(result.status.ok()) << result.status;
    EXPECT_EQ(result.rollbacks, 1);
    EXPECT_EQ(result.rows_told, 2 * data.rows);
    if (staleness == 0) {
      EXPECT_TRUE(SameBytes(reference, result));
    }
  }
}

// Notes which passes are told.
struct ToldPasses : SimulatedResult {
  std::map<std::uint32_t, int> told;
  bool rolled_back_behind_one = false;
  bool OnPassEnd(const PassReport& report) override {
    ++told[report.pass];
    return SimulatedResult::OnPassEnd(report);
  }
  void OnRollback() override {
    rolled_back_behind_one |= !told.empty();
    SimulatedResult::OnRollback();
  }
};

TEST(Job, AStopWhileAPassIsRepeatedDoesNotTellItAgain) {
  const MadeData data = MadeData::Make(1, 60, 60, 30);
  SimulatedJob job = Learning(2, 2, 1);
  job.passes = 4;
  job.export_every_pass = true;
  job.dead_after = std::chrono::seconds(2);
  const MonotonicTime whole = RunSimulatedJob(job, data).ended;
  job.stop_at_rollback = true;
  int behind = 0;
  for (int i = 1; i < 20; ++i) {
    job.kill_shard_at = whole * i / 20;
    ToldPasses result;
    RunSimulatedJob(job, data, &result);
    ASSERT_TRUE(result.status.ok()) << result.status;
    behind += result.rolled_back_behind_one;
    for (const auto& [pass, times] : result.told)
      EXPECT_EQ(times, 1) << "pass " << pass << ", time " << i;
  }
  EXPECT_GT(behind, 3);
}

TEST(Job, WithoutShardsTheJobEndsAndTheyAreNamed) {
  const MadeData data = MadeData::Make(1, 60, 60, 30);
  SimulatedJob job = Learning(1, 2, 1);
  job.staleness = 4;
  job.kill_shard_at = std::chrono::milliseconds(120);
  const SimulatedResult result = RunSimulatedJob(job, data);
  EXPECT_TRUE(result.started);
  EXPECT_TRUE(absl::IsUnavailable(result.status)) << result.status;
  EXPECT_NE(result.status.message().find("shard0"), std::string::npos) << result.status;
}

MonotonicTime TenSeconds(const Member&) { return std::chrono::seconds(10); }

// As when a pass is evaluated: meanwhile nothing that nodes say is read.
TEST(Membership, ABusySchedulerDoesNotTakeOthersForDead) {
  Membership membership;
  wire::Hello hello;
  hello.set_role(wire::WORKER);
  hello.set_incarnation(7);
  using std::chrono::seconds;
  membership.Admit(hello, "a", seconds(1));
  membership.Excuse(seconds(60));
  EXPECT_TRUE(membership.FindDead(seconds(62), TenSeconds).empty());
  EXPECT_EQ(membership.FindDead(seconds(72), TenSeconds).size(), 1u);
}

TEST(Membership, ALateHelloOfAForerunnerDoesNotEvictForGood) {
  Membership membership;
  using std::chrono::seconds;
  wire::Hello living, late;
  living.set_incarnation(1);
  late.set_incarnation(2);
  membership.Admit(living, "a", seconds(1));
  membership.Admit(late, "a", seconds(2));
  EXPECT_EQ(membership.FindDead(seconds(2), TenSeconds).size(), 1u);
  wire::Heartbeat beat;
  beat.set_incarnation(1);
  Member* member = membership.HeardBeat(beat, "a", seconds(3));
  ASSERT_NE(member, nullptr);
  EXPECT_TRUE(member->alive);
  EXPECT_EQ(membership.Heard("a", seconds(4)), member);
}

TEST(Job, DataThatCannotBeReadIsTheJobsError) {
  MadeData data = MadeData::Make(1, 4, 10, 10);
  SimulatedJob job = Learning(1, 2, 1);
  job.unreadable_chunk = 2;
  const SimulatedResult result = RunSimulatedJob(job, data);
  EXPECT_TRUE(absl::IsDataLoss(result.status)) << result.status;
  EXPECT_NE(result.status.message().find("planned damage"), std::string::npos);
}

TEST(Progress, TellsOfEachEntryOnceHoweverManyCopiesThereAre) {
  const MadeData data = MadeData::Make(9, 60, 200, 500);
  SimulatedJob job;
  job.workers = 2;
  job.passes = 2;
  job.staleness = 4;
  job.heartbeat = std::chrono::milliseconds(20);
  for (const auto& [shards, replicas] : {std::pair{1, 1}, {3, 1}, {2, 2}, {3, 3}}) {
    job.shards = shards;
    job.replicas = replicas;
    EXPECT_EQ(RunSimulatedJob(job, data).entries_told, data.Frequencies().size()) << shards << " " << replicas;
  }
  // Of two servers one is gone, and no other has the copies.
  job.shards = job.replicas = 2;
  job.kill_shard_at = std::chrono::milliseconds(300);
  job.dead_after = std::chrono::milliseconds(100);
  const SimulatedResult result = RunSimulatedJob(job, data);
  EXPECT_TRUE(result.status.ok()) << result.status;
  EXPECT_GT(result.ended, 2 * job.kill_shard_at);
  EXPECT_EQ(result.entries_told, data.Frequencies().size());
}

}  // namespace
}  // namespace ps
