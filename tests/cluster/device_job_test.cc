// Workers that have a GPU, beside workers that have none, learn the bytes of workers without: in steps, and
// whatever of the GPU fails. With kernels executed on the host.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <memory>
#include <random>
#include <utility>
#include <vector>

#include "glog/logging.h"
#include "kernels/cuda/sort_kernels.h"
#include "tests/cluster/random_block.h"
#include "tests/cluster/simulated_cluster.h"
#include "worker/gradient_maker.h"

namespace ps {
namespace {

class DeviceJob : public testing::Test {
 protected:
  DeviceJob() { FLAGS_minloglevel = 4; }
  ~DeviceJob() override {
    EXPECT_EQ(device_executor::memory.used, 0u);
    device_executor::memory = {};
    device_executor::launches.until_failure = -1;
  }

  static SimulatedJob Job(std::uint64_t seed, const char* device) {
    SimulatedJob job;
    job.seed = seed;
    job.shards = 2;
    job.workers = 3;
    job.passes = 2;
    job.batch_rows = 16;
    job.count = false;
    job.device = device;
    return job;
  }
  static void ExpectSameModel(const SimulatedResult& a, const SimulatedResult& b) {
    ASSERT_TRUE(a.status.ok()) << a.status;
    ASSERT_TRUE(b.status.ok()) << b.status;
    ASSERT_FALSE(a.keys.empty());
    ASSERT_EQ(a.keys, b.keys);
    ASSERT_EQ(a.weights, b.weights);
    ASSERT_EQ(a.rows_told, b.rows_told);
  }

  const MadeData data_ = MadeData::Make(3, 9, 90, 400);
};

std::vector<OptimizerParams> FourLanes() {
  std::vector<OptimizerParams> lanes(4);
  for (std::size_t k = 0; k < lanes.size(); ++k) lanes[k].alpha = 0.05f * static_cast<float>(k + 1);
  return lanes;
}

TEST_F(DeviceJob, LearnsTheBytesOfTheProcessor) {
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    SimulatedJob job = Job(seed, "cuda");
    job.min_count = seed % 2 == 0 ? 3 : 1;
    if (seed % 3 == 0) job.settings = FourLanes();
    const SimulatedResult on_device = RunSimulatedJob(job, data_);
    job.device = "cpu";
    job.workers = 1 + static_cast<int>(seed % 2);
    const SimulatedResult processor = RunSimulatedJob(job, data_);
    ExpectSameModel(on_device, processor);
    ASSERT_EQ(on_device.devices.size(), 1u);
    EXPECT_EQ(on_device.devices[0].Name(), "cuda");
    EXPECT_EQ(on_device.devices[0].Text(), "3 workers on executor on the host");
    ASSERT_EQ(processor.devices.size(), 1u);
    EXPECT_EQ(processor.devices[0].Name(), "cpu");
  }
}

TEST_F(DeviceJob, IsTheSameWhenWorkersAndMessagesAreLost) {
  const SimulatedResult quiet = RunSimulatedJob(Job(1, "cpu"), data_);
  for (std::uint64_t seed = 1; seed <= 4; ++seed) {
    SCOPED_TRACE(seed);
    SimulatedJob job = Job(seed, "cuda");
    job.kills = 2;
    job.faults = {.drop = 0.02, .duplicate = 0.02};
    ExpectSameModel(RunSimulatedJob(job, data_), quiet);
  }
}

// Memory for some of what workers want, from hardly any on: those that lack it go over to the processor, at
// once or when a batch does not fit, and what is on its way on the device ends there.
TEST_F(DeviceJob, MixesWorkersWhoseDeviceIsFull) {
  const SimulatedResult processor = RunSimulatedJob(Job(1, "cpu"), data_);
  bool mixed = false, changed = false;
  for (std::size_t limit = 8 << 10; limit < (4 << 20); limit += limit / 3) {
    SCOPED_TRACE(limit);
    device_executor::memory.limit = limit;
    device_executor::launches.loaded.clear();
    const SimulatedResult full = RunSimulatedJob(Job(2, "cuda"), data_);
    ExpectSameModel(full, processor);
    ASSERT_FALSE(full.devices.empty());
    mixed |= full.devices.back().Name() == WorkerDevices::kSome;
    changed |= full.devices.size() > 1;
  }
  EXPECT_TRUE(mixed);
  EXPECT_TRUE(changed);
}

TEST_F(DeviceJob, AWorkerWhoseDeviceFailsEndsAndOthersGoOn) {
  const SimulatedResult processor = RunSimulatedJob(Job(1, "cpu"), data_);
  for (const int launch : {0, 3, 17, 20, 60, 333}) {
    SCOPED_TRACE(launch);
    device_executor::launches.until_failure = launch;
    const SimulatedResult failed = RunSimulatedJob(Job(3, "cuda"), data_);
    EXPECT_LT(device_executor::launches.until_failure, 0) << "none has failed";
    ExpectSameModel(failed, processor);
    ASSERT_EQ(failed.worker_errors.size(), 1u);
    EXPECT_EQ(failed.worker_errors[0].code(), absl::StatusCode::kInternal) << failed.worker_errors[0];
    ASSERT_FALSE(failed.devices.empty());
    EXPECT_EQ(failed.devices.back().Text(), "2 workers on executor on the host");
  }
}

// Its processes are started again and again, and none has a GPU.
TEST_F(DeviceJob, GoesOnWhenTheDeviceOfAWorkerIsGone) {
  constexpr std::uint32_t kPasses = 12;  // long enough for some to be started
  SimulatedJob of_processor = Job(1, "cpu");
  of_processor.passes = kPasses;
  const SimulatedResult processor = RunSimulatedJob(of_processor, data_);
  for (const int launch : {3, 60}) {
    SCOPED_TRACE(launch);
    device_executor::launches.until_failure = launch;
    device_executor::memory.asks_left = 3;
    SimulatedJob job = Job(3, "cuda");
    job.passes = kPasses;
    job.replaces_ended = true;
    const SimulatedResult gone = RunSimulatedJob(job, data_);
    ExpectSameModel(gone, processor);
    ASSERT_GE(gone.worker_errors.size(), 2u) << "none was started in its place";
    EXPECT_EQ(gone.worker_errors[0].code(), absl::StatusCode::kInternal) << gone.worker_errors[0];
    for (std::size_t i = 1; i < gone.worker_errors.size(); ++i)
      EXPECT_EQ(gone.worker_errors[i].code(), absl::StatusCode::kResourceExhausted) << gone.worker_errors[i];
  }
}

TEST_F(DeviceJob, EndsWithTheReasonWhenNoDeviceIsLeft) {
  device_executor::launches.until_failure = 60;
  device_executor::memory.asks_left = 1;
  SimulatedJob job = Job(3, "cuda");
  job.workers = 1;
  job.replaces_ended = true;
  const SimulatedResult gone = RunSimulatedJob(job, data_);
  EXPECT_EQ(gone.status.code(), absl::StatusCode::kResourceExhausted) << gone.status;
  EXPECT_NE(gone.status.message().find("no worker has been alive for 300 s: worker "), std::string::npos) << gone.status;
  EXPECT_NE(gone.status.message().find("CUDA finds no NVIDIA GPU"), std::string::npos) << gone.status;
  EXPECT_LT(gone.ended, std::chrono::seconds(310));
}

// The others have theirs, and wait.
TEST_F(DeviceJob, WithoutADeviceForEveryWorkerItFailsBeforeRowsAreRead) {
  for (int have = 0; have < 3; ++have) {
    for (std::uint64_t seed = 1; seed <= 5; ++seed) {
      device_executor::memory.asks_left = have;
      const SimulatedResult none = RunSimulatedJob(Job(seed, "cuda"), data_);
      EXPECT_EQ(none.status.code(), absl::StatusCode::kResourceExhausted) << none.status;
      EXPECT_FALSE(none.started);
      EXPECT_EQ(none.rows_told, 0u);
    }
  }
}

TEST_F(DeviceJob, WithoutADeviceItFailsBeforeRowsAreRead) {
  device_executor::memory.has_device = false;
  SimulatedJob job = Job(1, "cuda");
  job.unreadable_chunk = 0;  // which would be told otherwise
  const SimulatedResult none = RunSimulatedJob(job, data_);
  EXPECT_EQ(none.status.code(), absl::StatusCode::kResourceExhausted) << none.status;
  EXPECT_NE(none.status.message().find("device: cuda cannot be had: CUDA finds no NVIDIA GPU"),
            std::string::npos)
      << none.status;
  for (const char* device : {"auto", "cpu", ""}) EXPECT_TRUE(RunSimulatedJob(Job(1, device), data_).status.ok());
}

TEST(SortTiles, CoverArraysOfEverySize) {
  for (std::uint64_t size = 1; size < std::uint64_t{1} << 32; size += 1 + size / 3) {
    const SortTiles tiles = SortTiles::Of(size);
    const std::uint64_t of_tile = std::uint64_t{tiles.of_warp} * SortTiles::kWarps;
    ASSERT_EQ(tiles.of_warp % 32, 0u);
    ASSERT_LE(tiles.count, SortTiles::kMost);
    ASSERT_GE(tiles.count * of_tile, size);
    ASSERT_LT((tiles.count - 1) * of_tile, size);
  }
}

// What a batch is given to spare it does not need: where that is what does not fit, the exact size is tried.
TEST_F(DeviceJob, ABatchThatJustFitsStaysOnTheDevice) {
  std::mt19937_64 random(7);
  const RowBlock block = RandomBlock(random, 200, 3000, false, true, false, 40);
  const auto needs = [&](std::size_t limit, bool* fits) {
    device_executor::memory = {};
    device_executor::memory.limit = limit;
    const auto maker = *GradientMaker::Make("cuda", std::make_unique<LogisticModel>());
    Batch batch;
    EXPECT_TRUE(maker->Build(block, {0, block.rows()}, true, 1, &batch, nullptr).ok());
    *fits = maker->on_device();
    return device_executor::memory.used;
  };
  bool fits = false;
  const std::size_t spared = needs(1 << 30, &fits);
  ASSERT_TRUE(fits);
  EXPECT_LT(needs(spared - 1, &fits), spared);
  EXPECT_TRUE(fits);
}

// Whatever of its memory is the first that is not there, of a batch beside others that are on their way.
TEST_F(DeviceJob, BatchesOnTheirWayEndWhereTheyWereBuilt) {
  std::mt19937_64 random(5);
  const RowBlock small = RandomBlock(random, 40, 300, false, true, false, 12),
                 large = RandomBlock(random, 150, 1500, false, true, false, 30);
  const auto processor = *GradientMaker::Make("cpu", std::make_unique<LogisticModel>());
  const auto learn = [](GradientMaker& maker, Batch* batch) {
    for (std::size_t i = 0; i < batch->keys.size(); ++i)
      batch->weight[batch->id_at[i]] = static_cast<float>(batch->keys[i] % 100) / 50 - 1;
    std::vector<float> margins;
    EXPECT_TRUE(maker.Compute(batch, &margins).ok());
    for (const std::uint32_t id : batch->id_at) margins.push_back(batch->gradient[id]);
    return margins;
  };
  const auto expected = [&](const RowBlock& block) {
    Batch batch;
    EXPECT_TRUE(processor->Build(block, {0, block.rows()}, true, 1, &batch, nullptr).ok());
    return learn(*processor, &batch);
  };
  const std::vector<float> of_small = expected(small), of_large = expected(large);
  int left = 0, stayed = 0;
  for (std::size_t more = 0; more < (1 << 20); more += 1000 + more / 4) {
    device_executor::memory = {};
    const auto maker = *GradientMaker::Make("cuda", std::make_unique<LogisticModel>());
    Batch first, second, third;
    ASSERT_TRUE(maker->Build(small, {0, small.rows()}, true, 1, &first, nullptr).ok());
    device_executor::memory.limit = device_executor::memory.used + more;
    device_executor::memory.pinned_is_full = more == 0;
    ASSERT_TRUE(maker->Build(large, {0, large.rows()}, true, 1, &second, nullptr).ok());
    ASSERT_TRUE(maker->Build(small, {0, small.rows()}, true, 1, &third, nullptr).ok());
    ++(maker->on_device() ? stayed : left);
    if (!maker->on_device()) {
      EXPECT_NE(maker->computes_on().find("the processor: device: no "), std::string::npos) << maker->computes_on();
    }
    ASSERT_EQ(learn(*maker, &first), of_small) << more;
    ASSERT_EQ(learn(*maker, &second), of_large) << more;
    ASSERT_EQ(learn(*maker, &third), of_small) << more;
  }
  EXPECT_GT(left, 3);
  EXPECT_GT(stayed, 3);
}

}  // namespace
}  // namespace ps
