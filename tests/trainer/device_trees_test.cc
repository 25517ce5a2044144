// Jobs of trees on a device that is executed on the host: the bytes of the processor's, and full memory.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <sstream>

#include "tests/trainer/trained_job.h"
#include "trainer/gbdt/gbdt_trainer.h"

namespace ps {
namespace {

struct TrainedTrees {
  JobResult result;
  std::string trees;  // of the bundle
  std::string said;
};

std::string WriteTable(int rows) {
  const std::string path = TempPath("table.tsv");
  std::ofstream out(path);
  std::mt19937 random(3);
  for (int r = 0; r < rows; ++r) {
    const int a = static_cast<int>(random() % 100), b = static_cast<int>(random() % 100);
    out << ((a > 40) != (b > 70) ? random() % 8 != 0 : random() % 8 == 0) << '\t' << a << '\t' << b << '\t'
        << (random() % 3 == 0 ? "" : std::to_string(random() % 1000)) << '\n';
  }
  return path;
}

std::string ReadAll(std::FILE* file) {
  std::string text;
  std::rewind(file);
  for (int c = std::fgetc(file); c != EOF; c = std::fgetc(file)) text.push_back(static_cast<char>(c));
  return text;
}

TrainedTrees TrainTrees(const std::string& data, const Overrides& overrides) {
  const std::string yaml = "data:\n  train: {files: [" + data + "]}\n  format: tsv\n  label: {column: 0}\n" +
                           "  split: {by: ratio, valid: 0.25}\ntrain: {early_stopping: {patience: 3}}\n" +
                           "model: {type: gbdt, gbdt: {trees: 60, max_leaves: 6, learning_rate: 0.5}}\noutput: {dir: " +
                           TempPath("trees") + "}\n";
  const absl::StatusOr<PreparedJob> job = PreparedOf(yaml, overrides);
  EXPECT_TRUE(job.ok()) << job.status();
  std::FILE* const log = std::tmpfile();
  TrainedTrees trained;
  {
    const std::atomic<bool> stop{false};
    ProgressReporter reporter(log, {});
    GbdtTrainer trainer(&*job, std::nullopt, &reporter, &stop);
    trained.result = TrainAndWrite(*job, &trainer);
  }
  std::ostringstream trees;
  trees << std::ifstream(job->config.output.dir + "/trees.pb", std::ios::binary).rdbuf();
  trained.trees = trees.str();
  trained.said = ReadAll(log);
  std::fclose(log);
  return trained;
}

TEST(DeviceTrees, OfAWholeJobAreThoseOfTheProcessor) {
  const std::string data = WriteTable(3000);
  const TrainedTrees processor = TrainTrees(data, {"device=cpu"}), device = TrainTrees(data, {"device=cuda"});
  EXPECT_EQ(device.result.device, "cuda");
  EXPECT_FALSE(processor.trees.empty());
  EXPECT_EQ(device.trees, processor.trees);
  // Early stopping saw the same losses.
  ASSERT_LT(processor.result.trees->grown, 60);
  EXPECT_GT(processor.result.trees->grown, processor.result.trees->trees);
  EXPECT_EQ(device.result.trees->grown, processor.result.trees->grown);
  EXPECT_EQ(device.result.valid->logloss, processor.result.valid->logloss);
  EXPECT_EQ(device_executor::memory.used, 0u);
  // What was kept of the best tree is what all trees up to it make.
  const std::string best = "model.gbdt.trees=" + std::to_string(processor.result.trees->trees);
  for (const char* on : {"device=cpu", "device=cuda"}) {
    const TrainedTrees at_once = TrainTrees(data, {on, best});
    EXPECT_EQ(at_once.trees, processor.trees);
    EXPECT_EQ(at_once.result.valid->logloss, processor.result.valid->logloss);
    EXPECT_EQ(at_once.result.valid->auc, processor.result.valid->auc);
  }
}

TEST(DeviceTrees, ValidationRowsThatDoNotFitAreTheProcessors) {
  const std::string data = WriteTable(30000);
  const TrainedTrees processor = TrainTrees(data, {"device=cpu", "model.gbdt.trees=4"});
  auto& memory = device_executor::memory;
  const std::size_t limit = memory.limit;
  bool fell_back = false;
  // From what is too little for the trees to what is enough for all.
  for (std::size_t room = 0; room < (std::size_t{4} << 20) && !fell_back; room += 50'000) {
    memory.limit = room;
    const TrainedTrees tight = TrainTrees(data, {"device=auto", "model.gbdt.trees=4"});
    EXPECT_EQ(tight.trees, processor.trees);
    EXPECT_EQ(tight.result.valid->logloss, processor.result.valid->logloss);
    fell_back = tight.said.find("validation rows are predicted on the processor: device: no") != std::string::npos;
    if (fell_back) {
      EXPECT_EQ(tight.result.device, "cuda");
    }
  }
  memory.limit = limit;
  EXPECT_TRUE(fell_back);
}

}  // namespace
}  // namespace ps
