#include "trainer/row_losses.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

#include "models/metrics/metrics.h"

namespace ps {
namespace {

constexpr std::size_t kRows = 10'000;  // more than are read at once

class RowLossesTest : public testing::Test {
 protected:
  RowLossesTest() {
    std::mt19937_64 random(1);
    std::normal_distribution<float> normal;
    for (std::size_t r = 0; r < kRows; ++r) {
      labels_.push_back(random() % 2);
      weights_.push_back(1 + random() % 3);
      const float row = normal(random);  // what the row does to both
      one_.push_back(row + .1f * normal(random) + .02f);
      other_.push_back(row + .1f * normal(random));
    }
  }
  std::string Write(const std::string& name, const std::vector<float>& losses, const std::vector<float>& labels,
                    const std::vector<float>& weights, bool finish = true) const {
    const std::string path = testing::TempDir() + "/row_losses_test_" + name;
    absl::StatusOr<RowLossFile> file = RowLossFile::Create(path);
    EXPECT_TRUE(file.ok()) << file.status();
    // In pieces of any size.
    for (std::size_t begin = 0, size = 1; begin < losses.size(); begin += size, size = size * 7 % 1001 + 1) {
      size = std::min(size, losses.size() - begin);
      const auto piece = [&](const std::vector<float>& all) {
        return all.empty() ? absl::Span<const float>() : absl::MakeConstSpan(all).subspan(begin, size);
      };
      file->Add(piece(losses), piece(labels), piece(weights));
    }
    if (finish) {
      EXPECT_TRUE(file->Finish().ok());
    }
    return path;
  }

  std::vector<float> labels_, weights_, one_, other_;
};

TEST_F(RowLossesTest, PairsGiveTheErrorOfTheDifference) {
  double sum = 0, weight = 0, square = 0;
  for (std::size_t r = 0; r < kRows; ++r) {
    sum += weights_[r] * (double{one_[r]} - other_[r]);
    weight += weights_[r];
  }
  for (std::size_t r = 0; r < kRows; ++r) {
    square += std::pow(weights_[r] * (double{one_[r]} - other_[r] - sum / weight), 2);
  }
  const std::string one = Write("one", one_, labels_, weights_), other = Write("other", other_, labels_, weights_);
  const auto gap = CompareRowLosses({one}, {other});
  ASSERT_TRUE(gap.has_value());
  EXPECT_NEAR(gap->mean, sum / weight, 1e-9);
  EXPECT_NEAR(gap->error, std::sqrt(square) / weight, 1e-9);
  EXPECT_LT(gap->error, .003);  // means apart: .014
  const auto scaled = CompareRowLosses({one, 3}, {other, 3});
  EXPECT_NEAR(scaled->error, 3 * gap->error, 1e-9);
  const auto same = CompareRowLosses({one}, {one});
  EXPECT_EQ(same->mean, 0);
  EXPECT_EQ(same->error, 0);
}

TEST_F(RowLossesTest, OtherRowsAreNotCompared) {
  const std::string one = Write("one", one_, labels_, weights_);
  const auto differs = [&](const std::vector<float>& labels, const std::vector<float>& weights) {
    return !CompareRowLosses({one}, {Write("other", other_, labels, weights)}).has_value();
  };
  EXPECT_FALSE(differs(labels_, weights_));
  std::vector<float> labels = labels_, weights = weights_;
  labels[7] = 1 - labels[7];
  EXPECT_TRUE(differs(labels, weights_));
  std::swap(weights[1], weights[std::find_if(weights.begin(), weights.end(), [&](float w) { return w != weights[1]; }) - weights.begin()]);
  EXPECT_TRUE(differs(labels_, weights));
  EXPECT_TRUE(differs(labels_, {}));
  // One row less.
  const std::vector<float> fewer(other_.begin() + 1, other_.end());
  labels.assign(labels_.begin() + 1, labels_.end());
  weights.assign(weights_.begin() + 1, weights_.end());
  EXPECT_FALSE(CompareRowLosses({one}, {Write("fewer", fewer, labels, weights)}).has_value());
}

TEST_F(RowLossesTest, FilesThatAreNotWholeSayNothing) {
  const std::string one = Write("one", one_, labels_, weights_);
  EXPECT_FALSE(CompareRowLosses({one}, {one + "_nowhere"}).has_value());
  EXPECT_FALSE(CompareRowLosses({one}, {Write("unfinished", other_, labels_, weights_, false)}).has_value());
  const std::string cut = Write("cut", other_, labels_, weights_);
  std::filesystem::resize_file(cut, std::filesystem::file_size(cut) - 4);
  EXPECT_FALSE(CompareRowLosses({one}, {cut}).has_value());
  std::ofstream(cut, std::ios::trunc) << "no losses";
  EXPECT_FALSE(CompareRowLosses({one}, {cut}).has_value());
  other_[5] = NAN;
  EXPECT_FALSE(CompareRowLosses({one}, {Write("nan", other_, labels_, weights_)}).has_value());
  EXPECT_FALSE(CompareRowLosses({Write("none", {}, {}, {})}, {Write("none2", {}, {}, {})}).has_value());
  EXPECT_FALSE(RowLossFile::Create(one + "/below").ok());
}

TEST_F(RowLossesTest, MarginsAreJudgedByLogLoss) {
  const std::string path = testing::TempDir() + "/row_losses_test_margins";
  absl::StatusOr<RowLossFile> file = RowLossFile::Create(path);
  ASSERT_TRUE(file.ok());
  file->AddMargins(one_, labels_, {});
  ASSERT_TRUE(file->Finish().ok());
  double loss = 0;
  for (std::size_t r = 0; r < kRows; ++r) loss += LogLoss(one_[r], labels_[r]) / kRows;
  const std::string zeros = Write("zeros", std::vector<float>(kRows), labels_, {});
  EXPECT_NEAR(CompareRowLosses({path}, {zeros})->mean, loss, 1e-6);
}

}  // namespace
}  // namespace ps
