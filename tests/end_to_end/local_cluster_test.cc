// A cluster of real processes: counts, quality, killed processes, nobody left behind.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>

#include "absl/strings/str_split.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;

class LocalClusterTest : public testing::Test {
 protected:
  static constexpr int kRows = 30000;

  void SetUp() override {
    Generate(place_.path(), "train.svm", "libsvm", kRows);
    Generate(place_.path(), "test.svm", "libsvm", 10000, kRows);
    WriteText(place_ / "job.yaml",
              "data:\n"
              "  train: {files: [train.svm]}\n"
              "  test: {files: [test.svm]}\n"
              "model:\n"
              "  optimizer: {type: ftrl, alpha: 0.05}\n");
  }

  // Enough passes to be in the middle of them for a while.
  std::vector<std::string> LongJob(const std::string& shape) const {
    return {"--config", "job.yaml", "--local", shape, "--set", "train.passes=20"};
  }

  static pid_t ChildNamed(const std::map<pid_t, std::string>& children, const std::string& name) {
    for (const auto& [pid, child] : children) {
      if (child == name) return pid;
    }
    ADD_FAILURE() << "there is no " << name;
    return -1;
  }

  const Workplace place_;
};

TEST_F(LocalClusterTest, LearnsEveryRowOnceAndAsWellAsEmbedded) {
  const Finished embedded = RunProgram("ps_train", {"--config", "job.yaml"}, place_.path());
  ASSERT_EQ(embedded.exit_code, 0) << embedded.err;
  const double reference = NumberAt(MetricsOf(place_ / "out"), "test.logloss");
  for (const char* staleness : {"train.staleness=4", "train.staleness=unbounded"}) {
    SCOPED_TRACE(staleness);
    Program run("ps_train", {"--config", "job.yaml", "--local", "2x2", "--set", staleness},
                place_.path());
    run.WaitForError(" 1/1 ");
    const auto children = run.Children();
    const Finished finished = run.Wait();
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    const JsonValue metrics = MetricsOf(place_ / "out");
    EXPECT_EQ(NumberAt(metrics, "rows_read"), kRows);
    EXPECT_EQ(NumberAt(metrics, "rows_learnt"), kRows);
    EXPECT_EQ(NumberAt(metrics, "train.rows"), kRows);
    EXPECT_EQ(NumberAt(metrics, "rows_test"), 10000);
    EXPECT_LT(NumberAt(metrics, "test.logloss"), reference * 1.01);
    EXPECT_TRUE(AllGone(children));
  }
}

// Where there is a GPU, workers on it learn the bytes of workers without.
TEST_F(LocalClusterTest, ComputesOnGpusOrSaysWhyNot) {
  for (const std::vector<std::string>& nodes :
       std::vector<std::vector<std::string>>{{"--local", "1x2"}, {"--set", "cluster={servers: 1, workers: 2}"}, {}}) {
    const auto train = [&](const char* device) {
      std::vector<std::string> all = {"--config", "job.yaml", "--set", "train.staleness=0", "--set", device};
      all.insert(all.end(), nodes.begin(), nodes.end());
      return RunProgram("ps_train", all, place_.path());
    };
    const Finished processor = train("device=auto");
    ASSERT_EQ(processor.exit_code, 0) << processor.err;
    EXPECT_EQ(MetricsOf(place_ / "out").members.at("device").text, "cpu");
    const std::string weights = ReadText(place_ / "out/weights.bin");
    const Finished cuda = train("device=cuda");
    if (cuda.exit_code != 0) {
      EXPECT_EQ(cuda.exit_code, 5) << cuda.err;
      EXPECT_THAT(cuda.err, HasSubstr("ps_train: device: cuda cannot be had: "));
      EXPECT_THAT(cuda.err, testing::Not(HasSubstr("rows/s"))) << "it trained first";
      continue;
    }
    EXPECT_THAT(cuda.err, HasSubstr("gradients are computed at "));
    EXPECT_EQ(MetricsOf(place_ / "out").members.at("device").text, "cuda");
    EXPECT_TRUE(ReadText(place_ / "out/weights.bin") == weights);
  }
}

TEST_F(LocalClusterTest, AWorkerRefusesAGpuThatItIsNotShown) {
  const std::string worker = std::string(std::getenv("PS_BIN_DIR")) + "/ps_worker";
  const Finished refused = RunProgram(
      "env", {"CUDA_VISIBLE_DEVICES=4,6", worker, "--scheduler=tcp://127.0.0.1:9", "--gpu=2"}, place_.path());
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_THAT(refused.err, HasSubstr("ps_worker: --gpu=2: CUDA_VISIBLE_DEVICES=4,6 shows fewer GPUs"));
}

// What is read of a pass and how many features there are, while it goes on, and not only at its end.
TEST_F(LocalClusterTest, ProgressSaysWhatIsKnown) {
  const int kMany = kSanitized ? 60000 : 150000;
  Generate(place_.path(), "long.svm", "libsvm", kMany);
  for (const std::vector<std::string>& nodes : std::vector<std::vector<std::string>>{
           {"--local", "2x2"}, {"--local", "1x2", "--set", "train.staleness=0"}, {"--set", "train.staleness=0"}}) {
    std::vector<std::string> all = {"--config", "job.yaml", "--log_format=json", "--set", "data.train.files=[long.svm]"};
    all.insert(all.end(), nodes.begin(), nodes.end());
    const Finished run = RunProgram("ps_train", all, place_.path(), 200);
    SCOPED_TRACE(nodes.back());
    ASSERT_EQ(run.exit_code, 0) << run.err;
    int with_features = 0;
    double last = 0;
    for (const absl::string_view text : absl::StrSplit(run.err, '\n')) {
      const std::optional<JsonValue> line = JsonReader::Read(std::string(text));
      if (!line || line->members.count("fraction_read") == 0) continue;
      const double rows = NumberAt(*line, "rows"), fraction = NumberAt(*line, "fraction_read");
      EXPECT_NEAR(fraction, rows / kMany, 0.05) << text;
      last = fraction;
      if (line->members.count("features") == 0) continue;
      ++with_features;
      EXPECT_GT(NumberAt(*line, "features"), 0);
    }
    EXPECT_EQ(last, 1);
    EXPECT_GE(with_features, 1) << run.err;  // servers say it twice a second
  }
}

TEST_F(LocalClusterTest, AKilledWorkerLosesAndDoublesNothing) {
  Program run("ps_train", LongJob("2x2"), place_.path());
  ASSERT_TRUE(run.WaitForError(" 2/20 ")) << run.Wait().err;
  const auto children = run.Children();
  EXPECT_EQ(children.size(), 4);
  const pid_t worker = ChildNamed(children, "ps_worker");
  ASSERT_GT(worker, 0);
  ASSERT_EQ(::kill(worker, SIGKILL), 0);
  const Finished finished = run.Wait();
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("ps_worker (pid " + std::to_string(worker) + ")"));
  const JsonValue metrics = MetricsOf(place_ / "out");
  EXPECT_EQ(NumberAt(metrics, "rows_read"), 20 * kRows);
  EXPECT_EQ(NumberAt(metrics, "rows_learnt"), 20 * kRows);
  EXPECT_EQ(NumberAt(metrics, "passes"), 20);
  EXPECT_TRUE(AllGone(children));
}

TEST_F(LocalClusterTest, KilledServersAreReplacedAndEveryRowCountsOnce) {
  for (const char* replicas : {"cluster.replicas=1", "cluster.replicas=2"}) {
    SCOPED_TRACE(replicas);
    std::vector<std::string> arguments = LongJob("3x2");
    arguments.insert(arguments.end(), {"--set", replicas});
    Program run("ps_train", arguments, place_.path());
    ASSERT_TRUE(run.WaitForError(" 2/20 ")) << run.Wait().err;
    const auto children = run.Children();
    const pid_t server = ChildNamed(children, "ps_server");
    ASSERT_GT(server, 0);
    ASSERT_EQ(::kill(server, SIGKILL), 0);
    const Finished finished = run.Wait(200);
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_THAT(finished.err,
                HasSubstr("ps_server (pid " + std::to_string(server) + ") was killed by signal 9"));
    const JsonValue metrics = MetricsOf(place_ / "out");
    EXPECT_EQ(NumberAt(metrics, "rows_learnt"), 20 * kRows);
    EXPECT_EQ(NumberAt(metrics, "rows_read"), 20 * kRows);
    EXPECT_TRUE(AllGone(children));
  }
}

TEST_F(LocalClusterTest, WhenTheTrainerIsKilledItsProcessesEnd) {
  Program run("ps_train", LongJob("1x2"), place_.path());
  ASSERT_TRUE(run.WaitForError(" 2/20 ")) << run.Wait().err;
  const auto children = run.Children();
  EXPECT_EQ(children.size(), 3);
  run.Signal(SIGKILL);
  EXPECT_EQ(run.Wait().exit_code, 128 + SIGKILL);
  EXPECT_TRUE(AllGone(children));
  // What it leaves on disk does not stand in the way of the next run.
  const Finished again = RunProgram("ps_train", {"--config", "job.yaml"}, place_.path());
  EXPECT_EQ(again.exit_code, 0) << again.err;
}

TEST_F(LocalClusterTest, WithAKeyPairItTrainsTheSame) {
  const Finished made = RunProgram("ps_ctl", {"keygen", "curve.key"}, place_.path());
  ASSERT_EQ(made.exit_code, 0) << made.err;
  const Finished finished = RunProgram(
      "ps_train",
      {"--config", "job.yaml", "--local", "2x2", "--set", "cluster.curve_key_file=curve.key"},
      place_.path());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(NumberAt(MetricsOf(place_ / "out"), "rows_learnt"), kRows);
  WriteText(place_ / "curve.key", "public nonsense\n");
  const Finished refused = RunProgram(
      "ps_train",
      {"--config", "job.yaml", "--local", "2x2", "--set", "cluster.curve_key_file=curve.key"},
      place_.path());
  EXPECT_NE(refused.exit_code, 0);
  EXPECT_THAT(refused.err, HasSubstr("'curve.key': the public key is not 40 characters"));
}

TEST_F(LocalClusterTest, WorkersFindBadDataAndTheJobEndsWithItsExitCode) {
  WriteText(place_ / "train.svm", ReadText(place_ / "train.svm") + std::string(200, 'x') + "\n");
  Program run("ps_train",
              {"--config", "job.yaml", "--local", "1x2", "--set", "data.max_bad_rows=0"},
              place_.path());
  const Finished finished = run.Wait();
  EXPECT_EQ(finished.exit_code, 3) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("train.svm"));
  EXPECT_THAT(finished.err, HasSubstr("xxxxx"));
}

}  // namespace
}  // namespace ps
