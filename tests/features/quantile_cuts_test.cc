#include "models/features/quantile_cuts.h"

#include <algorithm>
#include <cmath>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace ps {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Gt;
using ::testing::IsEmpty;
using ::testing::Lt;

TEST(QuantileCutsTest, FewValues) {
  EXPECT_THAT(QuantileCuts({}, 8), IsEmpty());
  EXPECT_THAT(QuantileCuts({5, 5, 5}, 8), IsEmpty());
  EXPECT_THAT(QuantileCuts({1, 2, 2, 4}, 8),
              ElementsAre(AllOf(Gt(1.45), Lt(1.5)), AllOf(Gt(2.9), Lt(3))));
  const double one_up = std::nextafter(1.0, 2.0);
  EXPECT_THAT(QuantileCuts({1, one_up}, 2), ElementsAre(one_up));
}

TEST(QuantileCutsTest, UniformValuesGiveEqualBuckets) {
  std::vector<double> values;
  for (int i = 0; i < 3200; ++i) values.push_back(i);
  const std::vector<double> cuts = QuantileCuts(values, 32);
  ASSERT_EQ(cuts.size(), 31);
  for (std::uint64_t mass : LeafMasses(values, cuts)) EXPECT_EQ(mass, 100);
}

TEST(QuantileCutsTest, HeavyValuesHaveBucketsOfTheirOwn) {
  std::mt19937_64 random(5);
  for (int round = 0; round < 200; ++round) {
    std::vector<double> values;
    const int distinct = 2 + static_cast<int>(random() % 100);
    for (int i = 0; i < 3000; ++i) {
      const double u = std::uniform_real_distribution<double>(0, 1)(random);
      values.push_back(std::floor(distinct * u * u * u) - 3);
    }
    std::sort(values.begin(), values.end());
    const int buckets = 2 + static_cast<int>(random() % 40);
    const std::vector<double> cuts = QuantileCuts(values, buckets);
    EXPECT_LE(cuts.size() + 1, 2 * buckets + 1);
    EXPECT_TRUE(std::is_sorted(cuts.begin(), cuts.end(), std::less_equal<double>()));
    const auto leaf = [&](double x) {
      return std::upper_bound(cuts.begin(), cuts.end(), x) - cuts.begin();
    };
    const std::vector<std::uint64_t> masses = LeafMasses(values, cuts);
    for (std::size_t i = 0; i < values.size();) {
      const auto end = std::upper_bound(values.begin(), values.end(), values[i]);
      const auto mass = static_cast<std::uint64_t>(end - values.begin()) - i;
      if (mass * static_cast<std::uint64_t>(buckets) >= values.size()) {
        EXPECT_EQ(masses[static_cast<std::size_t>(leaf(values[i]))], mass);
      } else {
        // A light bucket is at most half an item beyond twice its share.
        EXPECT_LE(
            masses[static_cast<std::size_t>(leaf(values[i]))] * static_cast<std::uint64_t>(buckets),
            3 * values.size());
      }
      i += mass;
    }
  }
}

}  // namespace
}  // namespace ps
