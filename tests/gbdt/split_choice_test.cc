#include "models/gbdt/split_choice.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace ps {
namespace {

// Rare columns, a few of which say something of the labels.
struct RareColumns {
  static constexpr std::size_t kColumns = 2000, kBins = 8;
  std::vector<WideSum> cells = std::vector<WideSum>(kColumns * kBins);
  std::vector<BinColumn> columns = std::vector<BinColumn>(kColumns, BinColumn{.cuts = {1, 2, 3, 4, 5, 6, 7}});
  WideSum total = (std::int64_t{100000} << 32) + 500;

  explicit RareColumns(std::uint32_t seed) {
    std::mt19937 random(seed);
    std::normal_distribution<double> noise(0, 1);
    for (std::size_t i = 0; i < cells.size(); ++i) {
      const auto h = static_cast<std::int64_t>(random() % 40);
      const double bias = i / kBins % 500 == 7 ? 2 : 0;
      cells[i] = (h << 32) + static_cast<std::int64_t>(noise(random) * std::sqrt(static_cast<double>(h)) + bias * static_cast<double>(h));
    }
  }
  ColumnHistogram Of(std::size_t column) const {
    WideSum present = 0;
    for (std::size_t b = 0; b < kBins; ++b) present += cells[column * kBins + b];
    return {{cells.data() + column * kBins, static_cast<int>(kBins), total - present, total}, nullptr};
  }
};

// Columns that are seen to have no better cut are passed over, and the choice is that of looking at each.
TEST(ImproveSplitTest, PassesOverColumnsThatCannotWin) {
  for (std::uint32_t seed = 1; seed <= 50; ++seed) {
    const RareColumns rare(seed);
    SplitRules rules;
    rules.scan = {.l2 = seed % 3 * 4.0, .l1 = seed % 2 * 3.0, .min_hessian = 4};
    rules.absent_is_zero = seed % 5 == 0;
    SplitChoice one_after_the_other, best_of_each;
    std::size_t passed_over = 0;
    for (std::uint32_t c = 0; c < RareColumns::kColumns; ++c) {
      const ColumnHistogram histogram = rare.Of(c);
      passed_over += MostScore(histogram.numbers, rules.scan) < one_after_the_other.score;
      ImproveSplit(histogram, c, rare.columns[c], rules, {}, &one_after_the_other);
      SplitChoice alone;
      ImproveSplit(histogram, c, rare.columns[c], rules, {}, &alone);
      if (alone.score >= 0 && alone.BetterThan(best_of_each)) best_of_each = alone;
    }
    EXPECT_EQ(one_after_the_other.column, best_of_each.column) << seed;
    EXPECT_EQ(one_after_the_other.score, best_of_each.score) << seed;
    EXPECT_EQ(one_after_the_other.bin, best_of_each.bin) << seed;
    EXPECT_EQ(one_after_the_other.left, best_of_each.left) << seed;
    EXPECT_GT(passed_over, RareColumns::kColumns * 9 / 10) << seed;
  }
}

}  // namespace
}  // namespace ps
