// A table whose numbers are written in other units makes the same features.
#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <random>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "models/features/number_features.h"
#include "models/features/plan.h"
#include "tests/features/table_job.h"

namespace ps {
namespace {

constexpr int kColumns = 6;

// Decimal texts of few digits, as whole multiples of 10^-digits.
using Numbers = std::vector<std::vector<long>>;

Numbers RandomNumbers(int rows, std::mt19937_64* random) {
  std::lognormal_distribution<double> heavy(3, 2);
  std::normal_distribution<double> normal(0, 300);
  const auto pick = [random](int n) { return static_cast<long>((*random)() % n); };
  Numbers numbers;
  for (int i = 0; i < rows; ++i) {
    numbers.push_back({std::lround(heavy(*random)), std::lround(normal(*random)),
                       2 * pick(30) + 1,                         // even numbers lie between
                       pick(3) == 0 ? pick(400) : 37 * pick(9),  // like names
                       pick(10) == 0 ? pick(1000) - 500 : 0, 7});
  }
  return numbers;
}

// `number` multiplied by 10^exponent, its digits as they are.
std::string Decimal(long number, int exponent) {
  std::string digits = std::to_string(std::abs(number));
  if (exponent >= 0) {
    if (number != 0) digits.append(static_cast<std::size_t>(exponent), '0');
  } else {
    const auto places = static_cast<std::size_t>(-exponent);
    if (digits.size() <= places) digits.insert(0, places + 1 - digits.size(), '0');
    digits.insert(digits.size() - places, ".");
  }
  return (number < 0 ? "-" : "") + digits;
}

std::string TextOf(const Numbers& numbers, const std::vector<int>& exponents) {
  std::string text;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    absl::StrAppend(&text, i % 2);
    for (int c = 0; c < kColumns; ++c) {
      absl::StrAppend(&text, ",", Decimal(numbers[i][c], exponents[c]));
    }
    text += "\n";
  }
  return text;
}

JobConfig Job(FeatureOp op) {
  JobConfig config = TableJob(DataFormat::kCsv, false);
  for (int c = 1; c <= kColumns && op != FeatureOp::kIgnore; ++c) {
    config.features.push_back(On(absl::StrCat("c", c), op));
  }
  if (op == FeatureOp::kLog || op == FeatureOp::kBucket) {
    config.features.push_back(CrossOf({"c1", "c2"}));
  }
  return config;
}

// Ops other than RAW: which keys are the same, whatever they are, since those of texts are of the
// texts.
void ExpectSameFeatures(const RowBlock& a, const RowBlock& b) {
  ASSERT_EQ(a.rows(), b.rows());
  ASSERT_EQ(a.row_begin, b.row_begin);
  std::map<Key, Key> there, back;
  for (std::size_t i = 0; i < a.features(); ++i) {
    ASSERT_EQ(there.try_emplace(a.key[i], b.key[i]).first->second, b.key[i]) << i;
    ASSERT_EQ(back.try_emplace(b.key[i], a.key[i]).first->second, a.key[i]) << i;
  }
  ASSERT_EQ(a.value.size(), b.value.size());
  for (std::size_t i = 0; i < a.value.size(); ++i) {
    ASSERT_NEAR(a.value[i], b.value[i], 1e-5 * (1 + std::abs(a.value[i]))) << i;
  }
}

class UnitInvarianceTest : public testing::TestWithParam<FeatureOp> {};

TEST_P(UnitInvarianceTest, PowersOfTenChangeNoFeature) {
  std::mt19937_64 random(7);
  const JobConfig config = Job(GetParam());
  for (int round = 0; round < 12; ++round) {
    const Numbers sample = RandomNumbers(700, &random);
    Numbers rows = RandomNumbers(700, &random);
    for (std::vector<long>& row : rows) {
      row[2] += static_cast<long>(random() % 2);  // midway between two values of the sample
      row[5] += static_cast<long>(random() % 3);  // where the sample does not vary
    }
    std::vector<int> unit(kColumns, 0), other(kColumns);
    for (int& exponent : other) exponent = static_cast<int>(random() % 13) - 6;
    if (round < 6) other.assign(kColumns, 2 * round - 6 + (round >= 3) * 2);
    const auto plain = CompileText(config, TextOf(sample, unit));
    const auto scaled = CompileText(config, TextOf(sample, other));
    ASSERT_TRUE(plain.ok()) << plain.status();
    ASSERT_TRUE(scaled.ok()) << scaled.status();
    for (const Numbers& numbers : {sample, rows}) {
      SCOPED_TRACE(absl::StrCat("round ", round));
      ExpectSameFeatures(ParseExact(*(*plain)->MakeParser(), TextOf(numbers, unit)),
                         ParseExact(*(*scaled)->MakeParser(), TextOf(numbers, other)));
      if (HasFatalFailure()) return;
    }
  }
}

// IGNORE stands for columns whose ops are inferred.
INSTANTIATE_TEST_SUITE_P(Ops, UnitInvarianceTest,
                         testing::Values(FeatureOp::kIgnore, FeatureOp::kNumeric,
                                         FeatureOp::kBucket, FeatureOp::kLog, FeatureOp::kRaw));

TEST(NumberFeaturesTest, LogGridKeepsSmallMultiplesApart) {
  for (double unit : {1.0, 0.01, 300.0}) {
    const double scale = LogFeature({{0, 0, unit, unit, unit, 7 * unit}}, 0).scale();
    for (int i = 1; i < 16; ++i) {
      EXPECT_LT(LogCell(i * unit / scale), LogCell((i + 1) * unit / scale)) << unit << " " << i;
    }
  }
}

TEST(NumberFeaturesTest, NumbersAtTheLimits) {
  constexpr double kHuge = std::numeric_limits<double>::max();
  constexpr double kTiny = std::numeric_limits<double>::denorm_min();
  for (const std::vector<double>& sorted : {std::vector<double>{},
                                            {0, 0},
                                            {kTiny},
                                            {kTiny, 2 * kTiny},
                                            {-kHuge, kHuge},
                                            {kHuge, kHuge},
                                            {-kHuge, 0, kTiny}}) {
    EXPECT_TRUE(IsLogScale(LogFeature(sorted, 0).scale()));
    const features::Feature raw = RawFeature(sorted, 0);
    EXPECT_TRUE(std::isfinite(raw.mean()));
    EXPECT_TRUE(std::isnormal(raw.deviation()) && raw.deviation() > 0);
  }
  EXPECT_NEAR(RawFeature({{-kHuge, kHuge}}, 0).deviation() / kHuge, 1, 1e-12);
}

TEST(NumberFeaturesTest, AColumnThatDoesNotVaryDeviatesByNothing) {
  const std::vector<double> sorted(1000, 0.1);
  const features::Feature raw = RawFeature(sorted, 0);
  EXPECT_EQ(raw.mean(), 0.1);
  EXPECT_EQ(raw.deviation(), 0.1);
}

TEST(NumberFeaturesTest, NamesRepeatUnevenly) {
  std::mt19937_64 random(3);
  std::normal_distribution<double> normal(0, 1);
  std::vector<double> rounded, names, amounts;
  for (int i = 0; i < 20'000; ++i) {
    rounded.push_back(std::round(normal(random) * 100));
    const double u = std::uniform_real_distribution<double>(0, 1)(random);
    // The k-th commonest name is anywhere among the numbers.
    names.push_back(std::fmod(std::floor(1 / (u + 1e-3)) * 7919, 1009));
    amounts.push_back(i % 4 == 0 ? normal(random) : 0);
  }
  for (std::vector<double>* numbers : {&rounded, &names, &amounts}) {
    std::sort(numbers->begin(), numbers->end());
  }
  EXPECT_FALSE(MayBeNames(rounded));
  EXPECT_TRUE(MayBeNames(names));
  EXPECT_FALSE(MayBeNames(amounts));  // they repeat because most are 0
  EXPECT_FALSE(MayBeNames({}));
  EXPECT_FALSE(MayBeNames({{5, 5, 5, 5, 5}}));
}

}  // namespace
}  // namespace ps
