// Limits against what they promise: nobody starts a batch more than N ahead of the slowest worker
// with a lease, limits never shrink, and the slowest may always go on.
#include "scheduler/staleness_bound.h"

#include <algorithm>
#include <cstdint>
#include <random>
#include <set>
#include <vector>

#include "gtest/gtest.h"

namespace ps {
namespace {

TEST(StalenessBound, AFastWorkerWaitsForASlowOne) {
  StalenessBound bound(2);
  bound.SetLive({1, 2});
  EXPECT_EQ(bound.MayStart(1), 3u);
  bound.Landed(1, 3);
  bound.SetLive({1, 2});
  EXPECT_EQ(bound.MayStart(1), 3u) << "two ahead is the most";
  EXPECT_EQ(bound.MayStart(2), 3u);
  bound.Landed(2, 1);
  bound.SetLive({1, 2});
  EXPECT_EQ(bound.Waiting(), (std::vector<NodeId>{1, 2}));
  EXPECT_EQ(bound.MayStart(1), 4u);
}

TEST(StalenessBound, OneWithoutALeaseIsNotWaitedForAndStartsWhereTheSlowestIs) {
  StalenessBound bound(2);
  bound.Landed(1, 3);
  bound.Landed(2, 1);
  bound.SetLive({1, 2});
  bound.SetLive({1});
  EXPECT_EQ(bound.MayStart(1), 6u);
  bound.Landed(1, 100);
  bound.SetLive({1});
  bound.SetLive({1, 2, 3});
  EXPECT_EQ(bound.MayStart(2), 1 + 3u);
  EXPECT_EQ(bound.MayStart(3), 3u);
  EXPECT_EQ(bound.MayStart(1), 103u);
}

TEST(StalenessBound, WorkersWhoseLeasesHaveLapsedDoNotWaitForEachOther) {
  StalenessBound bound(1);
  bound.Landed(1, 0);
  bound.Landed(2, 2);
  bound.SetLive({1, 2});
  EXPECT_EQ(bound.MayStart(2), 2u);
  bound.SetLive({});
  EXPECT_EQ(bound.MayStart(2), 4u);
  EXPECT_EQ(bound.MayStart(1), 2u);
}

TEST(StalenessBound, WithoutABoundThereIsNobodyToTell) {
  for (int staleness : {-1, 0}) {
    StalenessBound bound(staleness);
    bound.Landed(1, 100);
    bound.SetLive({1, 2});
    EXPECT_EQ(bound.MayStart(1), 0u);
    EXPECT_TRUE(bound.Waiting().empty());
  }
}

struct Worker {
  std::uint64_t started = 0, landed = 0, limit = 0;
  // The model's clock: landed, counted from where the slowest was when the worker was last without
  // a lease.
  std::int64_t shift = 0;
  bool live = false;
};

// Workers start and land batches, lose and get leases, and limits are lost on their way.
TEST(StalenessBound, HoldsUnderEverySchedule) {
  for (std::uint64_t seed = 1; seed <= 500; ++seed) {
    std::mt19937_64 random(seed);
    const int n = 1 + static_cast<int>(random() % 6);
    StalenessBound bound(n);
    std::vector<Worker> workers(1 + random() % 5);
    std::int64_t slowest = 0;
    std::uint64_t started_in_all = 0;
    const auto clock = [](const Worker& w) {
      return static_cast<std::int64_t>(w.landed) + w.shift;
    };
    for (int step = 0; step < 3000; ++step) {
      const std::size_t at = random() % workers.size();
      Worker& worker = workers[at];
      const NodeId node = static_cast<NodeId>(at) + 1;
      switch (random() % 5) {
        case 0:
          if (worker.started < worker.limit && worker.started < worker.landed + 8) {
            ++worker.started;
            ++started_in_all;
            for (const Worker& other : workers) {
              if (!other.live || !worker.live) continue;
              ASSERT_LE(clock(worker) + static_cast<std::int64_t>(worker.started - worker.landed),
                        clock(other) + n + 1)
                  << "seed " << seed;
            }
          }
          break;
        case 1:
          worker.landed += worker.landed < worker.started;
          bound.Landed(node,
                       random() % 2 == 0 ? worker.landed : worker.landed / 2);  // or a late one
          bound.Landed(node, worker.landed);
          break;
        case 2:
          if (random() % 10 == 0) worker.live = !worker.live;
          break;
        default: {
          const std::uint64_t limit = bound.MayStart(node);
          ASSERT_GE(limit, worker.limit) << "seed " << seed << ": a limit shrank";
          if (random() % 3 != 0) worker.limit = limit;
        }
      }
      std::set<NodeId> live;
      for (std::size_t i = 0; i < workers.size(); ++i) {
        if (workers[i].live) live.insert(static_cast<NodeId>(i) + 1);
      }
      bound.SetLive(live);
      std::int64_t least = INT64_MAX;
      for (const Worker& w : workers) {
        if (w.live) least = std::min(least, clock(w));
      }
      if (least == INT64_MAX) {  // nobody has a lease: all go on side by side
        for (const Worker& w : workers) slowest = std::max(slowest, clock(w));
      } else {
        slowest = std::max(slowest, least);
      }
      for (Worker& w : workers) {
        if (!w.live) w.shift += std::max<std::int64_t>(0, slowest - clock(w));
      }
    }
    EXPECT_GT(started_in_all, 20u) << "seed " << seed;
  }
}

}  // namespace
}  // namespace ps
