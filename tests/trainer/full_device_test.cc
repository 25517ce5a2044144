// A device whose memory is full in the middle of a job, which only the one that is executed on the host is when told.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "tests/kernels/random_rows.h"
#include "tests/trainer/trained_job.h"
#include "trainer/embedded/batch_steps.h"

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

TEST(FullDevice, StepsGoFromTheDeviceToTheProcessor) {
  auto& memory = device_executor::memory;
  const std::size_t limit = memory.limit;
  const std::vector<OptimizerParams> lanes(1);
  const Rows rows = RandomRows(4, 60, 30, 8);
  std::vector<float> state(2 * 70'000), expected(2 * 70'000), margins(60), expected_margins(60);
  BatchSteps steps(16, *DeviceLinearModel::Make());
  BatchLearner processor;
  for (const std::size_t ids : {31, 31, 70'000, 70'000}) {
    ASSERT_TRUE(steps.Learn(lanes, rows.View(true, true), ids, state.data(), margins.data()).ok());
    EXPECT_EQ(steps.device(), std::string(ids == 31 ? "cuda" : "cpu"));
    processor.Learn(lanes, rows.View(true, true), 16, expected.data(), expected_margins.data());
    EXPECT_EQ(margins, expected_margins);
    memory.limit = memory.used + 1000 * 32;
  }
  memory.limit = limit;
  ASSERT_TRUE(steps.Settle(state.data()).ok());
  EXPECT_EQ(state, expected);
}

TEST(FullDevice, TheProcessorGoesOnToTheSameModel) {
  const std::string yaml = Yaml(WriteWideRows());
  const std::atomic<bool> stop{false};
  Overrides how = {"train.batch_rows=48", "train.threads=1"};
  const Trained processor = Train(yaml, how, stop);
  how.push_back("device=cuda");
  auto& memory = device_executor::memory;
  const std::size_t limit = memory.limit;
  // Room for 65,536 entries, those that are there from the start, and what rows and states are moved in; not for more.
  memory.limit = memory.used + (2 << 20) + (66'000 << 5) + (1 << 20);
  const Trained full = Train(yaml, how, stop);
  memory.limit = 1 << 20;  // too little from the start
  const Trained none = Train(yaml, how, stop);
  memory.limit = limit;
  EXPECT_EQ(full.weights, processor.weights);
  EXPECT_EQ(full.keys, processor.keys);
  EXPECT_EQ(full.result.device, "cpu");
  EXPECT_EQ(none.weights, processor.weights);
  EXPECT_EQ(none.result.device, "cpu");
}

}  // namespace
}  // namespace ps
