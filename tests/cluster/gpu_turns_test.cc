#include "trainer/cluster/gpu_turns.h"

#include "gtest/gtest.h"

namespace ps {
namespace {

TEST(GpuTurns, SpreadsProcessesAndGivesAReplacementTheFreeOne) {
  GpuTurns turns({0, 1, 2});
  std::vector<pid_t> running;
  for (pid_t pid = 100; pid < 107; ++pid) {
    const std::optional<int> gpu = turns.Next(running);
    ASSERT_EQ(gpu, (pid - 100) % 3);
    turns.Started(pid, gpu);
    running.push_back(pid);
  }
  // 100, 103 and 106 are on the first; 101 and 104 on the second, of which one ends.
  running.erase(running.begin() + 1);
  EXPECT_EQ(turns.Next(running), 1);
  running.push_back(1);  // a process of another kind has none
  EXPECT_EQ(turns.Next(running), 1);
}

TEST(GpuTurns, ChooseNothingWhereThereIsNoChoice) {
  EXPECT_EQ(GpuTurns({}).Next({}), std::nullopt);
  EXPECT_EQ(GpuTurns({0}).Next({5}), std::nullopt);
  EXPECT_EQ(GpuTurns({1}).Next({5}), 1) << "the first, which is no use, is what it would take by itself";
}

TEST(GpuTurns, HandOutTheNumbersThatThereAre) {
  GpuTurns turns({1, 3});
  EXPECT_EQ(turns.Next({}), 1);
  turns.Started(100, 1);
  EXPECT_EQ(turns.Next({100}), 3);
  turns.Started(101, 3);
  EXPECT_EQ(turns.Next({100}), 3);
}

// The one whose worker has failed is the free one: another is taken all the same, as long as one has failed less.
TEST(GpuTurns, AvoidAGpuThatHasFailed) {
  GpuTurns turns({0, 1});
  turns.Started(100, 0);
  turns.Started(101, 1);
  EXPECT_TRUE(turns.Failed(100));
  EXPECT_EQ(turns.Next({101}), 1);
  turns.Started(102, 1);
  EXPECT_TRUE(turns.Failed(102));
  EXPECT_TRUE(turns.Failed(101));
  EXPECT_EQ(turns.Next({}), 0);
}

TEST(GpuTurns, EndWhenEveryGpuHasFailedOften) {
  for (const std::vector<int>& gpus : {std::vector<int>{}, {0}, {0, 1}}) {
    GpuTurns turns(gpus);
    int failures = 0;
    for (pid_t pid = 100; pid < 120; ++pid) {
      turns.Started(pid, turns.Next({}));
      ++failures;
      if (!turns.Failed(pid)) break;
    }
    EXPECT_EQ(failures, gpus.size() == 2 ? 6 : 3);
  }
}

TEST(GpuTurns, ShowOneOfWhatIsVisibleHere) {
  EXPECT_EQ(VisibleGpu(nullptr, 2), "2");
  EXPECT_EQ(VisibleGpu("4,6", 0), "4");
  EXPECT_EQ(VisibleGpu("4,6", 1), "6");
  EXPECT_EQ(VisibleGpu("GPU-8932f937,MIG-1", 1), "MIG-1");
  EXPECT_EQ(VisibleGpu("4", 3), "") << "none, not somebody else's";
}

}  // namespace
}  // namespace ps
