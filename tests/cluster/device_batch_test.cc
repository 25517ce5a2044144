// Batches of a worker on a device are those of the processor: keys, counts, margins and gradients, to the
// bit. Built twice: with the kernels executed on the host, and for a real device, without which it skips.
#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "kernels/cuda/device.h"
#include "tests/cluster/random_block.h"
#include "worker/gradient_maker.h"
#include "worker/logistic_model.h"

namespace ps {
namespace {

class DeviceBatchTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) GTEST_SKIP() << device.status().message();
    on_device_ = *GradientMaker::Make("cuda", std::make_unique<LogisticModel>());
    processor_ = *GradientMaker::Make("auto", std::make_unique<LogisticModel>());
    ASSERT_TRUE(on_device_->on_device());
    ASSERT_FALSE(processor_->on_device());
  }

  struct Case {
    RowBlock block;
    RowRange rows;
    bool bias = true;
    int lanes = 1;
    float special = 0;  // not 0: a weight among those of the last lane
  };
  struct Made {
    Batch batch;
    std::vector<std::uint8_t> counts;
    std::vector<float> margins;
  };

  static Case All(RowBlock block, bool bias = true, int lanes = 1) {
    const std::size_t rows = block.rows();
    return {std::move(block), {0, rows}, bias, lanes};
  }

  static void Build(GradientMaker& maker, const Case& of, Made* made) {
    const absl::Status built =
        maker.Build(of.block, of.rows, of.bias, of.lanes, &made->batch, &made->counts);
    ASSERT_TRUE(built.ok()) << built;
    EXPECT_EQ(made->batch.on_device != nullptr, maker.on_device());
  }

  static void Compute(GradientMaker& maker, const Case& of, Made* made) {
    Batch& batch = made->batch;
    const auto lanes = static_cast<std::size_t>(of.lanes);
    for (std::size_t i = 0; i < batch.keys.size(); ++i) {
      std::mt19937_64 random(batch.keys[i]);
      for (std::size_t k = 0; k < lanes; ++k)
        batch.weight[batch.id_at[i] * lanes + k] = static_cast<float>(random() % 1001) / 500 - 1;
    }
    if (of.special != 0 && !batch.keys.empty())
      batch.weight[batch.id_at[batch.keys.size() / 2] * lanes + lanes - 1] = of.special;
    std::fill(batch.gradient.begin(), batch.gradient.end(), 7.0f);
    const absl::Status computed = maker.Compute(&batch, &made->margins);
    ASSERT_TRUE(computed.ok()) << computed;
  }

  // NaNs are alike whatever their bits.
  static void ExpectSame(const std::vector<float>& a, const std::vector<float>& b) {
    ASSERT_EQ(a.size(), b.size());
    for (std::size_t i = 0; i < a.size(); ++i) {
      if (a[i] != a[i] && b[i] != b[i]) continue;
      ASSERT_EQ(std::memcmp(&a[i], &b[i], sizeof(float)), 0) << i << ": " << a[i] << " " << b[i];
    }
  }
  static void ExpectSame(const Made& there, const Made& here) {
    ASSERT_EQ(there.batch.keys, here.batch.keys);
    ASSERT_EQ(there.counts, here.counts);
    ASSERT_EQ(there.batch.bias, here.batch.bias);
    ExpectSame(there.margins, here.margins);
    const auto by_key = [](const Batch& batch) {
      const auto lanes = static_cast<std::size_t>(batch.lanes);
      std::vector<float> gradients;
      for (const std::uint32_t id : batch.id_at)
        gradients.insert(gradients.end(), &batch.gradient[id * lanes], &batch.gradient[id * lanes] + lanes);
      return gradients;
    };
    ExpectSame(by_key(there.batch), by_key(here.batch));
  }

  void ExpectSame(const Case& of) {
    Build(*on_device_, of, &there_);
    Compute(*on_device_, of, &there_);
    Build(*processor_, of, &here_);
    Compute(*processor_, of, &here_);
    ExpectSame(there_, here_);
  }

  std::unique_ptr<GradientMaker> on_device_, processor_;
  Made there_, here_;  // one for all: their memory must not remember
};

TEST_F(DeviceBatchTest, IsThatOfTheProcessor) {
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937_64 random(seed);
    const std::uint64_t keys = seed % 5 == 0 ? 40 : 1 + random() % 3000;
    Case of = All(RandomBlock(random, random() % 300, keys, seed % 3 == 0, seed % 2 == 0,
                              seed % 4 == 1, std::min<std::uint64_t>(keys, 45)),
                  seed % 7 < 4, 1 << seed % 5);
    of.rows.begin = random() % (of.block.rows() + 1);
    of.rows.end = of.rows.begin + random() % (of.block.rows() - of.rows.begin + 1);
    ExpectSame(of);
  }
}

RowBlock Rows(std::size_t rows, const std::vector<Key>& keys) {
  RowBlock block;
  for (std::size_t r = 0; r < rows; ++r) {
    block.key.insert(block.key.end(), keys.begin(), keys.end());
    block.label.push_back(static_cast<float>(r % 3 == 0));
    block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
    block.row_offset.push_back(r);
  }
  return block;
}

TEST_F(DeviceBatchTest, OfNoRowsOrOne) {
  for (const bool bias : {true, false}) {
    for (const int lanes : {1, 16}) {
      ExpectSame(All(RowBlock(), bias, lanes));
      ExpectSame(All(Rows(1, {}), bias, lanes));
      ExpectSame(All(Rows(1, {5}), bias, lanes));
      ExpectSame(All(Rows(3, {}), bias, lanes));
    }
  }
}

// Longer than what a block fetches at once, with all lanes and in the order of the rows.
TEST_F(DeviceBatchTest, KeysOfAllRows) {
  for (const int lanes : {1, 2, 4, 8, 16}) {
    for (const std::size_t rows : {32, 33, 1300}) {
      SCOPED_TRACE(testing::Message() << rows << " rows, " << lanes << " lanes");
      ExpectSame(All(Rows(rows, {IndexKey(1), IndexKey(2)}), rows % 2 == 0, lanes));
    }
  }
}

TEST_F(DeviceBatchTest, ARowOfThousandsOfFeatures) {
  std::mt19937_64 random(4);
  for (const int lanes : {1, 4, 16}) {
    RowBlock block = RandomBlock(random, 6, 100, false, true, true);
    for (std::uint64_t i = 0; i < 5000; ++i) {
      block.key.push_back(IndexKey(i));
      block.value.push_back(static_cast<float>(random() % 100) / 50 - 1);
    }
    block.label.push_back(1);
    block.weight.push_back(0.5f);
    block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
    ExpectSame(All(std::move(block), true, lanes));
  }
}

// As it comes from nowhere but a forged row: the bias is summed over all rows, whatever else has its key.
TEST_F(DeviceBatchTest, TheKeyOfTheBiasAmongFeatures) {
  for (const std::size_t rows : {2, 40}) {
    for (const bool bias : {true, false})
      ExpectSame(All(Rows(rows, {IndexKey(1), kBiasKey, IndexKey(3)}), bias, 2));
  }
}

TEST_F(DeviceBatchTest, ZerosWithASignAndWhatIsNotFinite) {
  RowBlock block = Rows(40, {IndexKey(1), IndexKey(2), IndexKey(3)});
  for (std::size_t i = 0; i < block.key.size(); ++i) block.value.push_back(i % 2 == 0 ? -0.0f : 0.0f);
  ExpectSame(All(block, false, 1));
  Case of = All(Rows(40, {IndexKey(1), IndexKey(2), IndexKey(3)}), true, 4);
  for (const float special : {std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN(), 3e38f}) {
    of.special = special;
    ExpectSame(of);
  }
}

TEST_F(DeviceBatchTest, SeveralUnderWayAtOnce) {
  std::mt19937_64 random(11);
  std::vector<Case> cases;
  for (int i = 0; i < 6; ++i)
    cases.push_back(All(RandomBlock(random, 20 + 60 * static_cast<std::size_t>(i), 500, false, i % 2 == 0, false, 20),
                        true, 1 << i % 3));
  std::vector<Made> there(cases.size()), here(cases.size());
  for (std::size_t i = 0; i < cases.size(); ++i) Build(*on_device_, cases[i], &there[i]);
  for (std::size_t i = cases.size(); i-- > 0;) {
    Compute(*on_device_, cases[i], &there[i]);
    Build(*processor_, cases[i], &here[i]);
    Compute(*processor_, cases[i], &here[i]);
    ExpectSame(there[i], here[i]);
  }
}

}  // namespace
}  // namespace ps
