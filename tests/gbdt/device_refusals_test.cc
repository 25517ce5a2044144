// What a device cannot take is refused with a reason, and its memory given back.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/gbdt/device_booster.h"
#include "tests/gbdt/binned_sample.h"

namespace ps {
namespace {

absl::Status Refusal(const BinnedSample& sample, const BoostParams& params) {
  return DeviceBooster::Make(&sample.rows, &sample.columns, params).status();
}

TEST(DeviceBooster, SaysWhatItCannotDo) {
  SampleShape shape;
  const BinnedSample sample = MakeSample(shape);
  const BoostParams params;
  device_executor::memory.has_device = false;
  EXPECT_EQ(Refusal(sample, params).code(), absl::StatusCode::kNotFound);
  device_executor::memory.has_device = true;
  shape.sparse = true;
  shape.categories = 1;
  EXPECT_EQ(Refusal(MakeSample(shape), params).code(), absl::StatusCode::kUnimplemented);
}

// Whatever of its memory is the first that is not there.
TEST(DeviceBooster, SaysWhatDoesNotFitIntoItsMemory) {
  for (const auto& [sparse, classes] : {std::pair{false, 1u}, {false, 3u}, {true, 1u}, {true, 3u}}) {
    SampleShape shape;
    shape.sparse = sparse;
    BinnedSample sample = MakeSample(shape);
    if (classes > 1) GiveClasses(classes, &sample);
    sample.columns[2].direction = Direction::kIncreasing;
    BoostParams params;
    params.objective = classes > 1 ? Objective::kSoftmax : Objective::kLogistic;
    params.classes = classes;
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
      EXPECT_NE(full.message().find("iB for "), std::string::npos) << full;
      EXPECT_EQ(device_executor::memory.used, 0u);  // all is given back
    }
    device_executor::memory.limit = needed;
    EXPECT_TRUE(Refusal(sample, params).ok());
    device_executor::memory.limit = needed + (200 << 10);
    params.grow.max_leaves = 1000;
    const absl::Status leaves = Refusal(sample, params);
    device_executor::memory.limit = std::size_t{1} << 30;
    EXPECT_NE(leaves.message().find("iB for histograms of leaves"), std::string::npos) << leaves;
  }
}

// Whichever launch it is: by the call that launched, with what was being done.
TEST(DeviceBooster, TellsALaunchThatFails) {
  for (const bool sparse : {false, true}) {
    SampleShape shape;
    shape.sparse = sparse;
    const BinnedSample sample = MakeSample(shape);
    BoostParams params;
    params.grow.max_leaves = 3;
    std::set<std::string> told;
    int failed = 0;
    for (bool fails = true; fails; ++failed) {
      ASSERT_LT(failed, 100);
      device_executor::launches.until_failure = failed;
      auto booster = DeviceBooster::Make(&sample.rows, &sample.columns, params);
      const absl::Status status = booster.ok() ? (*booster)->GrowNext().status() : booster.status();
      fails = device_executor::launches.until_failure < 0;
      device_executor::launches.until_failure = -1;
      EXPECT_EQ(cudaGetLastError(), cudaSuccess);
      EXPECT_EQ(status.code(), fails ? absl::StatusCode::kInternal : absl::StatusCode::kOk) << status;
      if (fails) told.emplace(status.message());
    }
    std::set<std::string> expected;
    for (const char* doing : {"computing gradients", "summing the rows of a node", "finding cuts", "parting rows",
                              "summing leaves", "adding the values of leaves"})
      expected.insert(absl::StrCat("device: ", doing, ": too many resources requested for launch"));
    for (const char* doing : {"sorting values by cells", "marking the rows of a split"}) {
      if (sparse) expected.insert(absl::StrCat("device: ", doing, ": too many resources requested for launch"));
    }
    EXPECT_EQ(told, expected);
    EXPECT_GT(failed, 8);
  }
}

}  // namespace
}  // namespace ps
