// The vector kernel gives the bits of the plain definition, on rows of every shape.
#include "kernels/row_learner.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

class RowLearner : public ::testing::TestWithParam<OptimizerParams> {};

TEST_P(RowLearner, VectorAndPlainGiveTheSameBits) {
  const OptimizerParams params = GetParam();
  for (unsigned seed = 0; seed < 40; ++seed) {
    const std::size_t longest = seed % 5 == 4 ? 700 : 45;
    const std::uint32_t features = 1000;
    const Rows rows = RandomRows(seed, seed == 0 ? 0 : 60, features, longest);
    const ResolvedRows view = rows.View(seed % 2 == 1, seed % 3 == 1);
    std::vector<float> plain_state((features + 1) * 2), state((features + 1) * 2);
    std::vector<float> plain_margins(rows.labels.size()), margins(rows.labels.size());
    for (int pass = 0; pass < 3; ++pass) {
      LearnRowsPlain(params, view, plain_state.data(), plain_margins.data());
      LearnRows(params, view, state.data(), margins.data());
      ASSERT_EQ(margins, plain_margins);
      ASSERT_EQ(state, plain_state);
    }
    ASSERT_EQ(state[0], 0.0f) << "padding must stay zero";
    std::vector<float> scored(rows.labels.size());
    RowMargins(params, view, state.data(), scored.data());
    for (std::size_t r = 0; r < scored.size(); ++r) {
      ResolvedRows row = rows.View(seed % 2 == 1, false);
      row.row_begin += r;
      row.labels += r;
      row.rows = 1;
      std::vector<float> copy = state;
      float margin = 0;
      LearnRows(params, row, copy.data(), &margin);
      ASSERT_EQ(scored[r], margin);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Optimizers, RowLearner,
    ::testing::Values(OptimizerParams{Optimizer::kFtrl, 0.1f, 1, 0, 0},
                      OptimizerParams{Optimizer::kFtrl, 0.05f, 1, 0.7f, 0.3f},
                      OptimizerParams{Optimizer::kFtrl, 3.0f, 0.1f, 0.01f, 0},
                      OptimizerParams{Optimizer::kFtrl, 0.1f, 0.5f, 0, 0, 0.2f},
                      OptimizerParams{Optimizer::kFtrl, 0.2f, 0.5f, 0.3f, 0.1f, 1.0f},
                      OptimizerParams{Optimizer::kAdaGrad, 0.1f, 1, 0, 0.1f},
                      OptimizerParams{Optimizer::kSgd, 0.05f, 1, 0, 0.1f}));

TEST(RowLearner, LearnsASeparableProblem) {
  const OptimizerParams params{Optimizer::kFtrl, 0.5f, 1, 0, 0};
  Rows rows = RandomRows(3, 2000, 50, 10);
  for (std::size_t r = 0; r < rows.labels.size(); ++r) {
    bool positive = false;
    for (auto i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) positive |= rows.ids[i] == 7;
    rows.labels[r] = positive;
  }
  std::vector<float> state(51 * 2), margins(rows.labels.size());
  for (int pass = 0; pass < 20; ++pass) LearnRows(params, rows.View(false, false), state.data(), margins.data());
  for (std::size_t r = 0; r < rows.labels.size(); ++r) {
    if (rows.labels[r] == 1) {
      EXPECT_GT(margins[r], 0) << r;
    }
  }
}

// One feature whose every row moves the margin by value^2 times the rate: with unscaled values, and with weights in
// the millions, steps must stay of the order of alpha (the root of n grows with them), not of value or weight.
TEST(RowLearner, StepsStayShortWhateverTheScaleOfValuesAndWeights) {
  const OptimizerParams params{Optimizer::kFtrl, 0.1f, 0.5f, 0, 0, 0.2f};
  for (const float scale : {1.0f, 1e3f, 1e6f}) {
    for (const float weight : {1.0f, 1e6f}) {
      Rows rows;
      for (int r = 0; r < 200; ++r) {
        rows.ids.insert(rows.ids.end(), {1, 0, 0, 0, 0, 0, 0, 0});
        rows.values.insert(rows.values.end(), {scale, 0, 0, 0, 0, 0, 0, 0});
        rows.row_begin.push_back(static_cast<std::uint32_t>(rows.ids.size()));
        rows.labels.push_back(r % 3 == 0 ? 1.0f : 0.0f);
        rows.weights.push_back(weight);
      }
      std::vector<float> state(4), margins(rows.labels.size());
      float before = 0;
      for (std::size_t r = 0; r < rows.labels.size(); ++r) {
        ResolvedRows row = rows.View(true, true);
        row.row_begin += r;
        row.labels += r;
        row.weights += r;
        row.rows = 1;
        LearnRows(params, row, state.data(), &margins[r]);
        const float after = WeightOf(params, state.data() + 2);
        ASSERT_LE(std::fabs(after - before), 3 * params.alpha) << scale << " " << weight << " " << r;
        before = after;
      }
    }
  }
}

}  // namespace
}  // namespace ps
