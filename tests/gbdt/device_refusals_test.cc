// What a device cannot take is refused with a reason, and its memory given back.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "models/gbdt/device_booster.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

absl::Status Refusal(const BinnedSample& sample, const BoostParams& params) {
  return DeviceBooster::Make(&sample.rows, &sample.columns, params).status();
}

TEST(DeviceBooster, SaysWhatItCannotDo) {
  SampleShape shape;
  BinnedSample sample = MakeSample(shape);
  const BoostParams params;
  device_executor::memory.has_device = false;
  EXPECT_EQ(Refusal(sample, params).code(), absl::StatusCode::kNotFound);
  device_executor::memory.has_device = true;
  BoostParams softmax;
  softmax.objective = Objective::kSoftmax;
  softmax.classes = 2;
  EXPECT_EQ(Refusal(sample, softmax).code(), absl::StatusCode::kUnimplemented);
  sample.columns[2].direction = Direction::kDecreasing;
  const absl::Status monotone = Refusal(sample, params);
  EXPECT_EQ(monotone.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(monotone.message().find("model.gbdt.monotone"), std::string::npos) << monotone;
  shape.sparse = true;
  shape.categories = 1;
  EXPECT_EQ(Refusal(MakeSample(shape), params).code(), absl::StatusCode::kUnimplemented);
}

// Whatever of its memory is the first that is not there.
TEST(DeviceBooster, SaysWhatDoesNotFitIntoItsMemory) {
  for (const bool sparse : {false, true}) {
    SampleShape shape;
    shape.sparse = sparse;
    const BinnedSample sample = MakeSample(shape);
    BoostParams params;
    params.grow.max_leaves = 4;
    std::size_t needed = 0;
    {
      const auto booster = DeviceBooster::Make(&sample.rows, &sample.columns, params);
      ASSERT_TRUE(booster.ok()) << booster.status();
      needed = device_executor::memory.used;
      EXPECT_LE((*booster)->memory_bytes(), needed);
      EXPECT_GT((*booster)->memory_bytes(), needed * 9 / 10);
    }
    EXPECT_EQ(device_executor::memory.used, 0u);
    for (std::size_t limit = 0; limit < needed; limit += 1 + needed / 97) {
      device_executor::memory.limit = limit;
      const absl::Status full = Refusal(sample, params);
      EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
      EXPECT_NE(full.message().find("MiB for"), std::string::npos) << full;
      EXPECT_EQ(device_executor::memory.used, 0u);  // all is given back
    }
    device_executor::memory.limit = needed;
    EXPECT_TRUE(Refusal(sample, params).ok());
    device_executor::memory.limit = needed + (200 << 10);
    params.grow.max_leaves = 1000;
    const absl::Status leaves = Refusal(sample, params);
    device_executor::memory.limit = std::size_t{1} << 30;
    EXPECT_NE(leaves.message().find("MiB for histograms of leaves"), std::string::npos) << leaves;
  }
}

}  // namespace
}  // namespace ps
