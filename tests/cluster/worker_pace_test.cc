#include "scheduler/worker_pace.h"

#include <random>

#include "gtest/gtest.h"

namespace ps {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Worker `node` has done this many batches in so much time each.
void Work(WorkerPace& pace, NodeId node, std::uint64_t batches, milliseconds each) {
  pace.Beat(node, each * batches, batches);
}

TEST(WorkerPace, IsUnknownUntilThereIsEnough) {
  WorkerPace pace;
  EXPECT_FALSE(pace.SecondsABatch(1).has_value());
  Work(pace, 1, 7, milliseconds(10));
  EXPECT_FALSE(pace.SecondsABatch(1).has_value());
  Work(pace, 1, 8, milliseconds(10));
  EXPECT_DOUBLE_EQ(pace.SecondsABatch(1).value(), .01);
  pace.Forget(1);
  EXPECT_FALSE(pace.SecondsABatch(1).has_value());
}

TEST(WorkerPace, FollowsWhatIsLate) {
  WorkerPace pace;
  std::uint64_t batches = 0;
  MonotonicTime busy{0};
  for (const milliseconds each : {milliseconds(10), milliseconds(100)}) {
    for (int beat = 0; beat < 100; ++beat) pace.Beat(1, busy += 5 * each, batches += 5);
  }
  EXPECT_NEAR(pace.SecondsABatch(1).value(), .1, .001);
  // A count that falls is another worker's under the same number: it begins anew.
  pace.Beat(1, milliseconds(10), 1);
  EXPECT_FALSE(pace.SecondsABatch(1).has_value());
}

TEST(WorkerPace, TheSlowAreFoundAndTriedAgain) {
  WorkerPace pace;
  Work(pace, 1, 100, milliseconds(10));
  Work(pace, 2, 100, milliseconds(12));
  Work(pace, 3, 100, milliseconds(35));
  EXPECT_EQ(pace.Judge({1, 2, 3}, seconds(1)), (std::vector<NodeId>{3}));
  EXPECT_TRUE(pace.Judge({1, 2, 3}, seconds(2)).empty()) << "told once";
  EXPECT_TRUE(pace.Slow(3));
  pace.Judge({1, 2, 3}, seconds(1) + WorkerPace::kRest);
  EXPECT_FALSE(pace.Slow(3));
  EXPECT_FALSE(pace.SecondsABatch(3).has_value()) << "it is as fast as the others, until it shows";
}

TEST(WorkerPace, AMomentWithoutTheProcessorIsNotSlowness) {
  WorkerPace pace;
  Work(pace, 1, 100, milliseconds(1));
  Work(pace, 2, 20, milliseconds(10));  // .2 s
  EXPECT_TRUE(pace.Judge({1, 2}, seconds(1)).empty());
}

TEST(WorkerPace, OneThatIsAloneIsNotSlow) {
  WorkerPace pace;
  Work(pace, 1, 100, seconds(1));
  EXPECT_TRUE(pace.Judge({1}, seconds(1)).empty());
}

TEST(WorkerPace, SharesFollowSpeedAndAreEnough) {
  WorkerPace pace;
  EXPECT_EQ(pace.Share(1, {1, 2}, 9), 5u) << "nothing is known";
  Work(pace, 1, 100, milliseconds(10));
  Work(pace, 2, 100, milliseconds(20));
  EXPECT_EQ(pace.Share(1, {1, 2}, 9), 6u);
  EXPECT_EQ(pace.Share(2, {1, 2}, 9), 3u);
  std::mt19937_64 random(1);
  for (int round = 0; round < 1000; ++round) {
    WorkerPace some;
    std::set<NodeId> workers;
    for (NodeId node = 1; node <= 1 + random() % 6; ++node) {
      workers.insert(node);
      if (random() % 4 != 0) Work(some, node, 8 + random() % 50, milliseconds(random() % 50));
    }
    const std::uint32_t chunks = 1 + random() % 20;
    std::uint32_t all = 0;
    for (const NodeId node : workers) all += some.Share(node, workers, chunks);
    EXPECT_GE(all, chunks);
    EXPECT_LE(all, chunks + workers.size());
  }
}

}  // namespace
}  // namespace ps
