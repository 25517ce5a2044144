// Means and standard errors of paired differences against their definition in double precision.
#include "trainer/tuning/lane_record.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <vector>

namespace ps {
namespace {

struct Sample {
  std::vector<float> losses, weights;  // rows x lanes; rows
};

Sample RandomLosses(unsigned seed, std::size_t rows, int lanes) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Sample sample;
  for (std::size_t r = 0; r < rows; ++r) {
    const float common = std::fabs(normal(random));
    for (int k = 0; k < lanes; ++k) {
      sample.losses.push_back(common + 0.01f * k + 0.05f * normal(random));
    }
    sample.weights.push_back(0.5f * static_cast<float>(1 + random() % 4));
  }
  return sample;
}

LaneRecord::Gap Naive(const Sample& sample, int lanes, int lane, int other, bool weighted) {
  const auto difference = [&](std::size_t r) {
    return double{sample.losses[r * lanes + lane]} - double{sample.losses[r * lanes + other]};
  };
  double weight = 0, sum = 0, square = 0;
  for (std::size_t r = 0; r < sample.weights.size(); ++r) {
    const double v = weighted ? sample.weights[r] : 1.0;
    weight += v;
    sum += v * difference(r);
  }
  const double mean = sum / weight;
  for (std::size_t r = 0; r < sample.weights.size(); ++r) {
    const double v = weighted ? sample.weights[r] : 1.0;
    square += v * v * (difference(r) - mean) * (difference(r) - mean);
  }
  return {mean, std::sqrt(square) / weight};
}

TEST(LaneRecord, IsThePairedDifference) {
  for (const int lanes : {2, 4, 8, 16}) {
    for (const bool weighted : {false, true}) {
      const Sample sample = RandomLosses(lanes, 1000, lanes);
      LaneRecord record(lanes, LaneRecord::Rows::kAllAlike);
      const absl::Span<const float> losses = sample.losses, weights = sample.weights;
      for (std::size_t begin = 0; begin < 1000;
           begin += 333) {  // in blocks that are no whole stretches
        const std::size_t count = std::min<std::size_t>(333, 1000 - begin);
        record.Add(losses.subspan(begin * lanes, count * lanes),
                   weighted ? weights.subspan(begin, count) : absl::Span<const float>());
      }
      EXPECT_EQ(record.rows(), 1000u);
      for (int a = 0; a < lanes; ++a) {
        for (int b = 0; b < lanes; ++b) {
          const LaneRecord::Gap gap = record.Compare(a, b),
                                naive = Naive(sample, lanes, a, b, weighted);
          ASSERT_NEAR(gap.mean, naive.mean, 1e-6);
          ASSERT_NEAR(gap.error, naive.error, 1e-4 * naive.error);
          ASSERT_NEAR(record.Mean(a) - record.Mean(b), naive.mean, 1e-6);
        }
      }
      EXPECT_LT(record.Compare(0, 1).error, 0.2 * std::sqrt(1.0 / 1000))
          << "what rows have in common is gone";
    }
  }
}

TEST(LaneRecord, LaterRowsWeighMore) {
  LaneRecord record(2, LaneRecord::Rows::kLaterWeighMore);
  std::vector<float> early, late;
  for (int r = 0; r < 1280; ++r) early.insert(early.end(), {1, 0}), late.insert(late.end(), {0, 1});
  record.Add(early, {});
  record.Add(late, {});
  // Weights t: the later half of the rows has three quarters of them.
  EXPECT_NEAR(record.Mean(1), 0.75, 1e-3);
  EXPECT_NEAR(record.Compare(1, 0).mean, 0.5, 1e-3);
}

TEST(LaneRecord, ALaneThatChangesPlacesKeepsItsRecordAndAChildTakesItsParents) {
  const Sample sample = RandomLosses(5, 700, 8);
  LaneRecord record(8, LaneRecord::Rows::kLaterWeighMore);
  record.Add(sample.losses, {});
  const LaneRecord before = record;
  const std::vector<LaneOrigin> origins = {{6, false}, {2, false}, {6, true}, {1, false}};
  record.Change(origins);
  ASSERT_EQ(record.lanes(), 4);
  for (int a = 0; a < 4; ++a) {
    EXPECT_EQ(record.Mean(a), before.Mean(origins[a].from));
    for (int b = 0; b < 4; ++b) {
      EXPECT_EQ(record.Compare(a, b).mean, before.Compare(origins[a].from, origins[b].from).mean);
      EXPECT_EQ(record.Compare(a, b).error, before.Compare(origins[a].from, origins[b].from).error);
    }
  }
  EXPECT_EQ(record.Compare(0, 2).error, 0) << "parent and child are one up to here";
  record.Add(RandomLosses(6, 700, 4).losses, {});
  EXPECT_GT(record.Compare(0, 2).error, 0);
}

TEST(LaneRecord, ALossThatIsNoNumberStaysInItsLane) {
  Sample sample = RandomLosses(8, 300, 4);
  sample.losses[4 * 100 + 2] = std::nanf("");
  LaneRecord record(4, LaneRecord::Rows::kAllAlike);
  record.Add(sample.losses, {});
  EXPECT_TRUE(std::isnan(record.Mean(2)));
  const LaneRecord::Gap gap = record.Compare(0, 3), naive = Naive(sample, 4, 0, 3, false);
  EXPECT_NEAR(gap.mean, naive.mean, 1e-6);
  EXPECT_NEAR(gap.error, naive.error, 1e-4 * naive.error);
}

}  // namespace
}  // namespace ps
