// Trees that are tuned, as a user runs it: what is printed, what the bundle holds, what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;

class TreeTuningTest : public testing::Test {
 protected:
  void SetUp() override {
    Rows("train.tsv", 8000, 0);
    Rows("test.tsv", 2000, 8000);
    WriteText(place_ / "job.yaml",
              "data:\n"
              "  train: {files: [train.tsv]}\n"
              "  test: {files: [test.tsv]}\n"
              "  format: tsv\n"
              "  label: {column: 0}\n"
              "  split: {by: ratio, valid: 0.2}\n"
              "model: {type: gbdt, gbdt: {trees: 60, category_smooth: 5}}\n"
              "tune: {trainings: 4}\n");
  }

  void Rows(const std::string& name, int rows, int first) {
    ASSERT_EQ(RunProgram("gbdt_datagen",
                         {"--shape", "dense", "--rows", std::to_string(rows), "--first_row", std::to_string(first),
                          "--out", name},
                         place_.path())
                  .exit_code,
              0);
  }

  Finished Train(const std::vector<std::string>& settings, const std::string& job = "job.yaml") {
    return TrainJob(place_.path(), settings, job);
  }

  const Workplace place_;
};

TEST_F(TreeTuningTest, LeavesAJobFileThatTrainsTheSameModel) {
  const Finished run = Train({});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, AllOf(HasSubstr("tune, round 1: "), HasSubstr(" leads setting "), HasSubstr(" ± ")));
  EXPECT_THAT(run.out, AllOf(HasSubstr("tuned: learning_rate "), HasSubstr("out/tuned_job.yaml")));
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_LE(NumberAt(metrics, "trees_grown"), 240);
  const std::string trees = ReadText(place_ / "out/trees.pb"), trace = ReadText(place_ / "out/tuning.json");
  const std::optional<JsonValue> json = JsonReader::Read(trace);
  ASSERT_TRUE(json.has_value()) << trace;
  EXPECT_GE(json->members.at("rounds").items.size(), 3u);

  // The job file of the winner says all that the job said, and nothing of tuning.
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  EXPECT_THAT(ReadText(place_ / "tuned.yaml"),
              AllOf(HasSubstr("category_smooth: 5"), testing::Not(HasSubstr("tune"))));
  ASSERT_EQ(Train({"output.dir=again"}, "tuned.yaml").exit_code, 0);
  EXPECT_TRUE(ReadText(place_ / "again/trees.pb") == trees);
  const JsonValue again = MetricsOf(place_ / "again");
  for (const char* number : {"test.logloss", "valid.logloss", "train.auc", "trees"})
    EXPECT_EQ(NumberAt(again, number), NumberAt(metrics, number)) << number;
  EXPECT_FALSE(std::filesystem::exists(place_ / "again/tuning.json"));

  // Not worse than what it began with, but for the noise of its validation rows.
  WriteText(place_ / "plain.yaml", ReadText(place_ / "tuned.yaml"));
  ASSERT_EQ(Train({"model.gbdt={trees: 60}", "train={early_stopping: {patience: 6}}", "output.dir=plain"}, "plain.yaml")
                .exit_code,
            0);
  EXPECT_LE(NumberAt(metrics, "valid.logloss"), 1.01 * NumberAt(MetricsOf(place_ / "plain"), "valid.logloss"));
}

TEST_F(TreeTuningTest, DecidesTheSameForAnyThreadsAndWhateverTheTestRows) {
  ASSERT_EQ(Train({"train.threads=1"}).exit_code, 0);
  const std::string trees = ReadText(place_ / "out/trees.pb"), trace = ReadText(place_ / "out/tuning.json");
  Rows("other.tsv", 500, 20000);
  for (const char* other : {"train.threads=5", "data.test.files=[other.tsv]"}) {
    ASSERT_EQ(Train({other}).exit_code, 0);
    EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees) << other;
    EXPECT_EQ(ReadText(place_ / "out/tuning.json"), trace) << other;
  }
  ASSERT_EQ(Train({"train.seed=2"}).exit_code, 0);
  EXPECT_NE(ReadText(place_ / "out/tuning.json"), trace);
}

TEST_F(TreeTuningTest, ABudgetOfTimeEnds) {
  const Finished run = Train({"tune={budget: 1s}", "model.gbdt.trees=100000"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  EXPECT_THAT(run.err, HasSubstr("tune.budget: time for about "));
  EXPECT_GT(NumberAt(MetricsOf(place_ / "out"), "trees"), 0);
}

TEST_F(TreeTuningTest, AStoppedJobLeavesTheBestSoFar) {
  Program run("ps_train",
              {"--config", "job.yaml", "--set", "tune.trainings=60", "--set", "model.gbdt.trees=200"},
              place_.path());
  ASSERT_TRUE(run.WaitForError("tune, round 1"));
  run.Signal(SIGTERM);
  const Finished finished = run.Wait();
  EXPECT_EQ(finished.exit_code, 143) << finished.err;
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  ASSERT_EQ(Train({"output.dir=again"}, "tuned.yaml").exit_code, 0);
  EXPECT_TRUE(ReadText(place_ / "again/trees.pb") == ReadText(place_ / "out/trees.pb"));
}

TEST_F(TreeTuningTest, NumbersAndSparseRows) {
  ASSERT_EQ(Train({"model.gbdt.objective=squared"}).exit_code, 0);
  EXPECT_LT(NumberAt(MetricsOf(place_ / "out"), "valid.rmse"), 0.5);
  Generate(place_.path(), "train.svm", "libsvm", 1000);
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}, split: {by: ratio, valid: 0.2}}\n"
            "model: {type: gbdt, gbdt: {trees: 20}}\ntune: {trainings: 3}\n");
  EXPECT_EQ(Train({}, "sparse.yaml").exit_code, 0);
}

TEST_F(TreeTuningTest, WhatItDoesNotDoIsRefused) {
  const Finished cluster =
      RunProgram("ps_train", {"--config", "job.yaml", "--local", "1x1"}, place_.path());
  EXPECT_EQ(cluster.exit_code, 2);
  EXPECT_THAT(cluster.err, HasSubstr("remove --local"));
  const Finished none = Train({"data.split={}", "data.valid.files=[empty.tsv]"});
  EXPECT_NE(none.exit_code, 0);
  WriteText(place_ / "empty.tsv", "");
  const Finished empty = Train({"data.split={}", "data.valid.files=[empty.tsv]"});
  EXPECT_EQ(empty.exit_code, 3);
  EXPECT_THAT(empty.err, HasSubstr("empty.tsv has no rows"));
}

}  // namespace
}  // namespace ps
