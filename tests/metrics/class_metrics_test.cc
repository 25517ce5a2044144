// Metrics of several classes against the plain way, merged and on the wire.
#include "models/metrics/class_metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <random>

namespace ps {
namespace {

using testing::HasSubstr;
using testing::Not;

struct Drawn {
  std::size_t classes;
  std::vector<float> margins, labels, weights;  // margins row by row
};

Drawn Draw(std::size_t classes, std::size_t rows, bool weighted, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal(0, 1);
  Drawn drawn{classes, {}, {}, {}};
  for (std::size_t r = 0; r < rows; ++r) {
    const std::size_t label = random() % classes;
    drawn.labels.push_back(static_cast<float>(label));
    if (weighted) drawn.weights.push_back(static_cast<float>(random() % 5) / 2);
    for (std::size_t c = 0; c < classes; ++c) drawn.margins.push_back(normal(random) + (c == label ? 1.5f : 0.0f));
  }
  return drawn;
}

ClassMetricState StateOf(const Drawn& drawn) {
  ClassMetricState state(static_cast<std::uint32_t>(drawn.classes));
  state.AddRows(drawn.margins, drawn.labels, drawn.weights);
  return state;
}

double Probability(const Drawn& drawn, std::size_t row, std::size_t of) {
  double sum = 0;
  for (std::size_t c = 0; c < drawn.classes; ++c)
    sum += std::exp(double{drawn.margins[row * drawn.classes + c]} - drawn.margins[row * drawn.classes + of]);
  return 1 / sum;
}

double PlainAuc(const Drawn& drawn, std::size_t of) {
  double pairs = 0, all = 0;
  for (std::size_t a = 0; a < drawn.labels.size(); ++a) {
    if (drawn.labels[a] != static_cast<float>(of)) continue;
    for (std::size_t b = 0; b < drawn.labels.size(); ++b) {
      if (drawn.labels[b] == static_cast<float>(of)) continue;
      const double w = drawn.weights.empty() ? 1 : double{drawn.weights[a]} * drawn.weights[b];
      const double mine = Probability(drawn, a, of), other = Probability(drawn, b, of);
      pairs += w * (mine > other ? 1 : mine == other ? 0.5 : 0);
      all += w;
    }
  }
  return pairs / all;
}

TEST(ClassMetrics, AreThoseOfThePlainWay) {
  for (const bool weighted : {false, true}) {
    for (const std::size_t classes : {2u, 5u}) {
      const Drawn drawn = Draw(classes, 700, weighted, 3);
      const ClassMetrics m = StateOf(drawn).Finish();
      double loss = 0, wrong = 0, rows = 0;
      for (std::size_t r = 0; r < drawn.labels.size(); ++r) {
        const double w = weighted ? drawn.weights[r] : 1;
        const auto label = static_cast<std::size_t>(drawn.labels[r]);
        std::size_t likeliest = 0;
        for (std::size_t c = 0; c < classes; ++c)
          if (Probability(drawn, r, c) > Probability(drawn, r, likeliest)) likeliest = c;
        loss -= w * std::log(Probability(drawn, r, label));
        wrong += likeliest == label ? 0 : w;
        rows += w;
        EXPECT_NEAR(SoftmaxLoss(drawn.margins.data() + r * classes, 1, classes, drawn.labels[r]),
                    -std::log(Probability(drawn, r, label)), 1e-6);
      }
      EXPECT_NEAR(m.logloss, loss / rows, 1e-6);
      EXPECT_NEAR(m.error_rate, wrong / rows, 1e-12);
      EXPECT_EQ(m.rows, rows);
      double macro = 0;
      for (std::size_t c = 0; c < classes; ++c) {
        EXPECT_NEAR(m.classes[c].auc, PlainAuc(drawn, c), 1e-3);
        macro += PlainAuc(drawn, c) / static_cast<double>(classes);
      }
      EXPECT_NEAR(m.auc_macro, macro, 1e-3);
      EXPECT_LT(m.logloss, ConstantBaseline(m).logloss);
      EXPECT_LT(m.error_rate, ConstantBaseline(m).error_rate);
    }
  }
}

TEST(ClassMetrics, ColumnsAndPartsAreTheSameRows) {
  const Drawn drawn = Draw(3, 500, true, 4);
  std::vector<float> columns(drawn.margins.size());
  for (std::size_t r = 0; r < 500; ++r)
    for (std::size_t c = 0; c < 3; ++c) columns[c * 500 + r] = drawn.margins[3 * r + c];
  ClassMetricState whole(3), parts(3);
  whole.AddColumns(columns, drawn.labels, drawn.weights);
  const absl::Span<const float> margins = drawn.margins, labels = drawn.labels, weights = drawn.weights;
  ClassMetricState first(3), second(3);
  first.AddRows(margins.subspan(0, 300), labels.subspan(0, 100), weights.subspan(0, 100));
  second.AddRows(margins.subspan(300), labels.subspan(100), weights.subspan(100));
  parts.Merge(second);
  parts.Merge(first);
  parts.Merge(ClassMetricState(3));
  EXPECT_EQ(parts.Finish().confusion, whole.Finish().confusion);
  EXPECT_NEAR(parts.Finish().logloss, whole.Finish().logloss, 1e-12);
  EXPECT_EQ(parts.Finish().auc_macro, whole.Finish().auc_macro);
}

TEST(ClassMetrics, WhatIsUndefinedIsNoNumber) {
  const ClassMetrics none = ClassMetricState(3).Finish();
  EXPECT_TRUE(std::isnan(none.logloss));
  EXPECT_TRUE(std::isnan(none.auc_macro));
  ClassMetricState one(3);
  one.AddRows({1, 0, 0, 2, 0, 0}, {0, 0});
  EXPECT_TRUE(std::isnan(one.Finish().auc_macro));
  EXPECT_EQ(one.Finish().error_rate, 0);
  EXPECT_THAT(ClassMetricsJson(one.Finish(), {"\"a\"", "\"b\"", "\"c\""}), HasSubstr("\"auc_macro\": null"));
  ClassMetricState diverged(2);
  diverged.AddRows({NAN, 0}, {1});
  EXPECT_TRUE(std::isnan(diverged.Finish().logloss));
}

TEST(ClassMetrics, TextsNameTheClasses) {
  const ClassMetrics few = StateOf(Draw(3, 100, false, 1)).Finish();
  const std::string text = ConfusionText(few, {"red", "gr\ten", "b"});
  EXPECT_THAT(text, HasSubstr("red"));
  EXPECT_THAT(text, HasSubstr("gr?en"));
  std::vector<std::string> names;
  for (int c = 0; c < 120; ++c) names.push_back("\"n" + std::to_string(c) + "\"");
  const ClassMetrics many = StateOf(Draw(120, 3000, false, 1)).Finish();
  EXPECT_THAT(ConfusionText(many, names), HasSubstr("and 90 classes with fewer errors"));
  EXPECT_THAT(ClassMetricsJson(many, names), HasSubstr("\"confusion\": null"));
  EXPECT_THAT(ClassMetricsJson(few, {"\"a\"", "\"b\"", "\"c\""}), HasSubstr("\"confusion\": [["));
}

TEST(ClassMetricsWire, RoundTripsAndRefusesTheRest) {
  for (const bool weighted : {false, true}) {
    const ClassMetricState state = StateOf(Draw(4, 200, weighted, 5));
    const std::string bytes = state.Serialize();
    ClassMetricState parsed = StateOf(Draw(4, 3, false, 6));
    ASSERT_TRUE(parsed.Parse(bytes));
    EXPECT_EQ(parsed.Serialize(), bytes);
    EXPECT_EQ(parsed.Finish().confusion, state.Finish().confusion);
    EXPECT_FALSE(ClassMetricState(3).Parse(bytes));
    for (std::size_t size = 0; size < bytes.size(); ++size)
      EXPECT_FALSE(parsed.Parse(std::string_view(bytes).substr(0, size))) << size;
    EXPECT_FALSE(parsed.Parse(bytes + '\0'));
    EXPECT_EQ(parsed.Serialize(), bytes);
    std::mt19937 random(1);
    for (int round = 0; round < 3000; ++round) {
      std::string damaged = bytes;
      damaged[random() % damaged.size()] = static_cast<char>(random());
      ClassMetricState any(4);
      if (any.Parse(damaged)) any.Finish();  // nothing is read beyond what is there
    }
  }
}

}  // namespace
}  // namespace ps
