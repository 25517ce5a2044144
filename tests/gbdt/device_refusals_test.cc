// What a device cannot take is refused with a reason, and its memory given back.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "models/gbdt/device_booster.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

TEST(DeviceBooster, SaysWhatItCannotDo) {
  SampleShape shape;
  BinnedSample sample = MakeSample(shape);
  const BoostParams params;
  device_executor::memory.has_device = false;
  EXPECT_EQ(DeviceBooster::Make(&sample.rows, &sample.columns, params).status().code(),
            absl::StatusCode::kNotFound);
  device_executor::memory.has_device = true;
  device_executor::memory.limit = 100 << 10;
  const absl::Status full = DeviceBooster::Make(&sample.rows, &sample.columns, params).status();
  EXPECT_EQ(full.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_NE(full.message().find("MiB for"), std::string::npos) << full;
  EXPECT_EQ(device_executor::memory.used, 0u);  // all is given back
  device_executor::memory.limit = 1 << 30;
  BoostParams softmax;
  softmax.objective = Objective::kSoftmax;
  softmax.classes = 2;
  EXPECT_EQ(DeviceBooster::Make(&sample.rows, &sample.columns, softmax).status().code(),
            absl::StatusCode::kUnimplemented);
  sample.columns[2].direction = Direction::kDecreasing;
  const absl::Status monotone = DeviceBooster::Make(&sample.rows, &sample.columns, params).status();
  EXPECT_EQ(monotone.code(), absl::StatusCode::kUnimplemented);
  EXPECT_NE(monotone.message().find("model.gbdt.monotone"), std::string::npos) << monotone;
  shape.sparse = true;
  sample = MakeSample(shape);
  EXPECT_EQ(DeviceBooster::Make(&sample.rows, &sample.columns, params).status().code(),
            absl::StatusCode::kUnimplemented);
}

}  // namespace
}  // namespace ps
