// Batches against sums and steps in double precision, and what the order of rows must not change.
#include "kernels/batch_learner.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <vector>

#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

struct DoubleState {
  double z = 0, root = 0;
};

double WeightOf(const OptimizerParams& p, const DoubleState& s) {
  if (std::fabs(s.z) <= p.l1) return 0;
  const double rate = (p.beta + s.root) / p.alpha + p.newton * s.root * s.root + p.l2;
  return -(s.z - std::copysign(double{p.l1}, s.z)) / rate;
}

// One batch of FTRL, written as the paper has it.
void LearnInDouble(const OptimizerParams& p, const ResolvedRows& rows,
                   std::vector<DoubleState>* state) {
  std::vector<double> gradient(state->size());
  std::vector<bool> there(state->size());
  for (std::size_t r = 0; r < rows.rows; ++r) {
    double margin = 0;
    const auto visit = [&](const auto& each) {
      for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i)
        if (rows.ids[i] != kPaddingId) each(rows.ids[i], rows.values != nullptr ? rows.values[i] : 1.0f);
    };
    visit([&](std::uint32_t id, double value) { margin += WeightOf(p, (*state)[id]) * value; });
    const double weight = rows.weights != nullptr ? rows.weights[r] : 1.0;
    const double error = (1 / (1 + std::exp(-margin)) - rows.labels[r]) * weight;
    visit([&](std::uint32_t id, double value) {
      gradient[id] += error * value;
      there[id] = true;
    });
  }
  for (std::size_t id = 0; id < state->size(); ++id) {
    if (!there[id]) continue;
    DoubleState& s = (*state)[id];
    const double w = WeightOf(p, s), g = gradient[id];
    const double root = std::sqrt(s.root * s.root + g * g);
    s.z += g - ((root - s.root) / p.alpha + p.newton * (root * root - s.root * s.root)) * w;
    s.root = root;
  }
}

TEST(BatchLearnerTest, LearnsAsInDoublePrecision) {
  for (unsigned seed = 1; seed <= 12; ++seed) {
    const std::uint32_t features = 40;
    const Rows rows = RandomRows(seed, 120, features, 9);
    const ResolvedRows view = rows.View(seed % 2 == 1, seed % 3 == 1);
    const OptimizerParams setting{Optimizer::kFtrl, 0.1f, 1.0f, seed % 4 == 0 ? 0.0f : 0.1f, 0.5f,
                                  seed % 5 == 0 ? 0.2f : 0.0f};
    std::vector<float> state(2 * (features + 1)), margins(view.rows);
    BatchLearner().Learn({&setting, 1}, view, view.rows, state.data(), margins.data());
    std::vector<DoubleState> expected(features + 1);
    LearnInDouble(setting, view, &expected);
    for (std::size_t id = 0; id <= features; ++id) {
      // Of a sum: relative to what was added up.
      EXPECT_NEAR(state[2 * id], expected[id].z, 1e-6 * (expected[id].root + 1)) << seed;
      EXPECT_NEAR(state[2 * id + 1], expected[id].root, 1e-6 * (expected[id].root + 1)) << seed;
    }
  }
}

TEST(BatchLearnerTest, SumsAreExactWhateverTheOrderAndTheScale) {
  std::mt19937 random(3);
  for (int round = 0; round < 200; ++round) {
    // Gradients from 1e-12 to 1e12 that cancel out but for one.
    std::vector<float> gradients;
    for (int i = 0; i < 100; ++i) {
      const float g = std::ldexp(static_cast<float>(random() % 1000 + 1), static_cast<int>(random() % 80) - 45);
      gradients.insert(gradients.end(), {g, -g});
    }
    const float left = std::ldexp(3.0f, static_cast<int>(random() % 60) - 40);
    gradients.push_back(left);
    const float bound = std::fabs(*std::max_element(gradients.begin(), gradients.end(), [](float a, float b) {
      return std::fabs(a) < std::fabs(b);
    }));
    const SumScale scale = ScaleOfGradients(bound, gradients.size());
    std::shuffle(gradients.begin(), gradients.end(), random);
    GradientSum sum;
    for (const float g : gradients) {
      const GradientSum parts = PartsOfGradient(g, scale);
      sum.high += parts.high;
      sum.low += parts.low;
    }
    EXPECT_EQ(GradientOf(sum, scale), left) << round;
  }
}

TEST(BatchLearnerTest, ALaneLearnsWhatItLearnsAlone) {
  const std::uint32_t features = 30;
  const Rows rows = RandomRows(5, 90, features, 7);
  const ResolvedRows view = rows.View(true, true);
  std::vector<OptimizerParams> lanes(4);
  for (std::size_t k = 0; k < lanes.size(); ++k) lanes[k].alpha = 0.05f * static_cast<float>(k + 1);
  std::vector<float> state(8 * (features + 1)), margins(4 * view.rows);
  BatchLearner learner;
  learner.Learn(lanes, view, 16, state.data(), margins.data());
  for (std::size_t k = 0; k < lanes.size(); ++k) {
    std::vector<float> alone(2 * (features + 1)), alone_margins(view.rows);
    learner.Learn({&lanes[k], 1}, view, 16, alone.data(), alone_margins.data());
    for (std::size_t r = 0; r < view.rows; ++r) EXPECT_EQ(margins[4 * r + k], alone_margins[r]);
    for (std::size_t id = 0; id <= features; ++id) {
      EXPECT_EQ(state[8 * id + k], alone[2 * id]);
      EXPECT_EQ(state[8 * id + 4 + k], alone[2 * id + 1]);
    }
  }
}

}  // namespace
}  // namespace ps
