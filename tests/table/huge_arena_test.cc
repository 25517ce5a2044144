#include "ps/table/huge_arena.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstring>
#include <fstream>

namespace ps {
namespace {

std::uint64_t ResidentBytes() {
  std::uint64_t total = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

TEST(HugeArena, GivesTruncatedMemoryBackAndZeroesItForTheNext) {
  constexpr std::uint64_t kBytes = 64 << 20;
  HugeArena arena;
  ASSERT_EQ(arena.Allocate(kBytes), 0u);
  std::memset(arena.base(), 7, kBytes);
  const std::uint64_t before = ResidentBytes();
  constexpr std::uint64_t kKept = (1 << 20) + 64;  // ends within a page
  arena.Truncate(kKept);
  EXPECT_EQ(arena.used_bytes(), kKept);
  EXPECT_LT(ResidentBytes() + (48 << 20), before);
  EXPECT_EQ(arena.Allocate(kBytes), kKept);
  for (std::uint64_t i = 0; i < kKept; ++i) ASSERT_EQ(arena.base()[i], std::byte{7}) << i;
  for (std::uint64_t i = kKept; i < kBytes; ++i) ASSERT_EQ(arena.base()[i], std::byte{0}) << i;
}

TEST(HugeArena, TruncatingToAllThatIsUsedChangesNothing) {
  HugeArena arena;
  arena.Allocate(128);
  std::memset(arena.base(), 1, 128);
  arena.Truncate(128);
  EXPECT_EQ(arena.base()[127], std::byte{1});
  EXPECT_EQ(arena.Allocate(64), 128u);
}

}  // namespace
}  // namespace ps
