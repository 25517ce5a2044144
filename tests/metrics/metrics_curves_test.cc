// The groups and the ROC curve behind tables and plots, and the functions under all figures.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "models/metrics/logistic_loss.h"
#include "models/metrics/metrics.h"
#include "tests/metrics/sample.h"

namespace ps {
namespace {

TEST(Metrics, GroupsHaveEqualMassAndEceFollows) {
  const Sample sample = Draw({"", 20000, 1.5, 0, false}, 7);
  MetricState state;
  state.AddRows(sample.margin, sample.label);
  const std::vector<ScoreGroup> groups = state.Groups();
  ASSERT_EQ(groups.size(), 20);
  double rows = 0, positives = 0, ece = 0;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    EXPECT_NEAR(groups[g].rows, 1000, 30);
    EXPECT_LT(groups[g].margin_low, groups[g].margin_high);
    if (g > 0) {
      EXPECT_LE(groups[g - 1].margin_high, groups[g].margin_low);
    }
    rows += groups[g].rows;
    positives += groups[g].positives;
    ece += std::fabs(groups[g].prediction - groups[g].positives) / 20000;
  }
  EXPECT_EQ(rows, 20000);
  EXPECT_EQ(positives, state.Finish().positives);
  EXPECT_NEAR(state.Finish().ece, ece, 1e-12);
  EXPECT_GT(ece, 0.02);  // labels were drawn from sigmoid(0.7 margin)
}

TEST(Metrics, AConstantPredictorHasOneGroupAndScoresTheBaseline) {
  MetricState state;
  const double margin = std::log(0.25 / 0.75);
  for (int i = 0; i < 4000; ++i) state.Add(margin, i % 4 == 0);
  EXPECT_EQ(state.Groups().size(), 1);
  const Metrics metrics = state.Finish(), baseline = ConstantBaseline(metrics);
  EXPECT_NEAR(metrics.logloss, baseline.logloss, 1e-12);
  EXPECT_NEAR(metrics.logloss_stderr, baseline.logloss_stderr, 1e-9);
  EXPECT_NEAR(metrics.auc, baseline.auc, 1e-12);
  EXPECT_NEAR(metrics.ks, 0, 1e-12);
  EXPECT_NEAR(metrics.normalized_entropy, 1, 1e-12);
  EXPECT_NEAR(metrics.calibration, 1, 1e-12);
  EXPECT_NEAR(metrics.pr_auc, baseline.pr_auc, 1e-12);
  EXPECT_NEAR(metrics.ece, 0, 1e-12);
}

TEST(Metrics, RocRisesFromCornerToCornerAndHoldsTheAuc) {
  const Sample sample = Draw({"", 20000, 1.5, 0, false}, 8);
  MetricState state;
  state.AddRows(sample.margin, sample.label);
  const std::vector<RocPoint> roc = state.Roc(400);
  ASSERT_GT(roc.size(), 200);
  ASSERT_LT(roc.size(), 450);
  double area = 0;
  for (std::size_t i = 1; i < roc.size(); ++i) {
    EXPECT_GE(roc[i].true_positive_rate, roc[i - 1].true_positive_rate - 1e-12);
    const double width = roc[i].false_positive_rate - roc[i - 1].false_positive_rate;
    EXPECT_GE(width, -1e-12);
    area += width * (roc[i].true_positive_rate + roc[i - 1].true_positive_rate) / 2;
  }
  EXPECT_EQ(roc.front().true_positive_rate, 0);
  EXPECT_EQ(roc.back().false_positive_rate, 1);
  EXPECT_NEAR(area, state.Finish().auc, 1e-3);
}

TEST(LogisticTable, IsWithinItsStatedError) {
  for (double a = 0; a < 60; a += 0.000977) {
    const LogisticTable::Value value = LogisticTable::Get().At(a);
    ASSERT_NEAR(value.softplus, std::log1p(std::exp(-a)), 1e-12) << a;
    ASSERT_NEAR(value.sigmoid, 1 / (1 + std::exp(a)), 1e-12) << a;
  }
}

TEST(LogLoss, ExtremesAreFinite) {
  EXPECT_EQ(LogLoss(1000, 1), 0);
  EXPECT_EQ(LogLoss(-1000, 1), 1000);
  EXPECT_EQ(LogLoss(1000, 0), 1000);
  EXPECT_NEAR(LogLoss(0, 1), std::log(2.0), 1e-15);
  EXPECT_NEAR(LogLoss(2, 0.25), 0.25 * LogLoss(2, 1) + 0.75 * LogLoss(2, 0), 1e-15);
  EXPECT_EQ(Sigmoid(-1000), 0);
  EXPECT_EQ(Sigmoid(1000), 1);
  EXPECT_EQ(Sigmoid(0), 0.5);
}

}  // namespace
}  // namespace ps
