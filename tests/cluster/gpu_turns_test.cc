#include "trainer/cluster/gpu_turns.h"

#include "gtest/gtest.h"

namespace ps {
namespace {

TEST(GpuTurns, SpreadsProcessesAndGivesAReplacementTheFreeOne) {
  GpuTurns turns(3);
  std::vector<pid_t> running;
  for (pid_t pid = 100; pid < 107; ++pid) {
    const std::optional<int> gpu = turns.Next(running);
    ASSERT_EQ(gpu, (pid - 100) % 3);
    turns.Started(pid, *gpu);
    running.push_back(pid);
  }
  // 100, 103 and 106 are on the first; 101 and 104 on the second, of which one ends.
  running.erase(running.begin() + 1);
  EXPECT_EQ(turns.Next(running), 1);
  running.push_back(1);  // a process of another kind has none
  EXPECT_EQ(turns.Next(running), 1);
}

TEST(GpuTurns, ChooseNothingWhereThereIsNoChoice) {
  EXPECT_EQ(GpuTurns(0).Next({}), std::nullopt);
  EXPECT_EQ(GpuTurns(1).Next({5}), std::nullopt);
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
