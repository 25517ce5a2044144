#include "ps/server/interval_set.h"

#include <random>
#include <set>

#include "gtest/gtest.h"

namespace ps {
namespace {

TEST(IntervalSet, AgreesWithAPlainSet) {
  for (std::uint64_t seed = 1; seed <= 200; ++seed) {
    std::mt19937_64 random(seed);
    IntervalSet set;
    std::set<std::uint32_t> model;
    const std::uint32_t range = 1 + random() % 80;
    for (int step = 0; step < 40; ++step) {
      const std::uint32_t first = random() % range;
      const std::uint32_t last = first + random() % 5;
      ASSERT_TRUE(set.Add({first, last}));
      for (std::uint32_t n = first; n <= last; ++n) model.insert(n);
      ASSERT_EQ(set.count(), model.size()) << "seed " << seed;
      for (std::uint32_t n = 0; n < range + 8; ++n) {
        ASSERT_EQ(set.Contains(n), model.contains(n)) << "seed " << seed << " number " << n;
      }
      for (std::size_t i = 1; i < set.intervals().size(); ++i) {
        ASSERT_GT(set.intervals()[i].first, std::uint64_t{set.intervals()[i - 1].last} + 1)
            << "neighbours are joined";
      }
    }
  }
}

TEST(IntervalSet, TheLargestNumbersDoNotWrap) {
  IntervalSet set;
  ASSERT_TRUE(set.Add({0xfffffffeu, 0xffffffffu}));
  ASSERT_TRUE(set.Add({0, 0}));
  EXPECT_EQ(set.intervals().size(), 2u);
  EXPECT_TRUE(set.Contains(0xffffffffu));
  EXPECT_FALSE(set.Contains(1));
  ASSERT_TRUE(set.Add({1, 0xfffffffdu}));
  EXPECT_EQ(set.intervals().size(), 1u);
  EXPECT_EQ(set.count(), std::uint64_t{1} << 32);
}

TEST(IntervalSet, RefusesAReversedInterval) {
  IntervalSet set;
  EXPECT_FALSE(set.Add({5, 4}));
  EXPECT_EQ(set.count(), 0u);
}

}  // namespace
}  // namespace ps
