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
        ExpectSame({.servers = 2, .workers = 3, .device = "cuda"}, sample, Params(12), 3);
    EXPECT_EQ(run.counts.devices.on_device, 3);
    BoostParams params = Params(8);
    params.objective = Objective::kSquared;
    params.row_sample = 0.7;
    params.grow.column_sample = 0.6;
    params.grow.absent_is_zero = sample.rows.sparse;
    ExpectSame({.servers = 1, .workers = 2, .device = "auto"}, sample, params, 3);
  }
}

TEST_F(DeviceWorkers, LearnSeveralClasses) {
  for (const BinnedSample& sample : {OfClasses(Dense()), OfClasses(Sparse())}) {
    const Outcome run = ExpectSame({.servers = 2, .workers = 3, .device = "cuda"}, sample, SoftmaxParams(), 6);
    EXPECT_EQ(run.counts.devices.on_device, 3);
    // Replaced workers begin in the middle of a round.
    for (std::uint64_t seed = 1; seed <= 3; ++seed) {
      Cluster cluster{.servers = 1, .workers = 2, .seed = seed, .kills = 1, .restarts = 1, .device = "auto"};
      cluster.faults = {.drop = 0.02, .duplicate = 0.02};
      ExpectSame(cluster, sample, SoftmaxParams(), 6);
    }
  }
}

// One has the device's memory, which is too small for the other.
TEST_F(DeviceWorkers, MixWithWorkersWithoutAGpu) {
  for (const BinnedSample& sample : {Dense(), Sparse()}) {
    device_executor::memory.limit = std::size_t{1} << 30;
    device_executor::memory.limit = BytesOfWorker(sample, 2) * 3 / 2;
    Cluster cluster{.servers = 2, .workers = 2, .device = "auto"};
    const Outcome run = ExpectSame(cluster, sample, Params(10), 4);
    EXPECT_EQ(run.counts.devices.on_device, 1);
    EXPECT_EQ(run.counts.devices.Name(), "cuda at some workers");
    ASSERT_EQ(run.counts.devices.kinds.size(), 2u);
    bool told = false;
    for (const auto& [kind, workers] : run.counts.devices.kinds)
      told = told || kind.find(" of the processor: device: no ") != std::string::npos;
    EXPECT_TRUE(told);
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      cluster.seed = seed;
      cluster.kills = 1;
      cluster.restarts = 1;
      cluster.faults = {.drop = 0.02, .duplicate = 0.02};
      ExpectSame(cluster, sample, Params(10), 4);
    }
    EXPECT_EQ(device_executor::memory.used, 0u);
  }
}

// The job may fail by it; nothing crashes, and the device gets its memory back.
TEST_F(DeviceWorkers, TakeForgedMessages) {
  for (const BinnedSample& sample : {Dense(), Sparse()}) {
    for (std::uint64_t seed = 1; seed <= 4; ++seed) {
      Cluster cluster{.servers = 2, .workers = 2, .seed = seed, .device = "cuda"};
      cluster.faults = {.corrupt = 0.02, .forge = 0.05};
      cluster.stall_limit = std::chrono::seconds(30);
      const Outcome run = GrowOn(cluster, sample, Params(8), 3);
      EXPECT_TRUE(run.network.ok()) << run.network;
      if (run.status.ok()) {
        EXPECT_EQ(run.trees.size(), 3u);
      }
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
  EXPECT_EQ(without.counts.devices.Name(), "cpu");
}

TEST_F(DeviceWorkers, WithoutAGpuNothingIsReadWhereTheJobInsists) {
  device_executor::memory.has_device = false;
  wire::Welcome welcome;
  wire::TreePlan& plan = *welcome.mutable_plan()->mutable_trees();
  SetColumns(Dense().columns, &plan);
  plan.set_parts(1);
  bool opened = false;
  const OpenPart open = [&](const wire::Plan&, PartWanted) -> absl::StatusOr<std::unique_ptr<PartLoader>> {
    opened = true;
    return absl::CancelledError();
  };
  const auto make = [&](const char* device) {
    plan.set_device(device);
    return TreeWorker::Make({}, welcome, open, 1, MonotonicTime::zero()).status();
  };
  EXPECT_EQ(make("cuda").code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(opened);
  EXPECT_EQ(make("auto").code(), absl::StatusCode::kCancelled);
  EXPECT_TRUE(opened);
}

TEST_F(DeviceWorkers, ThoseWithoutRowsDoNotCount) {
  const Outcome run = GrowOn({.device = "cuda"}, MakeSample({.rows = 1}), Params(4), 1);
  EXPECT_TRUE(run.status.ok()) << run.status;
  EXPECT_EQ(run.counts.devices.on_device, 1);
  EXPECT_EQ(run.counts.devices.Name(), "cuda");
  EXPECT_EQ(run.counts.devices.kinds.size(), 2u);
}

// Of more leaves than the job's trees may have: the device makes room, or says that there is none.
TEST_F(DeviceWorkers, TakeALargeTreeOfOthersOrSayWhyNot) {
  constexpr std::int32_t kNodes = 20'000;
  Tree tree;
  for (std::int32_t n = 0; n < kNodes; ++n) {
    TreeNode node;
    node.bin = 1;
    node.left = ~n;
    node.right = n + 1 < kNodes ? n + 1 : ~kNodes;
    tree.nodes.push_back(node);
  }
  for (std::int32_t n = 0; n <= kNodes; ++n) tree.leaf_value.push_back(static_cast<float>(n));
  const std::size_t limit = device_executor::memory.limit;
  for (const bool fits : {true, false}) {
    device_executor::memory.limit = limit;
    const auto grower = Make(SampleShape(), BoostParams(), "cuda"), processor = Make(SampleShape(), BoostParams(), "cpu");
    ASSERT_TRUE(grower.ok()) << grower.status();
    for (const auto* one : {&grower, &processor}) ASSERT_TRUE((**one)->Start({0.5}, 0).ok());
    if (!fits) device_executor::memory.limit = device_executor::memory.used + (100 << 10);
    const absl::Status added = (*grower)->AddTree(tree, {});
    EXPECT_EQ(added.code(), fits ? absl::StatusCode::kOk : absl::StatusCode::kResourceExhausted) << added;
    if (!fits) continue;
    ASSERT_TRUE((*processor)->AddTree(tree, {}).ok());
    EXPECT_EQ(*(*grower)->MarginsWith(1), *(*processor)->MarginsWith(1));
  }
  device_executor::memory.limit = limit;
}

TEST_F(DeviceWorkers, WhatAGpuCannotDoIsSaidOrRefused) {
  SampleShape categories;
  categories.sparse = true;
  categories.categories = 1;
  const absl::Status refused = Make(categories, BoostParams(), "cuda").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  EXPECT_NE(refused.message().find("Set device: auto or cpu"), std::string::npos) << refused;
  const auto grower = Make(categories, BoostParams(), "auto");
  ASSERT_TRUE(grower.ok()) << grower.status();
  EXPECT_EQ((*grower)->device_bytes(), 0u);
  EXPECT_EQ((*grower)->grows_on(),
            "2 threads of the processor: categories of sparse rows are not grown on a device yet");
  SampleShape nothing;
  nothing.rows = 0;
  EXPECT_EQ((*Make(nothing, BoostParams(), "cuda"))->grows_on(),
            "2 threads of the processor: there are no rows");
  EXPECT_EQ((*Make(SampleShape(), BoostParams(), "cpu"))->grows_on(),
            "2 threads of the processor: device: cpu");
  device_executor::memory.pinned_is_full = true;
  EXPECT_EQ(Make(SampleShape(), BoostParams(), "cuda").status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ((*Make(SampleShape(), BoostParams(), "auto"))->device_bytes(), 0u);
  device_executor::memory.pinned_is_full = false;
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
