// The dense model where a device learns and finds keys, block by block beside one of the processor.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <deque>
#include <random>
#include <set>
#include <vector>

#include "ps/base/key.h"
#include "trainer/embedded/dense_model.h"

namespace ps {
namespace {

constexpr std::size_t kBatchRows = 16;

RowBlock RandomBlock(unsigned seed, int rows, std::uint64_t features, bool with_values) {
  std::mt19937 random(seed);
  RowBlock block;
  for (int r = 0; r < rows; ++r) {
    std::set<std::uint64_t> row;
    const std::size_t count = random() % 9;
    while (row.size() < count) row.insert(random() % features);
    for (const std::uint64_t feature : row) {
      block.key.push_back(IndexKey(feature));
      if (with_values) block.value.push_back(0.5f + static_cast<float>(random() % 4));
    }
    block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
    block.label.push_back(static_cast<float>(random() % 2));
  }
  return block;
}

// One model on a device, one on the processor, and the rows that both have.
class Twins {
 public:
  explicit Twins(bool bias)
      : of_device_({.lanes = Lanes(), .bias = bias, .threads = 3}), of_processor_({.lanes = Lanes(), .bias = bias}) {
    of_device_.SetSteps(std::make_unique<BatchSteps>(kBatchRows, *DeviceLinearModel::Make()));
    of_processor_.SetSteps(std::make_unique<BatchSteps>(kBatchRows, nullptr));
  }
  DenseModel& device() { return of_device_; }

  void Start(const std::vector<Key>& keys, const std::vector<float>& weights) {
    of_device_.SetWeights(keys, weights, &scratch_[0]);
    of_processor_.SetWeights(keys, weights, &scratch_[1]);
    ASSERT_TRUE(of_device_.StartKeys().ok());
  }

  // Both learn train rows; the device a block later.
  void Learn(unsigned seed, int rows, std::uint64_t features) {
    Block& block = blocks_.emplace_back();
    const RowBlock of_part[] = {RandomBlock(seed, rows, features, seed % 2 == 0), RandomBlock(seed + 100, 7, features, false),
                                RandomBlock(seed + 200, seed % 3 == 0 ? 0 : 5, features, true)};
    for (int i = 0; i < 3; ++i) {
      of_device_.Resolve(of_part[i], &scratch_[0], &block.there[i]);
      of_processor_.Resolve(of_part[i], &scratch_[1], &block.here[i]);
    }
    ASSERT_TRUE(of_processor_.Learn(block.here[0].View(), &block.margins).ok());
    if (of_device_.steps()->under_way() == DenseModel::kMostUnderWay) End();
    ASSERT_TRUE(of_device_.Begin(block.Parts()).ok());
    ++begun_;
  }
  void End() {
    Block& block = blocks_[ended_++];
    const DenseModel::Parts parts = block.Parts();
    std::vector<float> margins;
    ASSERT_TRUE(of_device_.End(&parts, &margins).ok());
    EXPECT_EQ(margins, block.margins);
  }
  void EndAll() {
    while (ended_ < begun_) End();
  }

  // Of held-out rows so far, and train rows again.
  void ExpectSameScores() {
    for (Block& block : blocks_) {
      for (int i = 0; i < 3; ++i) {
        std::vector<float> there, here;
        ASSERT_EQ(block.there[i].ids.size(), block.here[i].ids.size());
        ASSERT_TRUE(block.there[i].keys.empty());
        ASSERT_TRUE(of_device_.Score(block.there[i], &there).ok());
        ASSERT_TRUE(of_processor_.Score(block.here[i], &here).ok());
        EXPECT_EQ(there, here);
      }
    }
  }
  void ExpectSameWeights() {
    ASSERT_TRUE(of_device_.Settle().ok());
    ASSERT_FALSE(of_device_.keys_on_device());
    EXPECT_EQ(of_device_.features(), of_processor_.features());
    EXPECT_EQ(of_device_.bias(), of_processor_.bias());
    EXPECT_EQ(of_device_.LearntFeatures(), of_processor_.LearntFeatures());
    std::vector<Key> keys[2];
    std::vector<float> weights[2];
    for (SlotIndex slot = 0; slot < of_device_.slots(); ++slot) {
      of_device_.SlotWeights(slot, &keys[0], &weights[0]);
      of_processor_.SlotWeights(slot, &keys[1], &weights[1]);
    }
    EXPECT_EQ(keys[0], keys[1]);
    EXPECT_EQ(weights[0], weights[1]);
    EXPECT_GT(keys[0].size(), 100u);
  }

 private:
  struct Block {
    ResolvedBlock there[3], here[3];
    std::vector<float> margins;
    DenseModel::Parts Parts() { return {&there[0], &there[1], &there[2], true}; }
  };
  static std::vector<OptimizerParams> Lanes() { return std::vector<OptimizerParams>(1); }

  DenseModel of_device_, of_processor_;
  DenseModel::Scratch scratch_[2];
  std::deque<Block> blocks_;
  std::size_t begun_ = 0, ended_ = 0;
};

class DeviceModelTest : public testing::TestWithParam<bool> {
 protected:
  void TearDown() override { device_executor::memory.limit = limit_; }
  const std::size_t limit_ = device_executor::memory.limit;
};

TEST_P(DeviceModelTest, FindsKeysAndGivesThemBack) {
  Twins twins(GetParam());
  ASSERT_NO_FATAL_FAILURE(twins.Start({IndexKey(3), IndexKey(70'000)}, {0.5f, -1.0f}));
  for (unsigned seed = 1; seed <= 7; ++seed) twins.Learn(seed, 40, 200 * seed);
  twins.EndAll();
  EXPECT_TRUE(twins.device().keys_on_device());
  EXPECT_FALSE(twins.device().steps()->settled());
  twins.ExpectSameScores();
  EXPECT_FALSE(twins.device().steps()->settled()) << "scored where the state is";
  ASSERT_TRUE(twins.device().EndKeys().ok());
  twins.ExpectSameWeights();
  twins.ExpectSameScores();
  // Later passes: keys are the processor's.
  for (unsigned seed = 8; seed <= 10; ++seed) twins.Learn(seed, 40, 2000);
  twins.EndAll();
  twins.ExpectSameWeights();
  EXPECT_STREQ(twins.device().steps()->device_name(), "cuda");
}

// With rows under way.
TEST_P(DeviceModelTest, LeavesADeviceThatIsFull) {
  Twins twins(GetParam());
  ASSERT_NO_FATAL_FAILURE(twins.Start({}, {}));
  for (unsigned seed = 1; seed <= 3; ++seed) twins.Learn(seed, 40, 300);
  device_executor::memory.limit = device_executor::memory.used;
  for (unsigned seed = 4; seed <= 6; ++seed) twins.Learn(seed, 400, 9'000'000);
  EXPECT_STREQ(twins.device().steps()->device_name(), "cpu");
  EXPECT_NE(twins.device().steps()->TakeNews(), "");
  twins.EndAll();
  twins.ExpectSameScores();
  twins.ExpectSameWeights();
}

TEST_P(DeviceModelTest, LeavesADeviceThatHasNoRoomForScores) {
  Twins twins(GetParam());
  ASSERT_NO_FATAL_FAILURE(twins.Start({}, {}));
  twins.Learn(1, 300, 3000);
  twins.Learn(2, 30, 3000);
  twins.EndAll();
  device_executor::memory.limit = device_executor::memory.used;
  twins.ExpectSameScores();
  EXPECT_STREQ(twins.device().steps()->device_name(), "cpu");
  twins.ExpectSameWeights();
}

// Where there is room for the state alone, or for nothing, before the first row.
TEST_P(DeviceModelTest, StartsWithAsMuchAsThereIsRoomFor) {
  std::vector<Key> keys;
  for (std::uint64_t i = 0; i < 60'000; ++i) keys.push_back(IndexKey(3 * i));
  std::vector<float> weights(keys.size());
  for (std::size_t i = 0; i < weights.size(); ++i) weights[i] = i % 10 == 0 ? 0.25f : 0.0f;
  enum { kNothing, kState, kStateAndKeys, kWays };
  int met[kWays] = {};
  const std::size_t used = device_executor::memory.used;
  for (std::size_t room = 0; met[kStateAndKeys] == 0; room += 1 << 20) {
    ASSERT_LT(room, std::size_t{32} << 20);
    device_executor::memory.limit = limit_;
    Twins twins(GetParam());
    device_executor::memory.limit = used + room;
    ASSERT_NO_FATAL_FAILURE(twins.Start(keys, weights));
    const bool on_device = twins.device().steps()->device() != nullptr;
    ++met[!on_device ? kNothing : !twins.device().keys_on_device() ? kState : kStateAndKeys];
    EXPECT_EQ(twins.device().steps()->TakeNews().empty(), twins.device().keys_on_device());
    device_executor::memory.limit = limit_;
    for (unsigned seed = 1; seed <= 3; ++seed) twins.Learn(seed, 40, 400);
    twins.EndAll();
    EXPECT_STREQ(twins.device().steps()->device_name(), on_device ? "cuda" : "cpu");
    ASSERT_TRUE(twins.device().EndKeys().ok());
    twins.ExpectSameWeights();
  }
  for (const int times : met) EXPECT_GT(times, 0);
}

TEST(DenseModel, SaysWhenIdsRunOutWhoeverGivesThem) {
  for (const bool on_device : {false, true}) {
    DenseModel model({.lanes = std::vector<OptimizerParams>(1), .most_ids = 300});
    model.SetSteps(std::make_unique<BatchSteps>(
        kBatchRows, on_device ? *DeviceLinearModel::Make() : nullptr));
    if (on_device) {
      ASSERT_TRUE(model.StartKeys().ok());
    }
    DenseModel::Scratch scratch;
    ResolvedBlock parts[3];
    std::vector<float> margins;
    for (const std::uint64_t features : {200, 2000}) {
      model.Resolve(RandomBlock(1, 300, features, false), &scratch, &parts[0]);
      const DenseModel::Parts all = {&parts[0], &parts[1], &parts[2], false};
      ASSERT_TRUE(model.Begin(all).ok());
      ASSERT_TRUE(model.End(&all, &margins).ok());
      const absl::Status status = model.CheckIds();
      EXPECT_EQ(absl::IsResourceExhausted(status), features == 2000) << status;
    }
  }
}

TEST(BatchSteps, OnTheProcessorMarginsAloneLeaveTheModelAsItIs) {
  const std::vector<OptimizerParams> lanes(1);
  const std::vector<std::uint32_t> ids = {1, 2, 0, 0, 0, 0, 0, 0}, row_begin = {0, 8};
  const float label = 1;
  const ResolvedRows rows = {ids.data(), nullptr, row_begin.data(), &label, nullptr, 1};
  std::vector<float> state = {0, 0, -3, 1, -2, 1};
  const std::vector<float> before = state;
  BatchSteps steps(kBatchRows, nullptr);
  std::vector<float> margin(1);
  RowLaneMargins(lanes, rows, state.data(), margin.data());
  ASSERT_NE(margin[0], 0.0f);
  for (const bool learns : {false, true}) {
    ASSERT_TRUE(steps.Begin(lanes, {.rows = rows, .learns = learns}, 3, state.data()).ok());
    const absl::StatusOr<DeviceAnswer> answer = steps.End();
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(std::vector<float>(answer->margins.begin(), answer->margins.end()), margin);
    EXPECT_EQ(state == before, !learns);
  }
}

INSTANTIATE_TEST_SUITE_P(Bias, DeviceModelTest, testing::Bool());

}  // namespace
}  // namespace ps
