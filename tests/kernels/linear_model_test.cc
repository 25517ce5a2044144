// What a device learns of a linear model is what the processor learns, to the bit. Built twice: with the
// kernels executed on the host, and for a real device, without which it skips.
#include "kernels/cuda/linear_model.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "kernels/batch_learner.h"
#include "kernels/cuda/device.h"
#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

class DeviceLinearModelTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) GTEST_SKIP() << device.status().message();
  }
};

std::vector<OptimizerParams> Settings(int lanes, Optimizer type) {
  std::vector<OptimizerParams> settings(static_cast<std::size_t>(lanes));
  for (int k = 0; k < lanes; ++k) {
    settings[k].type = type;
    settings[k].alpha = 0.03f * static_cast<float>(k + 1);
    settings[k].l1 = k % 2 == 0 ? 0.0f : 0.2f;
    settings[k].l2 = k % 3 == 0 ? 0.0f : 0.5f;
    settings[k].newton = k % 4 == 0 ? 0.2f : 0.0f;
  }
  return settings;
}

struct Shape {
  unsigned rows = 0;
  std::uint32_t features = 0;
  unsigned widest = 0;  // features of a row
  std::size_t batch_rows = 0;
};

void ExpectSameModel(const Shape& shape, const std::vector<OptimizerParams>& lanes, unsigned seed) {
  const auto floats = static_cast<std::size_t>(StateFloats(lanes[0].type));
  const std::size_t ids = shape.features + 1, each = floats * lanes.size();
  std::vector<float> state(ids * each), there(ids * each);
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok()) << device.status();
  ASSERT_TRUE((*device)->Load(lanes, state.data(), ids / 2).ok());
  ASSERT_TRUE((*device)->Reserve(ids).ok());
  BatchLearner processor;
  for (unsigned pass = 0; pass < 2; ++pass) {
    const Rows rows = RandomRows(seed + 100 * pass, shape.rows, shape.features, shape.widest);
    const ResolvedRows view = rows.View((seed + pass) % 2 == 1, (seed + pass) % 3 == 1);
    std::vector<float> margins(view.rows * lanes.size()), on_device(margins.size());
    processor.Learn(lanes, view, shape.batch_rows, state.data(), margins.data());
    ASSERT_TRUE((*device)->Learn(view, shape.batch_rows, on_device.data()).ok());
    ASSERT_EQ(on_device, margins) << "pass " << pass;
    ASSERT_TRUE((*device)->Copy(ids, there.data()).ok());
    ASSERT_EQ(there, state) << "pass " << pass;
    if (pass == 0) {
      ASSERT_TRUE((*device)->Load(lanes, state.data(), ids).ok());
    }
  }
}

TEST_F(DeviceLinearModelTest, LearnsWhatTheProcessorLearns) {
  unsigned seed = 0;
  for (const int lanes : {1, 2, 4, 8, 16}) {
    for (const Shape& shape : {Shape{0, 5, 3, 4}, Shape{1, 5, 3, 4}, Shape{70, 12, 4, 16},
                               Shape{20, 600, 45, 1000}, Shape{2, 900, 800, 2}, Shape{65, 2, 1, 7}}) {
      SCOPED_TRACE(testing::Message() << lanes << " lanes, " << shape.rows << " rows");
      ExpectSameModel(shape, Settings(lanes, Optimizer::kFtrl), ++seed);
    }
  }
}

TEST_F(DeviceLinearModelTest, FewLanesOfFewRows) {
  for (const int lanes : {2, 4, 8, 16}) ExpectSameModel({37, 40, 9, 16}, Settings(lanes, Optimizer::kFtrl), 5);
}

TEST_F(DeviceLinearModelTest, WithEveryOptimiser) {
  for (const Optimizer type : {Optimizer::kFtrl, Optimizer::kAdaGrad, Optimizer::kSgd})
    ExpectSameModel({80, 50, 10, 16}, Settings(1, type), 7);
}

TEST_F(DeviceLinearModelTest, MarginsAloneLeaveTheModelAsItIs) {
  const Rows rows = RandomRows(3, 90, 40, 9);
  const ResolvedRows view = rows.View(true, false);
  for (const int lanes : {1, 8}) {
    const std::vector<OptimizerParams> settings = Settings(lanes, Optimizer::kFtrl);
    std::vector<float> state(82 * static_cast<std::size_t>(lanes)), there(state.size());
    std::vector<float> margins(view.rows * settings.size());
    BatchLearner().Learn(settings, view, 8, state.data(), margins.data());
    const auto device = DeviceLinearModel::Make();
    ASSERT_TRUE(device.ok()) << device.status();
    ASSERT_TRUE((*device)->Load(settings, state.data(), 41).ok());
    ASSERT_TRUE((*device)->Begin({.rows = view, .learns = false}).ok());
    const absl::StatusOr<DeviceAnswer> answer = (*device)->End();
    ASSERT_TRUE(answer.ok());
    RowLaneMargins(settings, view, state.data(), margins.data());
    EXPECT_EQ(std::vector<float>(answer->margins.begin(), answer->margins.end()), margins);
    ASSERT_TRUE((*device)->Copy(41, there.data()).ok());
    EXPECT_EQ(there, state);
  }
}

TEST_F(DeviceLinearModelTest, IdsHave32BitsButForTheLast) {
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok()) << device.status();
  const std::vector<float> state(2);
  ASSERT_TRUE((*device)->Load(Settings(1, Optimizer::kFtrl), state.data(), 1).ok());
  const std::uint64_t before = (*device)->memory_bytes();
  const absl::Status status = (*device)->Reserve(std::size_t{1} << 32);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_EQ((*device)->memory_bytes(), before);
}

TEST_F(DeviceLinearModelTest, RefusesMoreWorkThanMayBeUnderWay) {
  const Rows rows = RandomRows(5, 20, 30, 8);
  const ResolvedRows view = rows.View(true, true);
  const std::vector<OptimizerParams> lanes = Settings(1, Optimizer::kFtrl);
  std::vector<float> state(62), margins(20);
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok()) << device.status();
  ASSERT_TRUE((*device)->Load(lanes, state.data(), 31).ok());
  for (std::size_t i = 0; i < DeviceLinearModel::kMostUnderWay; ++i)
    ASSERT_TRUE((*device)->Begin({.rows = view, .batch_rows = 8}).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition((*device)->Begin({.rows = view, .batch_rows = 8})));
  for (std::size_t i = 0; i < DeviceLinearModel::kMostUnderWay; ++i) {
    BatchLearner().Learn(lanes, view, 8, state.data(), margins.data());
    const absl::StatusOr<DeviceAnswer> answer = (*device)->End();
    ASSERT_TRUE(answer.ok());
    EXPECT_EQ(std::vector<float>(answer->margins.begin(), answer->margins.end()), margins);
  }
  EXPECT_EQ((*device)->under_way(), 0u);
}

// As the bias is: at the first place of all rows, of some that are side by side, or of none.
TEST_F(DeviceLinearModelTest, RowsThatBeginWithTheSameFeature) {
  for (const unsigned every : {1u, 2u, 5u, 64u}) {
    Rows rows = RandomRows(every, 90, 40, 9);
    for (std::size_t row = 0; row < rows.labels.size(); ++row) {
      const std::uint32_t first = rows.row_begin[row];
      if (row / 8 % every == 0 && first < rows.row_begin[row + 1]) rows.ids[first] = 41;
    }
    for (const int lanes : {1, 2, 4}) {
      const std::vector<OptimizerParams> settings = Settings(lanes, Optimizer::kFtrl);
      std::vector<float> state(84 * settings.size()), there(state.size());
      const ResolvedRows view = rows.View(every % 2 == 0, false);
      std::vector<float> margins(view.rows * settings.size()), on_device(margins.size());
      const auto device = DeviceLinearModel::Make();
      ASSERT_TRUE(device.ok()) << device.status();
      ASSERT_TRUE((*device)->Load(settings, state.data(), 42).ok());
      for (const std::size_t batch_rows : {89, 8}) {
        BatchLearner().Learn(settings, view, batch_rows, state.data(), margins.data());
        ASSERT_TRUE((*device)->Learn(view, batch_rows, on_device.data()).ok());
        EXPECT_EQ(on_device, margins);
      }
      ASSERT_TRUE((*device)->Copy(42, there.data()).ok());
      EXPECT_EQ(there, state);
    }
  }
}

TEST_F(DeviceLinearModelTest, RowsFromTheMiddleOfABlock) {
  const Rows rows = RandomRows(4, 60, 30, 8);
  ResolvedRows part = rows.View(true, true);
  part.row_begin += 20;
  part.labels += 20;
  part.weights += 20;
  part.rows = 30;
  const std::vector<OptimizerParams> lanes = Settings(1, Optimizer::kFtrl);
  std::vector<float> state(62), there(62), margins(30), on_device(30);
  BatchLearner().Learn(lanes, part, 8, state.data(), margins.data());
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok()) << device.status();
  ASSERT_TRUE((*device)->Load(lanes, there.data(), 31).ok());
  ASSERT_TRUE((*device)->Learn(part, 8, on_device.data()).ok());
  ASSERT_TRUE((*device)->Copy(31, there.data()).ok());
  EXPECT_EQ(on_device, margins);
  EXPECT_EQ(there, state);
}

}  // namespace
}  // namespace ps
