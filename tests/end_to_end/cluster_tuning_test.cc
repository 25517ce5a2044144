// model.tune on a cluster of real processes: what it decides, whoever dies meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

class ClusterTuningTest : public testing::Test {
 protected:
  static constexpr int kRows = 60000, kFewRows = 12000;

  void SetUp() override {
    Generate(place_.path(), "train.svm", "libsvm", kRows);
    Generate(place_.path(), "test.svm", "libsvm", 10000, kRows);
    WriteText(place_ / "job.yaml",
              "data: {train: {files: [train.svm]}, test: {files: [test.svm]}}\n"
              "model: {type: lr, tune: auto}\n");
  }

  static std::vector<std::string> Arguments(const std::vector<std::string>& more) {
    std::vector<std::string> all{"--config", "job.yaml"};
    all.insert(all.end(), more.begin(), more.end());
    return all;
  }
  Finished Train(const std::vector<std::string>& more) const {
    return RunProgram("ps_train", Arguments(more), place_.path(), 200);
  }
  struct Model {
    std::string trace, weights;
    bool operator==(const Model&) const = default;
  };
  Model Trained() const { return {ReadText(place_ / "out/tuning.json"), ReadText(place_ / "out/weights.bin")}; }
  // What a job of steps ends with that nothing happens to.
  Model Undisturbed() const {
    const Finished run = Train({"--set", "train.staleness=0", "--set", "train.threads=1"});
    EXPECT_EQ(run.exit_code, 0) << run.err;
    return Trained();
  }
  static void Kill(const Program& run, const std::string& name) {
    for (const auto& [pid, child] : run.Children()) {
      if (child != name) continue;
      ASSERT_EQ(::kill(pid, SIGKILL), 0);
      return;
    }
    ADD_FAILURE() << "there is no " << name;
  }

  const Workplace place_;
};

TEST_F(ClusterTuningTest, StepsDecideTheSameOnAnyNodes) {
  const Model one = Undisturbed();
  EXPECT_THAT(one.trace, AllOf(HasSubstr("\"end\":\"chosen\""), HasSubstr("\"end\":\"behind\"")));
  for (const char* shape : {"2x2", "3x1"}) {
    const Finished run = Train({"--set", "train.staleness=0", "--local", shape});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_TRUE(Trained() == one) << shape;
    EXPECT_THAT(run.err, AllOf(HasSubstr(" leads lane "), HasSubstr("16 become 1,")));
    EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_learnt"), kRows);
  }
}

TEST_F(ClusterTuningTest, FindsWhatOneProcessFinds) {
  ASSERT_EQ(Train({}).exit_code, 0);
  const double embedded = NumberAt(MetricsOf(place_ / "out"), "test.logloss");
  for (const char* staleness : {"train.staleness=0", "train.staleness=4", "train.staleness=unbounded"}) {
    const Finished run = Train({"--set", staleness, "--local", "2x2"});
    ASSERT_EQ(run.exit_code, 0) << run.err;
    EXPECT_NEAR(NumberAt(MetricsOf(place_ / "out"), "test.logloss"), embedded, 0.005 * embedded) << staleness;
    EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_learnt"), kRows);
  }
  // The job file that is left trains on a cluster, to about the same.
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  const Finished again = RunProgram(
      "ps_train", {"--config", "tuned.yaml", "--local", "2x2", "--set", "output.dir=again"}, place_.path());
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_NEAR(NumberAt(MetricsOf(place_ / "again"), "test.logloss"), embedded, 0.005 * embedded);
  EXPECT_FALSE(std::filesystem::exists(place_ / "again/tuning.json"));
}

TEST_F(ClusterTuningTest, KilledWorkersAndServersChangeNoDecisionOfSteps) {
  const Model undisturbed = Undisturbed();
  for (const char* name : {"ps_worker", "ps_server"}) {
    SCOPED_TRACE(name);
    Program run("ps_train", Arguments({"--set", "train.staleness=0", "--local", "2x2"}), place_.path());
    ASSERT_TRUE(run.WaitForError("16 become 16, gen 2")) << run.Wait().err;
    Kill(run, name);
    const Finished finished = run.Wait(200);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("killed by signal 9"));
    EXPECT_TRUE(Trained() == undisturbed);
    EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_learnt"), kRows);
  }
}

TEST_F(ClusterTuningTest, AJobThatWasKilledGoesOnFromItsCheckpointToTheSameEnd) {
  const Model undisturbed = Undisturbed();
  const std::vector<std::string> arguments =
      Arguments({"--set", "train.staleness=0", "--local", "2x2", "--set", "checkpoint={dir: ckpt, every: 0.2}"});
  {
    Program run("ps_train", arguments, place_.path());
    ASSERT_TRUE(run.WaitForError("16 become 16, gen 3")) << run.Wait().err;
    ASSERT_TRUE(run.WaitForError("checkpoint"));
    run.Signal(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 128 + SIGKILL);
  }
  std::vector<std::string> other = arguments;
  other.insert(other.end(), {"--set", "cluster.lanes=4"});
  const Finished refused = RunProgram("ps_train", other, place_.path());
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_THAT(refused.err, AllOf(HasSubstr("other data, features or settings"), HasSubstr("checkpoint.resume: never")));
  const Finished finished = RunProgram("ps_train", arguments, place_.path(), 200);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("going on from checkpoint"));
  EXPECT_TRUE(Trained() == undisturbed);
}

TEST_F(ClusterTuningTest, WithTwoCopiesAServerMayDieWhileLanesChange) {
  Program run("ps_train", Arguments({"--local", "3x2", "--set", "cluster.replicas=2"}), place_.path());
  ASSERT_TRUE(run.WaitForError("gen 2")) << run.Wait().err;
  Kill(run, "ps_server");
  const Finished finished = run.Wait(200);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_learnt"), kRows);
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_read"), kRows);
  EXPECT_THAT(ReadText(place_ / "out/tuning.json"), HasSubstr("\"end\":\"chosen\""));
  EXPECT_LT(NumberAt(MetricsOf(place_ / "out"), "test.logloss"), ConstantLogLoss(MetricsOf(place_ / "out"), "test"));
}

TEST_F(ClusterTuningTest, TheFirstOfSeveralPassesDecidesWithoutValidationRows) {
  const Finished run = Train({"--local", "2x2", "--set", "train.passes=2", "--set", "cluster.lanes=4"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string trace = ReadText(place_ / "out/tuning.json");
  EXPECT_THAT(trace, AllOf(HasSubstr("\"end\":\"chosen\""), Not(HasSubstr("\"judged_on\":\"validation\""))));
}

TEST_F(ClusterTuningTest, LanesGoOnIntoLaterPassesWhoeverDies) {
  Generate(place_.path(), "few.svm", "libsvm", kFewRows);
  const std::vector<std::string> several = {"--set", "data.train.files=[few.svm]", "--set",
                                            "train={passes: 4, early_stopping: {patience: 1}, staleness: 0}", "--set",
                                            "data.split={by: ratio, valid: 0.2}", "--set", "cluster.lanes=4", "--set", "model.tune_all_rows=false"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.end(), several.begin(), several.end());
    return more;
  };
  const Finished alone = Train(with({"--set", "train.threads=1"}));
  ASSERT_EQ(alone.exit_code, 0) << alone.err;
  EXPECT_THAT(alone.err, HasSubstr("lanes change before chunk 0 of pass "));
  const Model one = Trained();
  EXPECT_THAT(one.trace, AllOf(HasSubstr("\"judged_on\":\"validation\""), HasSubstr("\"end\":\"spent\""), Not(HasSubstr("\"end\":\"\""))));
  const double valid_rows = NumberAt(MetricsOf(place_ / "out"), "valid.rows");
  EXPECT_GE(valid_rows, kFewRows / 6);
  const double rows_read = NumberAt(MetricsOf(place_ / "out"), "rows_read");

  const Finished together = Train(with({"--local", "2x2"}));
  ASSERT_EQ(together.exit_code, 0) << together.err;
  EXPECT_TRUE(Trained() == one);

  for (const char* name : {"ps_worker", "ps_server"}) {
    SCOPED_TRACE(name);
    Program run("ps_train", Arguments(with({"--local", "2x2"})), place_.path());
    ASSERT_TRUE(run.WaitForError(" 1/4 ")) << run.Wait().err;
    Kill(run, name);
    const Finished finished = run.Wait(200);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.err, HasSubstr("killed by signal 9"));
    EXPECT_TRUE(Trained() == one);
    EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_read"), rows_read);
  }

  const std::vector<std::string> kept =
      Arguments(with({"--local", "2x2", "--set", "checkpoint={dir: ckpt, every: 0.2}"}));
  {
    Program run("ps_train", kept, place_.path());
    ASSERT_TRUE(run.WaitForError(" 2/4 ")) << run.Wait().err;
    run.Signal(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 128 + SIGKILL);
  }
  const Finished finished = RunProgram("ps_train", kept, place_.path(), 200);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("going on from checkpoint"));
  EXPECT_TRUE(Trained() == one);
  for (const auto& entry : std::filesystem::directory_iterator(place_.path())) {
    EXPECT_THAT(entry.path().filename().string(), Not(HasSubstr(".ps_train_"))) << "left behind";
  }
}

TEST_F(ClusterTuningTest, AllRowsAreLearntInTheEndWithWhatFoldsChose) {
  // Two folds, and then all rows; the job is killed while it learns those.
  Generate(place_.path(), "few.svm", "libsvm", kFewRows);
  const std::vector<std::string> several = {"--set", "data.train.files=[few.svm]", "--set",
                                            "train={passes: 2, early_stopping: {patience: 1}, staleness: 0}", "--set",
                                            "data.split={by: ratio, valid: 0.45}", "--set", "cluster.lanes=2", "--local", "2x2"};
  ASSERT_EQ(Train(several).exit_code, 0);
  const Model one = Trained();
  EXPECT_THAT(one.trace, AllOf(HasSubstr("\"folds\": 2"), HasSubstr("\"candidates\"")));
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_EQ(NumberAt(metrics, "rows_learnt"), kFewRows * NumberAt(metrics, "passes"));
  EXPECT_GT(NumberAt(metrics, "valid.rows"), 0);
  WriteText(place_ / "tuned.yaml", ReadText(place_ / "out/tuned_job.yaml"));
  const Finished again = RunProgram("ps_train", {"--config", "tuned.yaml", "--local", "1x1", "--set", "output.dir=again"}, place_.path());
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_TRUE(ReadText(place_ / "again/weights.bin") == one.weights);

  std::vector<std::string> kept = Arguments(several);
  kept.insert(kept.end(), {"--set", "checkpoint={dir: ckpt/, every: 0.1}"});
  {
    Program run("ps_train", kept, place_.path());
    ASSERT_TRUE(run.WaitForError("now on all rows", 200)) << run.Wait().err;
    run.Signal(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 128 + SIGKILL);
  }
  const Finished finished = RunProgram("ps_train", kept, place_.path(), 300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("going on from checkpoint"));
  EXPECT_TRUE(Trained() == one);
  for (const auto& entry : std::filesystem::directory_iterator(place_.path())) {
    EXPECT_THAT(entry.path().filename().string(), AllOf(Not(HasSubstr("out.")), Not(HasSubstr("ckpt-")))) << "left behind";
  }
}

TEST_F(ClusterTuningTest, WithoutARowToValidateByTheLastPassIsTheModel) {
  Generate(place_.path(), "few.svm", "libsvm", kFewRows);
  for (const char* tune : {"model.tune=auto", "model.tune=none"}) {
    const Finished run = Train({"--local", "1x1", "--set", tune, "--set", "data.train.files=[few.svm]", "--set", "cluster.lanes=2", "--set",
                                "train={passes: 3, early_stopping: {patience: 1}, staleness: 0}", "--set",
                                "data.split={by: ratio, valid: 0.000000001}"});
    ASSERT_EQ(run.exit_code, 0) << tune << run.err;
    const JsonValue metrics = MetricsOf(place_ / "out");
    EXPECT_EQ(NumberAt(metrics, "rows_learnt"), 3 * kFewRows) << tune;
    EXPECT_LT(NumberAt(metrics, "test.logloss"), ConstantLogLoss(metrics, "test")) << tune;
  }
}

TEST_F(ClusterTuningTest, ABestModelThatIsNotTheCheckpointsIsNotTakenForIt) {
  Generate(place_.path(), "few.svm", "libsvm", kFewRows);
  const std::vector<std::string> plain = {"--set", "model.tune=none", "--set", "data.train.files=[few.svm]", "--set", "data.split={by: ratio, valid: 0.2}"};
  std::vector<std::string> other = plain, kept = Arguments(plain);
  other.insert(other.end(), {"--set", "model.optimizer.alpha=0.01", "--set", "output.dir=other"});
  ASSERT_EQ(Train(other).exit_code, 0);
  kept.insert(kept.end(), {"--set", "train={passes: 400, early_stopping: {patience: 399}, staleness: 0}", "--local", "1x1", "--set",
                           "checkpoint={dir: ckpt, every: 0.1}"});
  {
    Program run("ps_train", kept, place_.path());
    ASSERT_TRUE(run.WaitForError("\n3/400 ")) << run.Wait().err;
    run.Signal(SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 128 + SIGKILL);
  }
  const std::filesystem::path best = place_ / "out.ps_train_best";
  ASSERT_TRUE(std::filesystem::exists(best));
  std::filesystem::remove_all(best);
  std::filesystem::rename(place_ / "other", best);
  Program on("ps_train", kept, place_.path());
  EXPECT_TRUE(on.WaitForError("is not that of pass ")) << on.Wait().err;
  on.Signal(SIGTERM);
  EXPECT_EQ(on.Wait().exit_code, 143);
}

TEST_F(ClusterTuningTest, AStoppedJobLeavesAModelOfOneSetting) {
  Program run("ps_train", Arguments({"--local", "2x2"}), place_.path());
  ASSERT_TRUE(run.WaitForError("gen 1")) << run.Wait().err;
  run.Signal(SIGTERM);
  const Finished finished = run.Wait();
  EXPECT_EQ(finished.exit_code, 143) << finished.err;
  EXPECT_THAT(ReadText(place_ / "out/tuning.json"), HasSubstr("\"end\":\"chosen\""));
  EXPECT_EQ(RunProgram("ps_eval", {"--model", "out", "--data", "test.svm"}, place_.path()).exit_code, 0);
}

}  // namespace
}  // namespace ps
