// Workers that have a GPU beside workers that have none grow the trees of one process; what a GPU is not
// there for is said, or refused.
#include <cuda_runtime_api.h>

#include "ps/trees/part_grower.h"
#include "tests/gbdt/grown_on_cluster.h"

namespace ps {
namespace {

class DeviceWorkers : public testing::Test {
 protected:
  ~DeviceWorkers() override { device_executor::memory = {}; }

  static absl::StatusOr<std::unique_ptr<PartGrower>> Make(const SampleShape& shape, const BoostParams& params,
                                                          const char* device) {
    BinnedSample sample = MakeSample(shape);
    return PartGrower::Make({std::move(sample.rows), std::move(sample.columns), params, 2}, device);
  }
  // Of the device, for the part of one of `workers`.
  static std::size_t BytesOfWorker(const BinnedSample& sample, std::size_t workers) {
    const std::size_t before = device_executor::memory.used;
    const auto grower = PartGrower::Make(
        {PartOf(sample.rows, 0, sample.rows.rows / workers), sample.columns, BoostParams(), 1}, "cuda");
    EXPECT_TRUE(grower.ok()) << grower.status();
    return device_executor::memory.used - before;
  }
};

TEST_F(DeviceWorkers, GrowTheTreesOfOneProcess) {
  for (const BinnedSample& sample : {Dense(), Sparse()}) {
    const ps::Outcome run =
        ExpectSame({.servers = 2, .workers = 3, .device = "cuda"}, sample, Params(20), 3);
    EXPECT_EQ(run.counts.on_device, 3);
    BoostParams params = Params(12);
    params.objective = Objective::kSquared;
    params.row_sample = 0.7;
    params.grow.column_sample = 0.6;
    params.grow.absent_is_zero = sample.rows.sparse;
    ExpectSame({.servers = 1, .workers = 2, .device = "auto"}, sample, params, 3);
  }
}

// One has the device's memory, which is too small for the other.
TEST_F(DeviceWorkers, MixWithWorkersWithoutAGpu) {
  for (const BinnedSample& sample : {Dense(), Sparse()}) {
    device_executor::memory.limit = std::size_t{1} << 30;
    device_executor::memory.limit = BytesOfWorker(sample, 2) * 3 / 2;
    Cluster cluster{.servers = 2, .workers = 2, .device = "auto"};
    const Outcome run = ExpectSame(cluster, sample, Params(20), 4);
    EXPECT_EQ(run.counts.on_device, 1);
    ASSERT_EQ(run.counts.grows_on.size(), 2u);
    bool told = false;
    for (const auto& [kind, workers] : run.counts.grows_on)
      told = told || kind.find(" of the processor: device: no ") != std::string::npos;
    EXPECT_TRUE(told);
    for (std::uint64_t seed = 1; seed <= 6; ++seed) {
      cluster.seed = seed;
      cluster.kills = 1;
      cluster.restarts = 1;
      cluster.faults = {.drop = 0.02, .duplicate = 0.02};
      ExpectSame(cluster, sample, Params(20), 4);
    }
    EXPECT_EQ(device_executor::memory.used, 0u);
  }
}

// The job may fail by it; nothing crashes, and the device gets its memory back.
TEST_F(DeviceWorkers, TakeForgedMessages) {
  for (const BinnedSample& sample : {Dense(), Sparse()}) {
    for (std::uint64_t seed = 1; seed <= 8; ++seed) {
      Cluster cluster{.servers = 2, .workers = 2, .seed = seed, .device = "cuda"};
      cluster.faults = {.corrupt = 0.02, .forge = 0.05};
      cluster.stall_limit = std::chrono::seconds(30);
      const Outcome run = GrowOn(cluster, sample, Params(12), 3);
      EXPECT_TRUE(run.network.ok()) << run.network;
      if (run.status.ok()) EXPECT_EQ(run.trees.size(), 3u);
      EXPECT_EQ(device_executor::memory.used, 0u);
    }
  }
}

TEST_F(DeviceWorkers, WithoutAGpuTheJobFailsWhereItInsists) {
  device_executor::memory.has_device = false;
  const Outcome run = GrowOn({.device = "cuda"}, Dense(), Params(8), 2);
  EXPECT_EQ(run.status.code(), absl::StatusCode::kResourceExhausted) << run.status;
  EXPECT_NE(run.status.message().find("device: cuda cannot be had: CUDA finds no NVIDIA GPU on this machine"),
            std::string::npos)
      << run.status;
  const Outcome without = ExpectSame({.device = "auto"}, Dense(), Params(8), 2);
  EXPECT_EQ(without.counts.on_device, 0);
}

TEST_F(DeviceWorkers, WhatAGpuCannotDoIsSaidOrRefused) {
  BoostParams softmax;
  softmax.objective = Objective::kSoftmax;
  softmax.classes = 2;
  SampleShape categories;
  categories.sparse = true;
  categories.categories = 1;
  for (const auto& [shape, params] :
       {std::pair{SampleShape(), softmax}, std::pair{categories, BoostParams()}}) {
    const absl::Status refused = Make(shape, params, "cuda").status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
    EXPECT_NE(refused.message().find("Set device: auto or cpu"), std::string::npos) << refused;
    const auto grower = Make(shape, params, "auto");
    ASSERT_TRUE(grower.ok()) << grower.status();
    EXPECT_EQ((*grower)->device_bytes(), 0u);
    EXPECT_NE((*grower)->grows_on().find("2 threads of the processor: "), std::string::npos);
    EXPECT_NE((*grower)->grows_on().find("not "), std::string::npos) << (*grower)->grows_on();
  }
  SampleShape nothing;
  nothing.rows = 0;
  EXPECT_EQ((*Make(nothing, BoostParams(), "cuda"))->grows_on(),
            "2 threads of the processor: there are no rows");
  EXPECT_EQ((*Make(SampleShape(), BoostParams(), "cpu"))->grows_on(),
            "2 threads of the processor: device: cpu");
  // Whatever of its memory is the first that is not there.
  const std::size_t needed = BytesOfWorker(MakeSample(SampleShape()), 1);
  for (std::size_t limit = 0; limit < needed; limit += 1 + needed / 53) {
    device_executor::memory.limit = limit;
    EXPECT_EQ(Make(SampleShape(), BoostParams(), "cuda").status().code(), absl::StatusCode::kResourceExhausted);
    EXPECT_EQ((*Make(SampleShape(), BoostParams(), "auto"))->device_bytes(), 0u);
    EXPECT_EQ(device_executor::memory.used, 0u);
  }
}

}  // namespace
}  // namespace ps
