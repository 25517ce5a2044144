#include "kernels/logistic.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace ps {
namespace {

TEST(DeterministicExp, AgreesWithLibm) {
  for (double x = -40; x <= 40; x += 0.000977) {
    EXPECT_NEAR(DeterministicExp(x) / std::exp(x), 1.0, 1e-9) << x;
  }
  EXPECT_EQ(DeterministicExp(0), 1.0);
}

TEST(Logistic, EdgesAndSymmetry) {
  EXPECT_EQ(Logistic(0.0f), 0.5f);
  EXPECT_EQ(Logistic(1000.0f), 1.0f);
  EXPECT_GE(Logistic(-1000.0f), 0.0f);
  EXPECT_LT(Logistic(-1000.0f), 1e-16f);
  EXPECT_TRUE(std::isnan(Logistic(std::numeric_limits<float>::quiet_NaN())));
  for (float f = -30; f < 30; f += 0.37f) EXPECT_NEAR(Logistic(f) + Logistic(-f), 1.0, 1e-7);
}

}  // namespace
}  // namespace ps
