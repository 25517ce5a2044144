#include "ps/base/cgroup.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>

#include "ps/base/file.h"

namespace ps {
namespace {

constexpr std::int64_t kMiB = 1 << 20;

// A directory that looks like the root of a machine with 8 GiB, 6 of them available.
class CgroupTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/ps_cgroup_test.XXXXXX";
    ASSERT_NE(::mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
    Put("/proc/meminfo",
        "MemTotal:        8388608 kB\nMemFree:          100 kB\nMemAvailable:    6291456 kB\n");
  }
  void TearDown() override { ASSERT_TRUE(RemoveTree(root_).ok()); }

  void Put(const std::string& path, const std::string& content) {
    const std::string full = root_ + path;
    ASSERT_TRUE(MakeDirs(full.substr(0, full.rfind('/'))).ok());
    std::ofstream(full) << content;
  }

  std::string root_;
};

TEST_F(CgroupTest, AMachineWithoutGroupsIsNotLimited) {
  EXPECT_EQ(CpuQuota(root_), 0);
  EXPECT_GE(EffectiveCpuCount(root_), 1);
  const MemoryLimits memory = EffectiveMemory(root_);
  EXPECT_EQ(memory.limit_bytes, 8192 * kMiB);
  EXPECT_EQ(memory.available_bytes, 6144 * kMiB);
  EXPECT_FALSE(memory.from_cgroup);
}

TEST_F(CgroupTest, AMachineWithoutProcStillHasMemory) {
  const MemoryLimits memory = EffectiveMemory(root_ + "/nowhere");
  EXPECT_GT(memory.limit_bytes, 0);
  EXPECT_GT(memory.available_bytes, 0);
}

TEST_F(CgroupTest, VersionTwoInsideANamespace) {
  Put("/proc/self/cgroup", "0::/\n");
  Put("/sys/fs/cgroup/cpu.max", "150000 100000\n");
  Put("/sys/fs/cgroup/memory.max", "1073741824\n");
  Put("/sys/fs/cgroup/memory.current", "536870912\n");
  Put("/sys/fs/cgroup/memory.stat", "anon 268435456\ninactive_file 134217728\n");
  EXPECT_DOUBLE_EQ(CpuQuota(root_), 1.5);
  EXPECT_LE(EffectiveCpuCount(root_), 2);
  const MemoryLimits memory = EffectiveMemory(root_);
  EXPECT_EQ(memory.limit_bytes, 1024 * kMiB);
  EXPECT_EQ(memory.available_bytes, (1024 - 512 + 128) * kMiB);
  EXPECT_TRUE(memory.from_cgroup);
}

TEST_F(CgroupTest, VersionTwoTheTightestAncestorCounts) {
  Put("/proc/self/cgroup", "0::/user.slice/job.scope\n");
  Put("/sys/fs/cgroup/user.slice/cpu.max", "50000 100000\n");
  Put("/sys/fs/cgroup/user.slice/job.scope/cpu.max", "max 100000\n");
  Put("/sys/fs/cgroup/user.slice/memory.max", "2147483648\n");
  Put("/sys/fs/cgroup/user.slice/memory.current", "1073741824\n");
  Put("/sys/fs/cgroup/user.slice/job.scope/memory.max", "4294967296\n");
  EXPECT_DOUBLE_EQ(CpuQuota(root_), 0.5);
  EXPECT_EQ(EffectiveCpuCount(root_), 1);  // never none
  EXPECT_EQ(EffectiveMemory(root_).limit_bytes, 2048 * kMiB);
  EXPECT_EQ(EffectiveMemory(root_).available_bytes, 1024 * kMiB);
}

TEST_F(CgroupTest, TheLimitOfAnUnrelatedGroupDoesNotCount) {
  Put("/proc/self/cgroup", "0::/a\n");
  Put("/sys/fs/cgroup/b/cpu.max", "10000 100000\n");
  Put("/sys/fs/cgroup/b/memory.max", "1048576\n");
  EXPECT_EQ(CpuQuota(root_), 0);
  EXPECT_FALSE(EffectiveMemory(root_).from_cgroup);
}

TEST_F(CgroupTest, VersionOneWithTheHostsPath) {
  // The paths are the host's; in the container the mounts are the group itself.
  Put("/proc/self/cgroup",
      "5:cpu,cpuacct:/docker/0123\n4:memory:/docker/0123\n1:name=systemd:/docker/0123\n");
  Put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "300000\n");
  Put("/sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n");
  Put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "2147483648\n");
  Put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "1073741824\n");
  Put("/sys/fs/cgroup/memory/memory.stat", "cache 1\ntotal_inactive_file 1073741824\n");
  EXPECT_DOUBLE_EQ(CpuQuota(root_), 3);
  const MemoryLimits memory = EffectiveMemory(root_);
  EXPECT_EQ(memory.limit_bytes, 2048 * kMiB);
  EXPECT_EQ(memory.available_bytes, 2048 * kMiB);
}

TEST_F(CgroupTest, VersionOneWithoutLimits) {
  Put("/proc/self/cgroup", "5:cpu,cpuacct:/\n4:memory:/\n");
  Put("/sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
  Put("/sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
  Put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  EXPECT_EQ(CpuQuota(root_), 0);
  EXPECT_FALSE(EffectiveMemory(root_).from_cgroup);
}

TEST_F(CgroupTest, GarbageLimitsNothing) {
  Put("/proc/self/cgroup", "nonsense\n0::relative\n::\n0::/g\n");
  Put("/sys/fs/cgroup/g/cpu.max", "much more than 5\n");
  Put("/sys/fs/cgroup/g/memory.max", "-7\n");
  Put("/proc/meminfo", "MemTotal\nMemAvailable: lots kB\n");
  EXPECT_EQ(CpuQuota(root_), 0);
  EXPECT_FALSE(EffectiveMemory(root_).from_cgroup);
  EXPECT_GT(EffectiveMemory(root_).limit_bytes, 0);
}

TEST(MachineTest, ThisMachineHasProcessorsAndMemory) {
  EXPECT_GE(EffectiveCpuCount(), 1);
  const MemoryLimits memory = EffectiveMemory();
  EXPECT_GT(memory.limit_bytes, 0);
  EXPECT_LE(memory.available_bytes, memory.limit_bytes);
  EXPECT_GT(ResidentBytes(), kMiB);
}

TEST(MachineTest, ThePeakStaysWhenMemoryIsGivenBack) {
  const std::int64_t before = PeakResidentBytes();
  constexpr std::size_t kSize = 64 << 20;
  void* const block =
      ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(block, MAP_FAILED);
  std::memset(block, 1, kSize);
  EXPECT_GT(ResidentBytes(), 60 * kMiB);
  ASSERT_EQ(::munmap(block, kSize), 0);
  EXPECT_GE(PeakResidentBytes(), std::max(before, 60 * kMiB));
}

}  // namespace
}  // namespace ps
