// Launches that fail, and memory that loading a kernel takes: which only the device that is executed on
// the host does when told.
#include <cuda_runtime.h>
#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "kernels/batch_learner.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/linear_model.h"
#include "ps/base/key.h"
#include "tests/kernels/random_rows.h"

namespace ps {
namespace {

constexpr std::uint32_t kFirstId = 2;

class FailedLaunch : public testing::Test {
 protected:
  FailedLaunch() : rows_(RandomRows(3, 40, 200, 12)), margins_(40), state_(2 * (kFirstId + 400)) {
    Rows with_ids = rows_;
    for (std::uint32_t& id : with_ids.ids) {
      keys_.push_back(id == kPaddingId ? kEmptyKey : IndexKey(id));
      if (id != kPaddingId) id += kFirstId;
    }
    std::vector<float> state = state_;
    BatchLearner().Learn(lanes_, with_ids.View(true, true), 16, state.data(), margins_.data());
  }
  void TearDown() override {
    launches_.until_failure = -1;
    device_executor::memory.limit = limit_;
  }

  std::unique_ptr<DeviceLinearModel> NewModel() {
    auto model = *DeviceLinearModel::Make();
    EXPECT_TRUE(model->Load(lanes_, state_.data(), kFirstId).ok());
    EXPECT_TRUE(model->StartKeys(kFirstId).ok());
    return model;
  }
  DeviceWork Work() const {
    DeviceWork work;
    work.rows = rows_.View(true, true);
    work.batch_rows = 16;
    work.keys = keys_.data();
    return work;
  }

  device_executor::Launches& launches_ = device_executor::launches;
  const std::size_t limit_ = device_executor::memory.limit;
  const std::vector<OptimizerParams> lanes_ = std::vector<OptimizerParams>(1);
  const Rows rows_;
  std::vector<Key> keys_;
  std::vector<float> margins_, state_;
};

// Whichever launch of a piece of work it is: the runtime would tell another thread nothing.
TEST_F(FailedLaunch, IsToldByTheThreadThatBeganTheWork) {
  int failed = 0;
  for (;; ++failed) {
    ASSERT_LT(failed, 100);
    const std::unique_ptr<DeviceLinearModel> model = NewModel();
    launches_.until_failure = failed;
    absl::Status begun;
    std::thread([&] { begun = model->Begin(Work()); }).join();
    const bool did_fail = launches_.until_failure < 0;
    launches_.until_failure = -1;
    ASSERT_EQ(begun.ok(), !did_fail) << "launch " << failed;
    ASSERT_EQ(cudaGetLastError(), cudaSuccess);
    if (begun.ok()) {
      const absl::StatusOr<DeviceAnswer> answer = model->End();
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(std::vector<float>(answer->margins.begin(), answer->margins.end()), margins_);
      break;
    }
    EXPECT_TRUE(absl::IsInternal(begun)) << begun;
    EXPECT_EQ(model->under_way(), 0u);
  }
  EXPECT_EQ(failed, 2 + 2 * 3) << "keys, and three batches";
}

TEST_F(FailedLaunch, OfOtherCallsIsTold) {
  KeyBucket known = {};
  known.keys[0] = IndexKey(1), known.ids[0] = 1;
  std::vector<float> state(2 * kFirstId);
  const auto fails = [&](const auto& call) {
    const std::unique_ptr<DeviceLinearModel> model = NewModel();
    launches_.until_failure = 0;
    const absl::Status status = call(model.get());
    EXPECT_LT(launches_.until_failure, 0) << "nothing was launched";
    launches_.until_failure = -1;
    return absl::IsInternal(status);
  };
  EXPECT_TRUE(fails([&](auto* model) { return model->Load(lanes_, state.data(), kFirstId); }));
  EXPECT_TRUE(fails([&](auto* model) { return model->AddKeys({&known, 1}); }));
  EXPECT_TRUE(fails([&](auto* model) { return model->StartKeys(100'000); }));
  EXPECT_TRUE(fails([&](auto* model) { return model->Copy(kFirstId, state.data()); }));
}

TEST_F(FailedLaunch, SaysWhatWasBeingDone) {
  for (const auto& [launch, doing] : {std::pair{0, "finding keys"}, {3, "learning a batch"}}) {
    const std::unique_ptr<DeviceLinearModel> model = NewModel();
    launches_.until_failure = launch;
    EXPECT_EQ(model->Begin(Work()).message(),
              absl::StrCat("device: ", doing, ": too many resources requested for launch"));
  }
}

// What its first launch would load is there before the memory is full.
TEST_F(FailedLaunch, AModelLeavesADeviceThatIsFull) {
  launches_.loaded.clear();
  const std::unique_ptr<DeviceLinearModel> model = NewModel();
  device_executor::memory.limit = device_executor::memory.used;
  std::vector<float> state(2 * kFirstId);
  std::vector<KeyBucket> buckets(model->key_buckets());
  EXPECT_TRUE(model->Copy(kFirstId, state.data()).ok());
  EXPECT_TRUE(model->ReadKeys(0, absl::MakeSpan(buckets)).ok());
  launches_.loaded.clear();
  EXPECT_FALSE(model->Copy(kFirstId, state.data()).ok()) << "loading takes no memory";
  EXPECT_TRUE(absl::IsResourceExhausted(DeviceLinearModel::Make().status()));
}

}  // namespace
}  // namespace ps
