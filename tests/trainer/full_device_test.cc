// A device whose memory is full in the middle of a job, which only the one that is executed on the host is when told.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "tests/trainer/trained_job.h"

namespace ps {
namespace {

// A feature of its own at each place, a hundred thousand of them.
std::string WriteWideRows() {
  const std::string path = TempPath("wide.svm");
  std::ofstream out(path);
  for (int row = 0; row < 400; ++row) {
    out << row % 2;
    for (int i = 0; i < 250; ++i) out << ' ' << 1 + 250 * row + i << ":1";
    out << " 200001:" << row % 2 << "\n";
  }
  return path;
}

class FullDevice : public testing::Test {
 protected:
  void TearDown() override {
    memory_.limit = limit_;
    memory_.pinned_is_full = false;
  }
  device_executor::Memory& memory_ = device_executor::memory;
  const std::size_t limit_ = memory_.limit;
  const std::atomic<bool> stop_{false};
};

// Wherever it ends: from the start, at the table of keys, at a block while others are under way.
TEST_F(FullDevice, TheProcessorGoesOnToTheSameModel) {
  const std::string yaml = Yaml(WriteWideRows());
  for (const Overrides& more : {Overrides{"train.threads=1"}, {"train.threads=3", "train.passes=2"}}) {
    Overrides how = more;
    how.push_back("train.batch_rows=48");
    const Trained processor = Train(yaml, how, stop_);
    how.push_back("device=cuda");
    int full = 0;
    for (std::size_t room = 0;; room += 1280 << 10, ++full) {
      SCOPED_TRACE(testing::Message() << (room >> 10) << " KiB, threads and passes " << how.size());
      memory_.limit = memory_.used + room;
      const Trained trained = Train(yaml, how, stop_);
      EXPECT_EQ(trained.weights, processor.weights);
      EXPECT_EQ(trained.keys, processor.keys);
      EXPECT_EQ(trained.result.features, processor.result.features);
      EXPECT_EQ(trained.result.train.logloss, processor.result.train.logloss);
      EXPECT_EQ(trained.result.valid->logloss, processor.result.valid->logloss);
      EXPECT_EQ(memory_.used, memory_.limit - room) << "memory of the device that is not given back";
      if (trained.result.device == "cuda") break;
      ASSERT_LT(full, 100);
    }
    EXPECT_GT(full, 5);
  }
}

TEST_F(FullDevice, NoPinnedMemory) {
  const std::string yaml = Yaml(WriteRows(3'000));
  const Trained processor = Train(yaml, {"train.batch_rows=48"}, stop_);
  memory_.pinned_is_full = true;
  const Trained trained = Train(yaml, {"train.batch_rows=48", "device=cuda"}, stop_);
  EXPECT_EQ(trained.result.device, "cpu");
  EXPECT_EQ(trained.weights, processor.weights);
}

// Sixteen lanes of 65,536 features, and what they are moved in, take 60 MiB: in the middle of the rows there are more.
TEST_F(FullDevice, InARaceOfLanes) {
  const std::string yaml = Yaml(WriteWideRows());
  Overrides how = {"model.optimizer={}", "model.tune=auto", "model.tune_all_rows=false", "train.batch_rows=256"};
  const Trained processor = Train(yaml, how, stop_);
  how.push_back("device=cuda");
  memory_.limit = memory_.used + (64 << 20);
  const Trained trained = Train(yaml, how, stop_);
  EXPECT_EQ(trained.result.device, "cpu");
  EXPECT_EQ(trained.weights, processor.weights);
  EXPECT_EQ(trained.result.tuning->trace_json, processor.result.tuning->trace_json);
}

}  // namespace
}  // namespace ps
