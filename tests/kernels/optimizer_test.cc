// The float optimisers against oracles in double precision that keep everything explicitly.
#include "kernels/optimizer.h"

#include <gtest/gtest.h>

#include <random>

namespace ps {
namespace {

// FTRL-Proximal as in Algorithm 1 of McMahan et al. 2013: z is kept by its definition.
struct FtrlOracle {
  double alpha, beta, l1, l2, newton, z = 0, n = 0;
  double Denominator() const { return (beta + std::sqrt(n)) / alpha + newton * n + l2; }
  double Weight() const {
    if (std::fabs(z) <= l1) return 0;
    const double sign = z < 0 ? -1 : 1;
    return -(z - sign * l1) / Denominator();
  }
  void Apply(double g, double h) {
    const double w = Weight(), before = Denominator();
    n += h;
    z += g - (Denominator() - before) * w;
  }
};

TEST(Ftrl, FollowsTheOracle) {
  std::mt19937 random(5);
  std::uniform_real_distribution<float> uniform(-1, 1);
  for (const auto& [alpha, beta, l1, l2, newton] : {std::tuple{0.1, 1.0, 0.0, 0.0, 0.0},
                                                    {0.02, 1.0, 1.0, 0.0, 0.0},
                                                    {0.5, 0.1, 0.2, 3.0, 0.2},
                                                    {2.0, 1.0, 0.0, 0.5, 1.0}}) {
    const OptimizerParams params{Optimizer::kFtrl, static_cast<float>(alpha), static_cast<float>(beta),
                                 static_cast<float>(l1), static_cast<float>(l2), static_cast<float>(newton)};
    for (int key = 0; key < 50; ++key) {
      FtrlOracle oracle{alpha, beta, l1, l2, newton};
      float state[2] = {0, 0};
      for (int step = 0; step < 400; ++step) {
        const float g = uniform(random) + 0.3f * uniform(random);
        if (key % 2 == 0) {
          oracle.Apply(g, static_cast<double>(g) * g);
          ApplyGradient(params, g, state);
        } else {
          const float h = std::fabs(uniform(random));
          oracle.Apply(g, h);
          ApplyFtrl(params, g, h, state);
        }
        ASSERT_NEAR(WeightOf(params, state), oracle.Weight(), 2e-4 * (1 + std::fabs(oracle.Weight())));
      }
    }
  }
}

TEST(RowCurvature, IsTheSecondDerivativeUnlessTheGradientIsFarLarger) {
  EXPECT_FLOAT_EQ(RowCurvature(0.5f, 1, -0.5f), 0.25f);
  EXPECT_FLOAT_EQ(RowCurvature(0.5f, 3, -1.5f), 0.75f);
  EXPECT_FLOAT_EQ(RowCurvature(0.0f, 1, -1), 0.125f);   // surely wrong
  EXPECT_FLOAT_EQ(RowCurvature(0.5f, 100, 50), 312.5f);  // one row that weighs like many
  EXPECT_EQ(RowCurvature(0.0f, 1, 0), 0.0f);
}

TEST(Ftrl, L1KeepsSmallEvidenceAtExactlyZero) {
  const OptimizerParams params{Optimizer::kFtrl, 0.1f, 1, 2, 0};
  float state[2] = {0, 0};
  ApplyGradient(params, 1.5f, state);
  EXPECT_EQ(WeightOf(params, state), 0.0f);
  ApplyGradient(params, 1.5f, state);
  EXPECT_LT(WeightOf(params, state), 0.0f);
}

TEST(AdaGrad, FollowsTheOracle) {
  const OptimizerParams params{Optimizer::kAdaGrad, 0.3f, 1, 0, 0.01f};
  std::mt19937 random(6);
  std::normal_distribution<float> normal;
  float state[2] = {0, 0};
  double w = 0, n = 0;
  for (int step = 0; step < 1000; ++step) {
    const float g = normal(random);
    n += static_cast<double>(g) * g;
    w -= 0.3 * (g + 0.01 * w) / (1 + std::sqrt(n));
    ApplyGradient(params, g, state);
    ASSERT_NEAR(state[0], w, 1e-4);
  }
}

TEST(Sgd, IsPlain) {
  const OptimizerParams params{Optimizer::kSgd, -1, 1, 0, 0};
  float count = 0;
  for (int i = 0; i < 100; ++i) ApplyGradient(params, 1, &count);
  EXPECT_EQ(count, 100.0f);  // alpha -1 makes it the counting optimiser of the exactly-once tests
}

}  // namespace
}  // namespace ps
