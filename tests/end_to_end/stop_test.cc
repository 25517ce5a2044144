// SIGTERM in the middle: what was learnt is kept, marked, and of use.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

class StopTest : public testing::TestWithParam<std::vector<std::string>> {
 protected:
  void SetUp() override {
    Generate(place_.path(), "train.svm", "libsvm", 20000);
    Generate(place_.path(), "test.svm", "libsvm", 10000, 20000);
    WriteText(place_ / "job.yaml",
              "data:\n"
              "  train: {files: [train.svm]}\n"
              "  test: {files: [test.svm]}\n"
              "model:\n"
              "  optimizer: {type: ftrl, alpha: 0.05, l1: 2, l2: 20}\n"
              "output: {dir: stopped}\n");
  }
  const Workplace place_;
};

TEST_P(StopTest, KeepsWhatWasLearnt) {
  std::vector<std::string> arguments{"--config", "job.yaml", "--set", "train.passes=100000"};
  arguments.insert(arguments.end(), GetParam().begin(), GetParam().end());
  Program run("ps_train", arguments, place_.path());
  // Its first line, which may well be of the first pass.
  ASSERT_TRUE(run.WaitForError("/100000   ")) << run.Wait().err;
  const auto children = run.Children();
  run.Signal(SIGTERM);
  const Finished stopped = run.Wait();
  ASSERT_EQ(stopped.exit_code, 143) << stopped.err;
  EXPECT_TRUE(AllGone(children));
  EXPECT_THAT(stopped.out, testing::HasSubstr("stopped before the end"));

  const JsonValue metrics = MetricsOf(place_ / "stopped");
  EXPECT_FALSE(metrics.members.at("complete").flag);
  EXPECT_EQ(NumberAt(metrics, "rows_read"), NumberAt(metrics, "rows_learnt"));
  EXPECT_GT(NumberAt(metrics, "rows_learnt"), 0);
  const std::optional<JsonValue> manifest =
      JsonReader::Read(ReadText(place_ / "stopped/manifest.json"));
  ASSERT_TRUE(manifest.has_value());
  ASSERT_EQ(manifest->members.count("complete"), 1);
  EXPECT_FALSE(manifest->members.at("complete").flag);

  const Finished eval =
      RunProgram("ps_eval", {"--model", "stopped", "--data", "test.svm"}, place_.path());
  EXPECT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_THAT(eval.out, testing::HasSubstr("training was stopped early"));

  const std::vector<std::string> once{"--config", "job.yaml", "--set"};
  std::vector<std::string> cold = once, warm = once;
  cold.push_back("output.dir=cold");
  warm.insert(warm.end(), {"output.dir=warm", "--set", "model.warm_start=stopped"});
  for (const auto& job : {cold, warm}) {
    const Finished finished = RunProgram("ps_train", job, place_.path());
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
  }
  EXPECT_TRUE(MetricsOf(place_ / "warm").members.at("complete").flag);
  EXPECT_LT(NumberAt(MetricsOf(place_ / "warm"), "train.logloss"),
            NumberAt(MetricsOf(place_ / "cold"), "train.logloss"));
}

INSTANTIATE_TEST_SUITE_P(All, StopTest,
                         testing::Values(std::vector<std::string>{},
                                         std::vector<std::string>{"--set", "train.staleness=0"},
                                         std::vector<std::string>{"--local", "2x2"}));

// The optimum over all rows. Without a penalty, and with as many features as this, there is none: steps go on for a while.
TEST(StopWhileSolving, BeforeTheFirstStepNothingIsReplaced) {
  const Workplace place;
  Generate(place.path(), "train.svm", "libsvm", 300000);
  WriteText(place / "job.yaml", "data: {train: {files: [train.svm]}}\nmodel: {optimizer: {type: newton_cg}}\n");
  Program run("ps_train", {"--config", "job.yaml"}, place.path());
  ASSERT_TRUE(run.WaitForError("read")) << run.Wait().err;  // the head of its first line
  run.Signal(SIGTERM);
  const Finished stopped = run.Wait();
  EXPECT_EQ(stopped.exit_code, 143) << stopped.err;
  EXPECT_THAT(stopped.err, testing::HasSubstr("the output is unchanged"));
  EXPECT_FALSE(std::filesystem::exists(place / "out/manifest.json"));
}

TEST(StopWhileSolving, KeepsTheLastStep) {
  const Workplace place;
  Generate(place.path(), "train.svm", "libsvm", 200000);
  WriteText(place / "job.yaml",
            "data: {train: {files: [train.svm]}, split: {by: ratio, valid: 0.1}}\n"
            "model: {optimizer: {type: newton_cg, l2: 0}}\n");
  Program run("ps_train", {"--config", "job.yaml"}, place.path());
  ASSERT_TRUE(run.WaitForError("newton_cg: step 1, ")) << run.Wait().err;
  run.Signal(SIGTERM);
  const Finished stopped = run.Wait();
  EXPECT_EQ(stopped.exit_code, 143) << stopped.err;
  EXPECT_THAT(stopped.err, testing::HasSubstr("newton_cg: stopped after "));
  EXPECT_THAT(stopped.out, testing::HasSubstr("stopped before it had converged"));
  EXPECT_FALSE(MetricsOf(place / "out").members.at("complete").flag);
  EXPECT_GT(NumberAt(MetricsOf(place / "out"), "nonzero_weights"), 1000);
  EXPECT_LT(NumberAt(MetricsOf(place / "out"), "train.logloss"), 0.6);
}

// In the training on all rows with the setting that was found: the model of the tuning is better than a part of that one.
TEST(StopWhileTuning, InTheLastTrainingKeepsTheModelBeforeIt) {
  const Workplace place;
  Generate(place.path(), "train.svm", "libsvm", 200000);
  Generate(place.path(), "test.svm", "libsvm", 10000, 200000);
  WriteText(place / "job.yaml",
            "data: {train: {files: [train.svm]}, split: {by: ratio, valid: 0.3}}\n"
            "model: {tune: auto}\ntrain: {passes: 3, threads: 1}\n");
  Program run("ps_train", {"--config", "job.yaml"}, place.path());
  ASSERT_TRUE(run.WaitForError("now on all rows, those of validation too")) << run.Wait().err;
  run.Signal(SIGTERM);
  const Finished stopped = run.Wait();
  EXPECT_EQ(stopped.exit_code, 143) << stopped.err;
  const JsonValue metrics = MetricsOf(place / "out");
  EXPECT_FALSE(metrics.members.at("complete").flag);
  EXPECT_LT(NumberAt(metrics, "valid.logloss"), 0.6);
  EXPECT_GT(NumberAt(metrics, "rows_valid"), 50000);
  EXPECT_LT(NumberAt(metrics, "rows_learnt"), 3 * 150000) << "of the training before: without the validation rows";
  const Finished eval = RunProgram("ps_eval", {"--model", "out", "--data", "test.svm"}, place.path());
  EXPECT_EQ(eval.exit_code, 0) << eval.err;
  EXPECT_THAT(eval.out, testing::HasSubstr("training was stopped early"));
  // What the next run would do with what was found, all the same.
  WriteText(place / "tuned.yaml", ReadText(place / "out/tuned_job.yaml"));
  const Finished again = RunProgram("ps_train", {"--config", "tuned.yaml", "--set", "output.dir=again"}, place.path());
  EXPECT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(MetricsOf(place / "again").members.at("complete").flag);
}

}  // namespace
}  // namespace ps
