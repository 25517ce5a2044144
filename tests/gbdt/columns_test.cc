// Bins: every value in the one where its cuts say.
#include "models/gbdt/columns.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

namespace ps {
namespace {

TEST(Columns, CutsKeepFewValuesApart) {
  std::vector<float> values = {3, 1, 2, 2, 2, -5, 3};
  const std::vector<float> cuts = ChooseCuts(CountValues(&values), 255, 1);
  ASSERT_EQ(cuts.size(), 3u);
  BinColumn column;
  column.cuts = cuts;
  EXPECT_EQ(BinOf(column, -5), 1);
  EXPECT_EQ(BinOf(column, 1), 2);
  EXPECT_EQ(BinOf(column, 2), 3);
  EXPECT_EQ(BinOf(column, 3), 4);
  EXPECT_EQ(BinOf(column, -1e30f), 1);
  EXPECT_EQ(BinOf(column, 1e30f), 4);
  EXPECT_EQ(BinOf(column, std::numeric_limits<float>::quiet_NaN()), 0);
  EXPECT_TRUE(ChooseCuts({}, 255, 1).empty());
}

TEST(Columns, ManyValuesShareBinsOfEqualMass) {
  std::mt19937 random(5);
  std::lognormal_distribution<float> lognormal(0, 2);
  for (const int bins : {2, 3, 16, 255}) {
    std::vector<float> values;
    for (int i = 0; i < 50000; ++i) values.push_back(i % 4 == 0 ? 7.0f : lognormal(random));
    const std::vector<float> sample = values;
    BinColumn column;
    column.cuts = ChooseCuts(CountValues(&values), bins, 1);
    EXPECT_LE(column.bins(), bins);
    EXPECT_GE(column.bins(), bins * 9 / 10);
    EXPECT_TRUE(std::is_sorted(column.cuts.begin(), column.cuts.end()));
    EXPECT_EQ(std::adjacent_find(column.cuts.begin(), column.cuts.end()), column.cuts.end());
    std::map<int, int> rows;
    for (const float value : sample) ++rows[BinOf(column, value)];
    if (bins < 16) continue;
    for (const auto& [bin, count] : rows) {
      if (bin == BinOf(column, 7.0f)) continue;
      EXPECT_LT(count, 2.5 * 37500 / (bins - 1)) << bin;
    }
  }
}

TEST(Columns, RareColumnsHaveFewBins) {
  std::vector<float> values;
  for (int i = 0; i < 100; ++i) values.push_back(static_cast<float>(i));
  EXPECT_LE(ChooseCuts(CountValues(&values), 255, 10).size(), 9u);
  EXPECT_EQ(ChooseCuts(CountValues(&values), 255, 1000).size(), 0u);
}

std::vector<float> CutsAroundZero(std::vector<float> values, int bins, std::uint64_t min_rows) {
  return ChooseCutsAroundZero(CountValues(&values), bins, min_rows);
}

TEST(Columns, ZeroThatStandsForAbsentIsCutOff) {
  EXPECT_EQ(CutsAroundZero({1, 1, 1}, 255, 1), std::vector<float>{0.5f});
  EXPECT_EQ(CutsAroundZero({1, 1, 1}, 255, 32), std::vector<float>{0.5f});
  EXPECT_EQ(CutsAroundZero({-4, -4}, 255, 1), std::vector<float>{-2});
  EXPECT_EQ(CutsAroundZero({-4, 2, 4}, 255, 1), (std::vector<float>{-2, 1, 3}));
  EXPECT_TRUE(CutsAroundZero({}, 255, 1).empty());
  // Two bins in all: the heavier side.
  EXPECT_EQ(CutsAroundZero({-4, -4, 2}, 2, 1), std::vector<float>{-2});
  EXPECT_EQ(CutsAroundZero({-4, 2, 2}, 2, 1), std::vector<float>{1});
  EXPECT_EQ(CutsAroundZero({-4}, 2, 1), std::vector<float>{-2});
  EXPECT_EQ(CutsAroundZero({1e-45f}, 3, 1), std::vector<float>{1e-45f});
}

TEST(Columns, BinsBesideZeroAreSharedByMass) {
  std::mt19937 random(7);
  for (int round = 0; round < 300; ++round) {
    const int below = static_cast<int>(random() % 3) * static_cast<int>(random() % 400),
              above = static_cast<int>(random() % 3) * static_cast<int>(random() % 400);
    const int bins = 2 + static_cast<int>(random() % 254);
    std::vector<float> values;
    for (int i = 0; i < below + above; ++i) {
      const float size = static_cast<float>(1 + random() % 500);
      values.push_back(i < below ? -size : size);
    }
    const std::uint64_t min_rows = round % 2 == 0 ? 1 : 32;
    BinColumn column;
    column.cuts = CutsAroundZero(values, bins, min_rows);
    ASSERT_LE(column.bins(), bins) << round;
    ASSERT_TRUE(std::is_sorted(column.cuts.begin(), column.cuts.end(), std::less_equal<>()));
    const int sides = (below > 0) + (above > 0);
    if (bins <= sides) continue;
    int shared = 0;
    for (const float value : values) shared += BinOf(column, value) == BinOf(column, 0);
    ASSERT_EQ(shared, 0) << round;
    // No bin is left over that a value could have had.
    const std::size_t distinct = CountValues(&values).size();
    if (min_rows == 1 && distinct < static_cast<std::size_t>(bins)) {
      ASSERT_EQ(column.cuts.size(), distinct) << round;
    } else if (min_rows == 1 && bins > 20) {
      ASSERT_GE(column.bins(), bins * 9 / 10) << round;
    }
  }
}

TEST(Columns, TheTableFindsTheSameBins) {
  std::mt19937 random(9);
  std::normal_distribution<float> normal;
  for (const std::size_t cuts : {0, 1, 2, 15, 16, 17, 100, 253, 254}) {
    BinColumn column;
    while (column.cuts.size() < cuts) column.cuts.push_back(normal(random));
    std::sort(column.cuts.begin(), column.cuts.end());
    const CutTable table(column.cuts);
    std::vector<float> values = column.cuts;
    for (int i = 0; i < 1000; ++i) values.push_back(normal(random));
    for (const float edge : {1e38f, -1e38f, INFINITY, -INFINITY, NAN, 0.0f, -0.0f})
      values.push_back(edge);
    for (const float value : values)
      ASSERT_EQ(table.BinOf(value), BinOf(column, value)) << cuts << " " << value;
  }
}

}  // namespace
}  // namespace ps
