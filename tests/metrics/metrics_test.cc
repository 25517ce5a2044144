#include "models/metrics/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/metrics/logistic_loss.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

struct Sample {
  std::vector<float> margin, label, weight;
  std::size_t rows() const { return margin.size(); }
};

struct Exact {
  double auc = 0, ks = 0, pr_auc = 0, logloss = 0, logloss_stderr = 0, calibration = 0, rows = 0,
         positives = 0;
};

// Sorting and adding up, in long double, without bins.
Exact ComputeExactly(const Sample& sample) {
  std::vector<std::size_t> order(sample.rows());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(),
            [&](std::size_t a, std::size_t b) { return sample.margin[a] > sample.margin[b]; });
  Exact exact;
  long double positives = 0, negatives = 0, loss = 0, prediction = 0;
  for (std::size_t i = 0; i < sample.rows(); ++i) {
    const long double w = sample.weight[i], f = sample.margin[i];
    (sample.label[i] > 0 ? positives : negatives) += w;
    loss += w * (std::log1p(std::exp(-std::fabs(f))) + std::max(f, 0.0L) - sample.label[i] * f);
    prediction += w / (1 + std::exp(-f));
  }
  const long double rows = positives + negatives, mean = loss / rows;
  long double pairs = 0, above_p = 0, above_n = 0, ks = 0, precision = 0, spread = 0;
  for (std::size_t i = 0; i < order.size();) {
    long double p = 0, n = 0;
    const float margin = sample.margin[order[i]];
    for (; i < order.size() && sample.margin[order[i]] == margin; ++i) {
      const long double w = sample.weight[order[i]], y = sample.label[order[i]];
      (y > 0 ? p : n) += w;
      const long double f = margin;
      const long double l = std::log1p(std::exp(-std::fabs(f))) + std::max(f, 0.0L) - y * f;
      spread += w * w * (l - mean) * (l - mean);
    }
    pairs += n * (above_p + p / 2);
    above_p += p;
    above_n += n;
    precision += p * above_p / (above_p + above_n);
    ks = std::max(ks, std::fabs(above_p / positives - above_n / negatives));
  }
  exact.auc = pairs / (positives * negatives);
  exact.ks = ks;
  exact.pr_auc = precision / positives;
  exact.logloss = mean;
  exact.logloss_stderr = std::sqrt(spread) / rows;
  exact.calibration = prediction / positives;
  exact.rows = rows;
  exact.positives = positives;
  return exact;
}

struct Shape {
  const char* name;
  int rows;
  double scale;  // of the margins; large ones leave the binned range
  double grid;   // margins are multiples of it: ties; 0: none
  bool weighted;
};

Sample Draw(const Shape& shape, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(-1, shape.scale);
  std::uniform_real_distribution<double> uniform(0, 1);
  Sample sample;
  for (int i = 0; i < shape.rows; ++i) {
    double margin = normal(random);
    if (shape.grid > 0) margin = std::round(margin / shape.grid) * shape.grid;
    sample.margin.push_back(static_cast<float>(margin));
    sample.label.push_back(uniform(random) < Sigmoid(0.7 * margin) ? 1 : 0);
    sample.weight.push_back(shape.weighted ? static_cast<float>(std::exp(uniform(random))) : 1);
  }
  return sample;
}

class MetricsAgainstExact : public ::testing::TestWithParam<Shape> {};

TEST_P(MetricsAgainstExact, Agree) {
  for (std::uint64_t seed = 1; seed <= 3; ++seed) {
    const Sample sample = Draw(GetParam(), seed);
    const Exact exact = ComputeExactly(sample);
    MetricState state;
    for (std::size_t i = 0; i < sample.rows(); ++i) {
      state.Add(sample.margin[i], sample.label[i], sample.weight[i]);
    }
    const Metrics metrics = state.Finish();
    EXPECT_NEAR(metrics.auc, exact.auc, metrics.auc_bound + 1e-12);
    if (GetParam().grid == 0) {
      EXPECT_LT(metrics.auc_bound, 0.01);
    }
    // A threshold inside a bin can be better than its edges by at most the mass of one bin.
    double largest = 0;
    for (const MetricState::Bin& bin : state.bins()) {
      largest = std::max({largest, bin.positives / metrics.positives,
                          bin.negatives / (metrics.rows - metrics.positives)});
    }
    EXPECT_LE(metrics.ks, exact.ks + 1e-12);
    EXPECT_GE(metrics.ks, exact.ks - largest - 1e-12);
    EXPECT_NEAR(metrics.pr_auc, exact.pr_auc, 0.01);
    EXPECT_NEAR(metrics.logloss, exact.logloss, 1e-11 * (1 + exact.logloss));
    EXPECT_NEAR(metrics.logloss_stderr, exact.logloss_stderr, 1e-8 * exact.logloss_stderr);
    EXPECT_NEAR(metrics.calibration, exact.calibration, 1e-10);
    EXPECT_NEAR(metrics.rows, exact.rows, 1e-9 * exact.rows);
    EXPECT_NEAR(metrics.positives, exact.positives, 1e-9 * exact.rows);
    const double mean = exact.positives / exact.rows;
    const double entropy = -mean * std::log(mean) - (1 - mean) * std::log(1 - mean);
    EXPECT_NEAR(metrics.normalized_entropy, exact.logloss / entropy, 1e-9);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, MetricsAgainstExact,
                         ::testing::Values(Shape{"smooth", 20000, 1.5, 0, false},
                                           Shape{"tied", 20000, 1.5, 0.25, false},
                                           Shape{"weighted", 20000, 1.5, 0, true},
                                           Shape{"tiny", 40, 1.5, 0.5, true},
                                           Shape{"extreme", 20000, 12, 0, false}),
                         [](const auto& info) { return std::string(info.param.name); });

// With ties only inside bins, binning loses nothing but what ties lose anyway.
TEST(Metrics, TiesOnTheGridAreExact) {
  const Sample sample = Draw({"", 5000, 1.5, 0.25, false}, 9);
  MetricState state;
  state.AddRows(sample.margin, sample.label);
  const Exact exact = ComputeExactly(sample);
  EXPECT_NEAR(state.Finish().auc, exact.auc, 1e-12);
  EXPECT_NEAR(state.Finish().ks, exact.ks, 1e-12);
  EXPECT_NEAR(state.Finish().pr_auc, exact.pr_auc, 1e-12);
}

TEST(Metrics, AddRowsIsAddOfEach) {
  for (const bool weighted : {false, true}) {
    const Sample sample = Draw({"", 3000, 3, 0, weighted}, 4);
    MetricState one_by_one, together;
    for (std::size_t i = 0; i < sample.rows(); ++i) {
      one_by_one.Add(sample.margin[i], sample.label[i], sample.weight[i]);
    }
    together.AddRows(sample.margin, sample.label,
                     weighted ? absl::MakeConstSpan(sample.weight) : absl::Span<const float>());
    EXPECT_EQ(one_by_one.Serialize(), together.Serialize());
  }
}

TEST(Metrics, MergeOfPartsIsTheWhole) {
  const Sample sample = Draw({"", 10001, 2, 0, false}, 5);
  MetricState whole, left, right, middle, empty;
  for (std::size_t i = 0; i < sample.rows(); ++i) {
    whole.Add(sample.margin[i], sample.label[i]);
    MetricState& part = i % 3 == 0 ? left : i % 3 == 1 ? middle : right;
    part.Add(sample.margin[i], sample.label[i]);
  }
  MetricState forward, backward;
  for (const MetricState* part : {&left, &empty, &middle, &right}) forward.Merge(*part);
  for (const MetricState* part : {&right, &middle, &left, &empty}) backward.Merge(*part);
  for (const MetricState* merged : {&forward, &backward}) {
    EXPECT_EQ(merged->Finish().auc, whole.Finish().auc);
    EXPECT_EQ(merged->Finish().ks, whole.Finish().ks);
    EXPECT_EQ(merged->Finish().rows, whole.Finish().rows);
    EXPECT_NEAR(merged->Finish().logloss, whole.Finish().logloss, 1e-15);
    EXPECT_NEAR(merged->Finish().logloss_stderr, whole.Finish().logloss_stderr, 1e-12);
  }
}

TEST(Metrics, CompensationKeepsSmallTermsBesideALargeSum) {
  MetricState state;
  state.Add(-1e16, 1);  // a loss of 1e16: adding 1s to it one by one would change nothing
  for (int i = 0; i < 1000; ++i) state.Add(-1.0, 1);
  const double expected = (1e16 + 1000 * LogLoss(-1.0, 1)) / 1001;
  EXPECT_NEAR(state.Finish().logloss, expected, 2e-3);
  EXPECT_GT(state.Finish().logloss - 1e16 / 1001, 1.0);
}

TEST(Metrics, OneClassLeavesRankingUndefined) {
  for (const float label : {0.0f, 1.0f}) {
    MetricState state;
    for (int i = 0; i < 100; ++i) state.Add(-3 + 0.01 * i, label);
    const Metrics metrics = state.Finish();
    EXPECT_TRUE(std::isnan(metrics.auc));
    EXPECT_TRUE(std::isnan(metrics.ks));
    EXPECT_TRUE(std::isnan(metrics.normalized_entropy));
    EXPECT_EQ(std::isnan(metrics.calibration), label == 0);
    EXPECT_TRUE(std::isfinite(metrics.logloss));
    EXPECT_THAT(MetricsJson(metrics), HasSubstr("\"auc\": null"));
    EXPECT_THAT(MetricsJson(metrics), HasSubstr("\"rows\": 100"));
    EXPECT_TRUE(state.Roc(100).empty());
    EXPECT_TRUE(std::isnan(ConstantBaseline(metrics).auc));
    EXPECT_EQ(ConstantBaseline(metrics).logloss, 0);
  }
}

TEST(Metrics, EmptyIsUndefinedButCounts) {
  const Metrics metrics = MetricState().Finish();
  EXPECT_EQ(metrics.rows, 0);
  EXPECT_TRUE(std::isnan(metrics.logloss));
  EXPECT_EQ(MetricsJson(metrics),
            "{\"auc\": null, \"auc_bound\": null, \"auc_stderr\": null, \"logloss\": null, "
            "\"logloss_stderr\": null, \"ks\": null, \"normalized_entropy\": null, "
            "\"calibration\": null, \"pr_auc\": null, \"ece\": null, \"rows\": 0, "
            "\"positives\": 0}");
  EXPECT_TRUE(MetricState().Groups().empty());
}

TEST(Metrics, JsonNumbersReadBackAndCountsLookLikeCounts) {
  Metrics metrics;
  metrics.rows = 8e5;
  metrics.positives = 2.5;
  metrics.logloss = 0.1 + 0.2;
  const std::string json = MetricsJson(metrics);
  EXPECT_THAT(json, HasSubstr("\"rows\": 800000,"));
  EXPECT_THAT(json, HasSubstr("\"positives\": 2.5}"));
  EXPECT_THAT(json, HasSubstr("\"logloss\": 0.30000000000000004,"));
}

TEST(Metrics, InfiniteAndNanMargins) {
  const double infinity = std::numeric_limits<double>::infinity();
  MetricState right;
  right.Add(infinity, 1);
  right.Add(-infinity, 0);
  EXPECT_EQ(right.Finish().auc, 1);
  EXPECT_NEAR(right.Finish().logloss, 0, 1e-15);
  MetricState wrong = right;
  wrong.Add(infinity, 0);
  wrong.Add(1.0, 1);
  EXPECT_EQ(wrong.Finish().logloss, infinity);
  MetricState diverged = right;
  diverged.Add(std::numeric_limits<double>::quiet_NaN(), 1);
  EXPECT_TRUE(std::isnan(diverged.Finish().logloss));
  EXPECT_EQ(diverged.Finish().rows, 3);
}

TEST(Metrics, ClearStartsAgain) {
  MetricState state, fresh;
  state.Add(3, 0, 2);
  state.Clear();
  EXPECT_EQ(state.rows(), 0);
  state.Add(1, 1);
  fresh.Add(1, 1);
  EXPECT_EQ(state.Serialize(), fresh.Serialize());
}

TEST(Metrics, HanleyMcNeilAgainstTheirFormulaAndResampling) {
  // Their formula written out for AUC .75 with 2 positives and 2 negatives.
  MetricState state;
  for (const auto& [margin, label] : {std::pair{4.0, 1}, {3.0, 0}, {2.0, 1}, {1.0, 0}}) {
    state.Add(margin, static_cast<float>(label));
  }
  EXPECT_EQ(state.Finish().auc, 0.75);
  EXPECT_NEAR(state.Finish().auc_stderr,
              std::sqrt((0.1875 + (0.75 / 1.25 - 0.5625) + (1.125 / 1.75 - 0.5625)) / 4), 1e-12);
  // The spread of the AUC over fresh samples is what the formula estimates.
  double sum = 0, square = 0, estimated = 0;
  constexpr int kSamples = 200;
  for (int i = 0; i < kSamples; ++i) {
    const Sample sample = Draw({"", 1000, 1.5, 0, false}, 100 + i);
    MetricState drawn;
    drawn.AddRows(sample.margin, sample.label);
    const Metrics metrics = drawn.Finish();
    sum += metrics.auc;
    square += metrics.auc * metrics.auc;
    estimated += metrics.auc_stderr / kSamples;
  }
  const double mean = sum / kSamples;
  const double spread = std::sqrt(square / kSamples - mean * mean);
  EXPECT_NEAR(estimated / spread, 1, 0.25);
}

// Doubling every weight is no new information.
TEST(Metrics, StandardErrorsIgnoreTheScaleOfWeights) {
  const Sample sample = Draw({"", 2000, 1.5, 0, true}, 6);
  std::vector<float> doubled = sample.weight;
  for (float& w : doubled) w *= 2;
  MetricState once, twice;
  once.AddRows(sample.margin, sample.label, sample.weight);
  twice.AddRows(sample.margin, sample.label, doubled);
  EXPECT_NEAR(once.Finish().auc_stderr, twice.Finish().auc_stderr, 1e-12);
  EXPECT_NEAR(once.Finish().logloss_stderr, twice.Finish().logloss_stderr, 1e-12);
}

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
