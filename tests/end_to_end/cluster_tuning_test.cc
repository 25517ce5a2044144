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
  static constexpr int kRows = 60000;

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

TEST_F(ClusterTuningTest, TheFirstOfSeveralPassesDecides) {
  const Finished run = Train({"--local", "2x2", "--set", "train={passes: 3, early_stopping: {}}", "--set",
                              "data.split={by: ratio, valid: 0.1}", "--set", "cluster.lanes=4"});
  ASSERT_EQ(run.exit_code, 0) << run.err;
  const std::string trace = ReadText(place_ / "out/tuning.json");
  EXPECT_THAT(trace, AllOf(HasSubstr("\"end\":\"chosen\""), Not(HasSubstr("\"judged_on\":\"validation\""))));
  EXPECT_GE(NumberAt(MetricsOf(place_ / "out"), "valid.rows"), kRows / 11);
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
