// Memory of a device that runs out, which only the one that is executed on the host does when told.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/batch_learner.h"
#include "kernels/cuda/linear_model.h"
#include "ps/base/key.h"
#include "tests/kernels/device_executor/cuda_runtime_api.h"
#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

class FullLinearModel : public testing::Test {
 protected:
  void TearDown() override {
    memory_.limit = limit_;
    memory_.pinned_is_full = false;
  }
  device_executor::Memory& memory_ = device_executor::memory;
  const std::size_t limit_ = memory_.limit;
  const std::vector<OptimizerParams> lanes_ = std::vector<OptimizerParams>(1);
};

TEST_F(FullLinearModel, AModelThatCannotGrowIsWhatItWas) {
  const Rows rows = RandomRows(4, 60, 30, 8);
  const ResolvedRows view = rows.View(false, false);
  std::vector<float> state(62), there(62), margins(60), on_device(60);
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok());
  ASSERT_TRUE((*device)->Load(lanes_, state.data(), 31).ok());
  BatchLearner processor;
  processor.Learn(lanes_, view, 16, state.data(), margins.data());
  ASSERT_TRUE((*device)->Learn(view, 16, on_device.data()).ok());
  memory_.limit = memory_.used + 1000 * 32;
  const absl::Status status = (*device)->Reserve(70'000);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE((*device)->Reserve(60'000).ok());
  processor.Learn(lanes_, view, 16, state.data(), margins.data());
  ASSERT_TRUE((*device)->Learn(view, 16, on_device.data()).ok());
  ASSERT_TRUE((*device)->Copy(31, there.data()).ok());
  EXPECT_EQ(there, state);
  EXPECT_EQ(on_device, margins);
}

// Keys of rows and of others, which are many.
struct KeyedRows {
  Rows rows;
  std::vector<Key> keys, others;
  KeyedRows(unsigned seed, std::uint64_t first, std::size_t count)
      : rows(RandomRows(seed, 80, 500, 20)) {
    for (const std::uint32_t id : rows.ids)
      keys.push_back(id == kPaddingId ? kEmptyKey : IndexKey(id));
    for (std::uint64_t i = 0; i < count; ++i) others.push_back(IndexKey(first + i));
  }
  DeviceWork Work() const {
    DeviceWork work;
    work.rows = rows.View(true, true);
    work.batch_rows = 16;
    work.keys = keys.data();
    work.more_keys[0] = others;
    return work;
  }
};

std::vector<float> MarginsOf(DeviceLinearModel* device) {
  const absl::StatusOr<DeviceAnswer> answer = device->End();
  EXPECT_TRUE(answer.ok()) << answer.status();
  return {answer->margins.begin(), answer->margins.end()};
}

TEST_F(FullLinearModel, RowsThatDoNotFitAreNotLearnt) {
  const KeyedRows few(1, 1000, 100), many(2, 2000, 80'000);
  std::vector<std::unique_ptr<DeviceLinearModel>> devices;
  const std::vector<float> nothing(4);
  for (int i = 0; i < 2; ++i) {
    devices.push_back(*DeviceLinearModel::Make());
    ASSERT_TRUE(devices[i]->Load(lanes_, nothing.data(), 2).ok());
    ASSERT_TRUE(devices[i]->StartKeys(2).ok());
  }
  ASSERT_TRUE(devices[1]->Begin(few.Work()).ok());
  ASSERT_TRUE(devices[1]->Begin(many.Work()).ok());
  const std::vector<float> few_margins = MarginsOf(devices[1].get());
  const std::vector<float> many_margins = MarginsOf(devices[1].get());
  // At each of its allocations, while other rows are under way.
  ASSERT_TRUE(devices[0]->Begin(few.Work()).ok());
  memory_.pinned_is_full = true;
  EXPECT_TRUE(absl::IsResourceExhausted(devices[0]->Begin(many.Work())));
  memory_.pinned_is_full = false;
  int refused = 0;
  const std::size_t used = memory_.used;
  for (std::size_t room = 0;; room += 64 << 10, ++refused) {
    ASSERT_LT(refused, 1000);
    memory_.limit = used + room;
    const absl::Status status = devices[0]->Begin(many.Work());
    ASSERT_EQ(devices[0]->under_way(), status.ok() ? 2u : 1u);
    if (status.ok()) break;
    ASSERT_TRUE(absl::IsResourceExhausted(status)) << status;
  }
  EXPECT_GT(refused, 20);
  EXPECT_EQ(MarginsOf(devices[0].get()), few_margins);
  EXPECT_EQ(MarginsOf(devices[0].get()), many_margins);
}

}  // namespace
}  // namespace ps
