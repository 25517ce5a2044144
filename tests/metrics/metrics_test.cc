#include "models/metrics/metrics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/metrics/sample.h"

namespace ps {
namespace {

using ::testing::HasSubstr;

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

}  // namespace
}  // namespace ps
