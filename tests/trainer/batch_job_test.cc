// Jobs that learn in batches: on a device they end with the bytes of the processor. Built twice: with the kernels
// executed on the host, and for a real device, without which it skips.
#include <gtest/gtest.h>

#include "kernels/cuda/device.h"
#include "tests/trainer/trained_job.h"

namespace ps {
namespace {

class BatchJobTest : public testing::Test {
 protected:
  void SetUp() override {
    const absl::StatusOr<DeviceInfo> device = FindDevice();
    if (!device.ok()) GTEST_SKIP() << device.status().message();
  }
};

void ExpectSameBytes(Overrides how, int rows = 3'000) {
  const std::string yaml = Yaml(WriteRows(rows));
  const std::atomic<bool> stop{false};
  how.push_back("train.batch_rows=48");
  const Trained processor = Train(yaml, how, stop);
  how.push_back("device=cuda");
  const Trained device = Train(yaml, how, stop);
  EXPECT_EQ(processor.result.device, "cpu");
  EXPECT_EQ(device.result.device, "cuda");
  EXPECT_EQ(device.keys, processor.keys);
  EXPECT_EQ(device.weights, processor.weights);
  EXPECT_EQ(device.result.features, processor.result.features);
  EXPECT_EQ(device.result.rows_learnt, processor.result.rows_learnt);
  EXPECT_EQ(device.result.test.has_value(), processor.result.test.has_value());
  if (device.result.test) {
    EXPECT_EQ(device.result.test->logloss, processor.result.test->logloss);
  }
  EXPECT_EQ(device.result.valid->logloss, processor.result.valid->logloss);
  EXPECT_EQ(device.result.train.logloss, processor.result.train.logloss);
  EXPECT_GT(device.result.valid->auc, 0.75);
}

TEST_F(BatchJobTest, OnePass) { ExpectSameBytes({}); }

TEST_F(BatchJobTest, SeveralPassesAndAnEarlyStop) {
  ExpectSameBytes({"train.passes=4", "train.early_stopping={patience: 1}"});
}

TEST_F(BatchJobTest, OtherOptimisersAndAdmission) {
  ExpectSameBytes({"model.optimizer={type: adagrad, alpha: 0.2}", "model.min_count=2"});
}

// Blocks that are learnt while others are logged and copied, whichever thread has parsed them.
TEST_F(BatchJobTest, ManyBlocks) {
  ExpectSameBytes({"train.threads=3", "data.split={by: ratio, valid: 0.1, test: 0.1}"}, 25'000);
  ExpectSameBytes({"train.threads=2", "train.passes=2", "model.bias=false"}, 12'000);
}

TEST_F(BatchJobTest, HeldOutRowsFromFiles) {
  const std::string other = WriteRows(1'000);
  ExpectSameBytes({"data.split={}", "data.valid={files: [" + other + "]}", "data.test={files: [" + other + "]}"});
}

TEST_F(BatchJobTest, LanesOfTuning) {
  ExpectSameBytes({"model.optimizer={}", "model.tune=auto", "model.tune_all_rows=false"});
}

// The optimum over all rows may be tried in the end, so keys are found on the processor.
TEST_F(BatchJobTest, LanesOfTuningOverPasses) {
  ExpectSameBytes({"model.optimizer={}", "model.tune=auto", "model.tune_all_rows=false", "train.passes=2"}, 1'500);
}

TEST_F(BatchJobTest, AModelToStartFrom) {
  const std::atomic<bool> stop{false};
  Train(Yaml(WriteRows(3'000)), {"output.dir=" + TempPath("start")}, stop);
  ExpectSameBytes({"model.warm_start=" + TempPath("start")});
}

}  // namespace
}  // namespace ps
