// Jobs of trees on a device that is executed on the host: the bytes of the processor's, and full memory.
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include <sstream>

#include "absl/strings/str_cat.h"
#include "tests/trainer/trained_job.h"
#include "trainer/gbdt/gbdt_trainer.h"

namespace ps {
namespace {

struct TrainedTrees {
  JobResult result;
  std::string trees;  // of the bundle
  std::string said;
};

// Of three classes those who have both are the third.
std::string WriteTable(int rows, int classes = 2) {
  const std::string path = TempPath(absl::StrCat("table", classes, ".tsv"));
  std::ofstream out(path);
  std::mt19937 random(3);
  for (int r = 0; r < rows; ++r) {
    const int a = static_cast<int>(random() % 100), b = static_cast<int>(random() % 100);
    const bool one = (a > 40) != (b > 70), two = classes == 3 && a > 40 && b > 70;
    out << (two ? 2 : one ? random() % 8 != 0 : random() % 8 == 0) << '\t' << a << '\t' << b << '\t'
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

std::string YamlOf(const std::string& data) {
  return "data:\n  train: {files: [" + data + "]}\n  format: tsv\n  label: {column: 0}\n" +
         "  split: {by: ratio, valid: 0.25}\ntrain: {early_stopping: {patience: 3}}\n" +
         "model: {type: gbdt, gbdt: {trees: 60, max_leaves: 6, learning_rate: 0.5}}\noutput: {dir: " +
         TempPath("trees") + "}\n";
}

TrainedTrees TrainTrees(const std::string& data, const Overrides& overrides) {
  const absl::StatusOr<PreparedJob> job = PreparedOf(YamlOf(data), overrides);
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

std::string Dir(const char* key, const std::string& name) { return absl::StrCat(key, "=", TempPath(name)); }

// On either, from what either has made.
TEST(DeviceTrees, BeginWithModels) {
  const std::string data = WriteTable(2000);
  const std::atomic<bool> stop{false};
  Train("data:\n  train: {files: [" + data + "]}\n  format: tsv\n  label: {column: 0}\noutput: {dir: " +
            TempPath("linear") + "}\n",
        {"device=cpu"}, stop);
  TrainTrees(data, {"device=cuda", "model.gbdt.trees=4", Dir("output.dir", "first")});
  for (const std::string& start : {Dir("model.warm_start", "first"), Dir("model.gbdt.base_model", "linear")}) {
    const TrainedTrees processor = TrainTrees(data, {"device=cpu", start, "model.gbdt.trees=5"}),
                       device = TrainTrees(data, {"device=cuda", start, "model.gbdt.trees=5"});
    EXPECT_EQ(device.result.device, "cuda") << start;
    EXPECT_FALSE(processor.trees.empty());
    EXPECT_EQ(device.trees, processor.trees) << start;
    EXPECT_EQ(device.result.train.logloss, processor.result.train.logloss);
    EXPECT_EQ(device.result.valid->logloss, processor.result.valid->logloss);
  }
  EXPECT_EQ(device_executor::memory.used, 0u);
}

TEST(DeviceTrees, OfSeveralClassesAndOfDirections) {
  const std::string softmax = "model.gbdt.objective=softmax";
  const std::vector<std::pair<std::string, Overrides>> jobs = {
      {WriteTable(2500, 3), {softmax}},
      {WriteTable(2500), {"model.gbdt.monotone={increasing: [1], decreasing: [2]}", "model.gbdt.trees=8"}}};
  for (const auto& [data, job] : jobs) {
    SCOPED_TRACE(job[0]);
    Overrides on_processor = job, on_device = job;
    on_processor.push_back("device=cpu");
    on_device.push_back("device=cuda");
    const TrainedTrees processor = TrainTrees(data, on_processor), device = TrainTrees(data, on_device);
    EXPECT_EQ(device.result.device, "cuda");
    EXPECT_FALSE(processor.trees.empty());
    EXPECT_EQ(device.trees, processor.trees);
    EXPECT_EQ(device.result.trees->grown, processor.result.trees->grown);
    if (job[0] != softmax) {
      EXPECT_EQ(device.result.valid->logloss, processor.result.valid->logloss);
      EXPECT_NE(processor.trees, TrainTrees(data, {"device=cpu", "model.gbdt.trees=8"}).trees);
      continue;
    }
    EXPECT_LT(processor.result.trees->grown, 3 * 60) << "early stopping had nothing to do";
    EXPECT_EQ(device.result.trees->classes->valid->logloss, processor.result.trees->classes->valid->logloss);
    EXPECT_EQ(device.result.trees->classes->train.confusion, processor.result.trees->classes->train.confusion);
  }
}

TEST(DeviceTrees, GoOnAfterACheckpoint) {
  const std::string data = WriteTable(2000);
  const TrainedTrees at_once = TrainTrees(data, {"device=cpu", "model.gbdt.trees=8"});
  int number = 0;
  for (const char* first : {"device=cpu", "device=cuda"}) {
    const std::string checkpoint = Dir("checkpoint.dir", absl::StrCat("checkpoint", number++));
    TrainTrees(data, {first, checkpoint, "model.gbdt.trees=3"});
    const TrainedTrees gone_on = TrainTrees(data, {"device=cuda", checkpoint, "model.gbdt.trees=8"});
    EXPECT_NE(gone_on.said.find("going on after 3 trees of an earlier run"), std::string::npos) << gone_on.said;
    EXPECT_NE(gone_on.said.find("trees grow on executor on the host"), std::string::npos) << gone_on.said;
    EXPECT_EQ(gone_on.result.device, "cuda");
    EXPECT_EQ(gone_on.trees, at_once.trees);
    EXPECT_EQ(gone_on.result.train.logloss, at_once.result.train.logloss);
    EXPECT_EQ(gone_on.result.valid->logloss, at_once.result.valid->logloss);
  }
}

// Whatever memory is missing, for rows or for the trees to go on after, the processor goes on with auto.
TEST(DeviceTrees, AreTheProcessorsWhereTheDeviceHasNoRoomToGoOn) {
  const std::string data = WriteTable(2000), checkpoint = Dir("checkpoint.dir", "tight");
  const TrainedTrees at_once = TrainTrees(data, {"device=cpu", "model.gbdt.trees=5"});
  TrainTrees(data, {"device=cpu", checkpoint, "model.gbdt.trees=3"});
  auto& memory = device_executor::memory;
  const std::size_t limit = memory.limit;
  // The last bytes that are missing are those of the trees.
  std::size_t too_little = 0, enough = std::size_t{4} << 20;
  std::string said;
  while (enough - too_little > 64) {
    memory.limit = (too_little + enough) / 2;
    const TrainedTrees tight = TrainTrees(data, {"device=auto", checkpoint, "model.gbdt.trees=5"});
    EXPECT_EQ(tight.trees, at_once.trees) << memory.limit;
    EXPECT_EQ(memory.used, 0u);
    const bool fits = tight.result.device == "cuda";
    (fits ? enough : too_little) = memory.limit;
    if (!fits) said = tight.said;
  }
  memory.limit = limit;
  EXPECT_LT(enough, std::size_t{4} << 20);
  EXPECT_NE(said.find("KiB for a tree"), std::string::npos) << said;
}

// Of a device that is there: the processor goes on neither by itself nor by being asked for.
TEST(DeviceTrees, AFaultBeforeTheFirstTreeIsAnErrorWithAutoToo) {
  const std::string data = WriteTable(1000), checkpoint = Dir("checkpoint.dir", "faulty");
  TrainTrees(data, {"device=cpu", checkpoint, "model.gbdt.trees=2"});
  for (const char* device : {"device=auto", "device=cuda"}) {
    const auto job = PreparedOf(YamlOf(data), {device, checkpoint, "model.gbdt.trees=4"});
    ASSERT_TRUE(job.ok()) << job.status();
    const std::atomic<bool> stop{false};
    ProgressReporter reporter(Nowhere(), {});
    device_executor::launches.until_failure = 0;
    const absl::Status failed = GbdtTrainer(&*job, std::nullopt, &reporter, &stop).Train().status();
    EXPECT_LT(device_executor::launches.until_failure, 0);
    device_executor::launches.until_failure = -1;
    EXPECT_EQ(failed.code(), absl::StatusCode::kInternal) << failed;
    EXPECT_EQ(failed.message().find("cannot be had"), std::string::npos) << failed;
  }
}

TEST(DeviceTrees, OfJobsThatAreTheProcessorsAreRefusedBeforeRowsAreRead) {
  const std::string data = WriteTable(300);
  TrainTrees(data, {"device=cpu", "model.gbdt.trees=2", Dir("output.dir", "again")});
  const std::vector<Overrides> jobs = {
      {"tune={trainings: 3}"}, {Dir("model.warm_start", "again"), "model.gbdt.refit={decay: 0.5}"}};
  for (Overrides job : jobs) {
    SCOPED_TRACE(job[0]);
    job.push_back("device=cuda");
    const auto prepared = PreparedOf(
        "data: {train: {files: [" + data + "]}, format: tsv, label: {column: 0}, split: {by: ratio, valid: 0.25}}\n" +
            "model: {type: gbdt}\noutput: {dir: " + TempPath("refused") + "}\n",
        job);
    ASSERT_TRUE(prepared.ok()) << prepared.status();
    const std::atomic<bool> stop{false};
    ProgressReporter reporter(Nowhere(), {});
    GbdtTrainer trainer(&*prepared, std::nullopt, &reporter, &stop);
    const absl::Status checked = trainer.Check();
    EXPECT_EQ(checked.code(), absl::StatusCode::kResourceExhausted) << checked;
    EXPECT_NE(checked.message().find("on the processor. Set device: auto or cpu"), std::string::npos) << checked;
    EXPECT_EQ(GbdtTrainer(&*prepared, std::nullopt, &reporter, &stop).Train().status(), checked);
  }
}

}  // namespace
}  // namespace ps
