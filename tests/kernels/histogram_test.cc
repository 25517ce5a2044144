// The fast histogram, scan and gradient kernels give the bits of their plain definitions.
#include "kernels/histogram.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

#include "kernels/gradients.h"
#include "kernels/split_scan.h"

namespace ps {
namespace {

TEST(Packing, KeepsBothSumsApart) {
  std::mt19937 random(1);
  for (int round = 0; round < 200; ++round) {
    std::uint32_t narrow = 0;
    WideSum wide = 0;
    int g_sum = 0, h_sum = 0;
    for (int i = 0; i < 1000; ++i) {
      const int g = static_cast<int>(random() % 63) - 31, h = static_cast<int>(random() % 64);
      g_sum += g;
      h_sum += h;
      narrow += PackGradient(g, static_cast<std::uint32_t>(h));
      wide += Widen(PackGradient(g, static_cast<std::uint32_t>(h)));
    }
    EXPECT_EQ(NarrowGradient(narrow), g_sum);
    EXPECT_EQ(NarrowHessian(narrow), static_cast<std::uint32_t>(h_sum));
    EXPECT_EQ(wide, Widen(narrow));
    EXPECT_EQ(WideGradient(wide), g_sum);
    EXPECT_EQ(WideHessian(wide), h_sum);
  }
}

class Matrix {
 public:
  Matrix(unsigned seed, std::size_t rows, int columns, std::size_t stride)
      : random_(seed), bins_(rows * stride + 8), view_{bins_.data(), stride, columns} {
    for (std::uint8_t& bin : bins_) bin = static_cast<std::uint8_t>(random_());
    for (std::uint32_t r = 0; r < rows; ++r) {
      if (random_() % 3 == 0) continue;
      rows_.push_back({r, PackGradient(static_cast<int>(random_() % 63) - 31, random_() % 64)});
    }
  }
  std::mt19937 random_;
  std::vector<std::uint8_t> bins_;
  DenseBins view_;
  std::vector<RowGradient> rows_;
};

TEST(Histogram, FastIsPlainForEveryShape) {
  for (const int columns : {1, 3, 4, 7, 28, 32, 33, 70}) {
    for (const std::size_t padding : {0, 5}) {
      Matrix m(static_cast<unsigned>(columns), 900, columns,
               static_cast<std::size_t>(columns) + padding);
      std::vector<std::uint32_t> plain(static_cast<std::size_t>(columns) * kBinsPerColumn),
          fast = plain;
      AddDenseRowsPlain(m.view_, m.rows_.data(), m.rows_.size(), plain.data());
      AddDenseRows(m.view_, m.rows_.data(), m.rows_.size(), fast.data());
      ASSERT_EQ(fast, plain) << columns;
      AddDenseRows(m.view_, m.rows_.data(), 0, fast.data());
      ASSERT_EQ(fast, plain) << columns;
      std::vector<WideSum> plain_wide(plain.size(), -5), fast_wide = plain_wide;
      WidenHistogramPlain(plain.data(), plain.size(), plain_wide.data());
      WidenHistogram(fast.data(), fast.size(), fast_wide.data());
      ASSERT_EQ(fast_wide, plain_wide);
      ASSERT_EQ(fast, plain);
      EXPECT_EQ(std::count(fast.begin(), fast.end(), 0u), static_cast<std::ptrdiff_t>(fast.size()));
    }
  }
}

TEST(Histogram, PartitionKeepsTheOrderOfBothSides) {
  for (unsigned seed = 0; seed < 20; ++seed) {
    Matrix m(seed, seed == 0 ? 1 : 500, 5, 5);
    std::uint8_t goes_left[kBinsPerColumn];
    for (std::uint8_t& left : goes_left) left = m.random_() % 2;
    std::vector<std::uint32_t> left, right;
    for (const RowGradient& row : m.rows_) {
      (goes_left[m.bins_[row.row * 5 + 3]] != 0 ? left : right).push_back(row.row);
    }
    std::vector<RowGradient> rows = m.rows_, out(rows.size() + 1);
    const std::size_t lefts = PartitionDense(m.bins_.data() + 3, 5, goes_left, rows.data(),
                                             rows.size(), rows.data(), out.data());
    ASSERT_EQ(lefts, left.size());
    for (std::size_t i = 0; i < left.size(); ++i) EXPECT_EQ(rows[i].row, left[i]);
    for (std::size_t i = 0; i < right.size(); ++i) EXPECT_EQ(out[i].row, right[i]);
  }
}

TEST(SplitScan, FastIsPlain) {
  std::mt19937 random(7);
  int found = 0;
  for (int round = 0; round < 3000; ++round) {
    const int bins = 1 + static_cast<int>(random() % 255);
    std::vector<WideSum> cells(static_cast<std::size_t>(bins));
    ColumnCells column{cells.data(), bins, 0, 0};
    const unsigned large = round % 5 == 0 ? 10'000'000 : 50;
    const auto sum = [&] {
      const auto h = static_cast<std::int64_t>(random() % large);
      return (h << 32) + static_cast<std::int64_t>(random() % (2 * large)) - large;
    };
    for (WideSum& cell : cells) column.total += cell = random() % 3 == 0 ? 0 : sum();
    if (round % 2 == 0) column.total += column.missing = sum();
    const ScanParams params{static_cast<double>(random() % 3), round % 7 == 0 ? 20.0 : 0.0,
                            1.0 + static_cast<double>(random() % 100)};
    const ColumnSplit plain = BestSplitPlain(column, params), fast = BestSplit(column, params);
    ASSERT_EQ(fast.score, plain.score) << round;
    ASSERT_GE(MostScore(column, params), plain.score) << round;
    if (plain.score < 0) continue;
    ++found;
    ASSERT_EQ(fast.bin, plain.bin) << round;
    ASSERT_EQ(fast.missing_left, plain.missing_left) << round;
    ASSERT_EQ(fast.left, plain.left) << round;
  }
  EXPECT_GT(found, 1000);
}

TEST(Gradients, FastIsPlainAndNearTheTruth) {
  std::vector<float> margin, label, weight;
  std::mt19937 random(3);
  std::normal_distribution<float> normal(0, 8);
  for (int i = 0; i < 1003; ++i) {
    margin.push_back(i == 0 ? 0 : i == 1 ? 200.0f : i == 2 ? -200.0f : normal(random));
    label.push_back(random() % 2);
    weight.push_back(0.5f * (random() % 4));
  }
  const std::size_t n = margin.size();
  for (const float* weights :
       {static_cast<const float*>(nullptr), static_cast<const float*>(weight.data())}) {
    std::vector<float> g(n), h(n), plain_g(n), plain_h(n);
    LogisticGradients(margin.data(), label.data(), weights, n, g.data(), h.data());
    LogisticGradientsPlain(margin.data(), label.data(), weights, n, plain_g.data(), plain_h.data());
    ASSERT_EQ(g, plain_g);
    ASSERT_EQ(h, plain_h);
    for (std::size_t i = 0; i < n; ++i) {
      const double w = weights == nullptr ? 1 : weights[i],
                   p = 1 / (1 + std::exp(-double{margin[i]}));
      EXPECT_NEAR(g[i], w * (p - label[i]), 1e-6);
      EXPECT_NEAR(h[i], w * p * (1 - p), 1e-6);
    }
    const Quantisation q{0x1234567u, 31, 252, 1 << 20, 1 << 20};
    for (const std::uint64_t first : {std::uint64_t{0}, (std::uint64_t{1} << 32) - 500}) {
      std::vector<RowGradient> rows(n), plain_rows(n);
      std::vector<FixedGradient> fixed(n), plain_fixed(n);
      QuantiseGradients(q, g.data(), h.data(), n, 9, first, rows.data(), fixed.data());
      QuantiseGradientsPlain(q, g.data(), h.data(), n, 9, first, plain_rows.data(),
                             plain_fixed.data());
      for (std::size_t i = 0; i < n; ++i) {
        ASSERT_EQ(rows[i].row, 9 + i);
        ASSERT_EQ(rows[i].packed, plain_rows[i].packed);
        ASSERT_EQ(fixed[i].g, plain_fixed[i].g);
        ASSERT_EQ(fixed[i].h, plain_fixed[i].h);
        EXPECT_NEAR(NarrowGradient(rows[i].packed), g[i] * 31, 1.001);
        EXPECT_NEAR(NarrowHessian(rows[i].packed), h[i] * 252, 1.001);
      }
    }
  }
}

TEST(Gradients, RoundingIsUnbiasedAndKeyedByTheGlobalRow) {
  constexpr std::size_t kRows = 200000;
  const std::vector<float> g(kRows, 0.3f), h(kRows, 0.11f);
  std::vector<RowGradient> rows(kRows), part(100);
  std::vector<FixedGradient> fixed(kRows), part_fixed(100);
  const Quantisation q{42, 1, 1, 1024, 1024};
  QuantiseGradients(q, g.data(), h.data(), kRows, 0, 0, rows.data(), fixed.data());
  double g_sum = 0, h_sum = 0;
  for (const RowGradient& row : rows) {
    g_sum += NarrowGradient(row.packed);
    h_sum += NarrowHessian(row.packed);
  }
  EXPECT_NEAR(g_sum / kRows, 0.3, 0.005);
  EXPECT_NEAR(h_sum / kRows, 0.11, 0.005);
  QuantiseGradients(q, g.data(), h.data(), 100, 0, 12345, part.data(), part_fixed.data());
  for (std::size_t i = 0; i < part.size(); ++i) EXPECT_EQ(part[i].packed, rows[12345 + i].packed);
}

}  // namespace
}  // namespace ps
