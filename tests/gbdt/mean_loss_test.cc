#include "trainer/gbdt/mean_loss.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"

namespace ps {
namespace {

struct Predicted {
  BinnedRows rows;
  std::vector<float> margins;
};

// Labels are classes.
Predicted Predict(std::size_t rows, std::uint32_t classes, bool weights) {
  std::mt19937 random(7);
  Predicted made;
  made.rows.rows = rows;
  std::normal_distribution<float> normal(0, 3);
  for (std::size_t i = 0; i < rows; ++i) {
    made.rows.labels.push_back(static_cast<float>(random() % std::max(2u, classes)));
    if (weights) made.rows.weights.push_back(static_cast<float>(random() % 5));
  }
  for (std::size_t i = 0; i < rows * classes; ++i) made.margins.push_back(normal(random));
  return made;
}

double Expected(const RowLoss& loss, const Predicted& made, std::vector<float>* of_rows) {
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < made.rows.rows; ++i) {
    const double margin = made.margins[i], label = made.rows.labels[i];
    const double of_row =
        loss.classes > 1 ? SoftmaxLoss(made.margins.data() + i, made.rows.rows, loss.classes, made.rows.labels[i])
        : loss.squared   ? (margin - label) * (margin - label)
                         : LogLoss(margin + loss.offset, label);
    const double weight = made.rows.weights.empty() ? 1 : made.rows.weights[i];
    sum += weight * of_row;
    weights += weight;
    of_rows->push_back(static_cast<float>(of_row));
  }
  return sum / weights;
}

TEST(MeanLossTest, IsThatOfTheRowsOneByOneForAnyNumberOfThreads) {
  for (const RowLoss& loss : {RowLoss{}, RowLoss{false, 1, -0.7}, RowLoss{true}, RowLoss{false, 3}}) {
    for (const std::size_t rows : {1u, 4095u, 4096u, 30001u}) {
      const Predicted made = Predict(rows, loss.classes, rows > 1 && !loss.squared);
      std::vector<float> expected_rows, of_rows;
      const double expected = Expected(loss, made, &expected_rows);
      Crew one(1), three(3);
      const double alone = MeanLoss(loss, made.rows, made.margins, &one, &of_rows);
      EXPECT_NEAR(alone, expected, 1e-9 * std::max(1.0, expected)) << rows << " rows, " << loss.classes << " classes";
      ASSERT_EQ(of_rows.size(), rows);
      for (std::size_t i = 0; i < rows; ++i) ASSERT_NEAR(of_rows[i], expected_rows[i], 1e-6 * std::max(1.0f, of_rows[i]));
      for (int again = 0; again < 10; ++again) EXPECT_EQ(MeanLoss(loss, made.rows, made.margins, &three), alone);
    }
  }
}

TEST(MeanLossTest, WithoutRowsOrWeightsIsZero) {
  Crew crew(2);
  EXPECT_EQ(MeanLoss({}, BinnedRows(), {}, &crew), 0);
  Predicted made = Predict(10, 1, false);
  made.rows.weights.assign(10, 0.0f);
  EXPECT_EQ(MeanLoss({}, made.rows, made.margins, &crew), 0);
}

}  // namespace
}  // namespace ps
