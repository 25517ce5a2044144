// Memory of a device that runs out, which only the one that is executed on the host does when told.
#include <gtest/gtest.h>

#include <vector>

#include "kernels/batch_learner.h"
#include "kernels/cuda/linear_model.h"
#include "tests/kernels/device_executor/cuda_runtime_api.h"
#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

TEST(DeviceLinearModelMemoryTest, AModelThatCannotGrowIsWhatItWas) {
  auto& memory = device_executor::memory;
  const std::size_t limit = memory.limit;
  const std::vector<OptimizerParams> lanes(1);
  const Rows rows = RandomRows(4, 60, 30, 8);
  const ResolvedRows view = rows.View(false, false);
  std::vector<float> state(62), there(62), margins(60), on_device(60);
  const auto device = DeviceLinearModel::Make();
  ASSERT_TRUE(device.ok());
  ASSERT_TRUE((*device)->Load(lanes, state.data(), 31).ok());
  BatchLearner processor;
  processor.Learn(lanes, view, 16, state.data(), margins.data());
  ASSERT_TRUE((*device)->Learn(view, 16, on_device.data()).ok());
  memory.limit = memory.used + 1000 * 32;
  const absl::Status status = (*device)->Reserve(2000);
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  // Not half as many again, but as many as asked for.
  EXPECT_TRUE((*device)->Reserve(990).ok());
  processor.Learn(lanes, view, 16, state.data(), margins.data());
  ASSERT_TRUE((*device)->Learn(view, 16, on_device.data()).ok());
  ASSERT_TRUE((*device)->Copy(31, there.data()).ok());
  memory.limit = limit;
  EXPECT_EQ(there, state);
  EXPECT_EQ(on_device, margins);
}

}  // namespace
}  // namespace ps
