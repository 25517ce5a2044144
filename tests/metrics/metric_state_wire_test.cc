#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <string>

#include "gtest/gtest.h"
#include "models/metrics/metrics.h"

namespace ps {
namespace {

MetricState Draw(int rows, bool weighted, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(-1, 2);
  std::uniform_real_distribution<float> uniform(0, 1);
  MetricState state;
  for (int i = 0; i < rows; ++i) {
    const double margin = normal(random);
    state.Add(margin, uniform(random) < 0.3f, weighted ? uniform(random) + 0.1f : 1.0f);
  }
  return state;
}

TEST(MetricStateWire, RoundTrips) {
  for (const bool weighted : {false, true}) {
    for (const int rows : {0, 1, 1000}) {
      const MetricState state = Draw(rows, weighted, 1);
      MetricState parsed = Draw(5, false, 2);  // must be replaced, not merged into
      ASSERT_TRUE(parsed.Parse(state.Serialize()));
      EXPECT_EQ(parsed.Serialize(), state.Serialize());
      EXPECT_EQ(MetricsJson(parsed.Finish()), MetricsJson(state.Finish()));
      parsed.Merge(Draw(10, false, 3));  // a parsed state goes on working
      EXPECT_NEAR(parsed.rows(), state.rows() + 10, 1e-9);
    }
  }
}

TEST(MetricStateWire, IsCompact) {
  EXPECT_LT(MetricState().Serialize().size(), 80);
  EXPECT_LT(Draw(1000, false, 1).Serialize().size(), 80 + 1000 * 13);
}

TEST(MetricStateWire, KeepsADivergedLoss) {
  MetricState state;
  state.Add(std::numeric_limits<double>::quiet_NaN(), 1);
  MetricState parsed;
  ASSERT_TRUE(parsed.Parse(state.Serialize()));
  EXPECT_TRUE(std::isnan(parsed.Finish().logloss));
}

TEST(MetricStateWire, EveryTruncationAndExtensionIsRefused) {
  const std::string bytes = Draw(50, false, 1).Serialize();
  MetricState state = Draw(5, false, 2);
  const std::string before = state.Serialize();
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_FALSE(state.Parse(std::string_view(bytes).substr(0, size))) << size;
  }
  EXPECT_FALSE(state.Parse(bytes + '\0'));
  EXPECT_EQ(state.Serialize(), before);
}

TEST(MetricStateWire, DamageIsRefusedOrLeavesUsableFigures) {
  const std::string bytes = Draw(50, true, 1).Serialize();
  std::mt19937_64 random(3);
  int refused = 0;
  for (int i = 0; i < 3000; ++i) {
    std::string damaged = bytes;
    for (int hits = 1 + i % 3; hits > 0; --hits) {
      damaged[random() % damaged.size()] = static_cast<char>(random());
    }
    MetricState state;
    if (!state.Parse(damaged)) {
      ++refused;
      continue;
    }
    EXPECT_LE(state.bins().size(), MetricState::kBins);
    for (const MetricState::Bin& bin : state.bins()) {
      ASSERT_TRUE(bin.positives >= 0 && std::isfinite(bin.negatives));
    }
    EXPECT_FALSE(MetricsJson(state.Finish()).empty());
  }
  EXPECT_GT(refused, 0);
}

TEST(MetricStateWire, ForgedHeadersAreRefused) {
  MetricState state;
  const std::string sums(8 * sizeof(double), '\0');
  EXPECT_TRUE(state.Parse("\x01" + sums + '\0'));
  EXPECT_FALSE(state.Parse("\x02" + sums + '\0'));                     // version
  EXPECT_FALSE(state.Parse("\x01" + sums + "\x81\x80\x04"));           // more bins than there are
  EXPECT_FALSE(state.Parse("\x01" + sums + std::string(12, '\xff')));  // endless varint
  std::string bin = "\x01" + sums + "\x01";
  bin += "\x80\x80\x08";  // index 65536
  bin += "\x01\x01" + std::string(8, '\0');
  EXPECT_FALSE(state.Parse(bin));
  std::string negative = "\x01" + sums + "\x01\x01";  // fractional, index 0
  const double minus = -1;
  negative.append(reinterpret_cast<const char*>(&minus), 8);
  negative += std::string(16, '\0');
  EXPECT_FALSE(state.Parse(negative));
  double nan = std::numeric_limits<double>::quiet_NaN();
  std::string rows = "\x01" + sums + '\0';
  std::memcpy(rows.data() + 1, &nan, 8);
  EXPECT_FALSE(state.Parse(rows));
}

}  // namespace
}  // namespace ps
