// Sums without rounding, in parts and on the wire.
#include "models/gbdt/exact_sum.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

namespace ps {
namespace {

TEST(ExactSumTest, AnyOrderAndGroupingGiveTheSameSum) {
  std::mt19937_64 random(7);
  std::vector<double> numbers;
  for (int i = 0; i < 3000; ++i) {
    const auto x = static_cast<float>((random() % 2 ? 1 : -1) *
                                      std::exp(static_cast<double>(random() % 40) - 20));
    numbers.push_back(double{x} * static_cast<float>(random() % 1000) / 7);
  }
  ExactSum once;
  for (const double x : numbers) once.Add(x);
  std::shuffle(numbers.begin(), numbers.end(), random);
  ExactSum parts;
  for (int p = 0; p < 3; ++p) {
    ExactSum part, read;
    for (int i = 1000 * p; i < 1000 * (p + 1); ++i) part.Add(numbers[static_cast<std::size_t>(i)]);
    ASSERT_TRUE(read.Parse(part.Serialize()));
    parts.Merge(read);
  }
  EXPECT_EQ(once.value(), parts.value());
  long double plain = 0;
  for (const double x : numbers) plain += x;
  EXPECT_NEAR(once.value(), static_cast<double>(plain),
              1e-12 * std::fabs(static_cast<double>(plain)) + 1e-9);
  ExactSum ones;
  for (int i = 0; i < 1000; ++i) ones.Add(i % 4 == 0 ? 0 : 1);
  EXPECT_EQ(ones.value(), 750);
}

}  // namespace
}  // namespace ps
