// Jobs of trees of which processes are killed: the scheduler of a cluster, which comes back to its
// nodes, or all of them. Whatever happens, the model is the same bytes, and finished trees are not
// grown again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;

const int kRows = kSanitized ? 4000 : 20000;
// On a cluster, and in one process, which is faster: enough to be killed in time.
const int kClusterTrees = kSanitized ? 40 : 200, kTrees = kSanitized ? 160 : 1200;

std::string Table(int rows, unsigned seed, bool classes) {
  static constexpr const char* kColors[] = {"red", "green", "blue", "grey"};
  std::mt19937 random(seed);
  std::string text = "color,size,x,y,label\n";
  for (int r = 0; r < rows; ++r) {
    const unsigned color = random() % 4;
    const double size = random() % 1000 / 100.0, x = random() % 2001 / 1000.0 - 1,
                 y = random() % 500 / 100.0;
    const double signal = (color % 2 == 0 ? 3 * x : -3 * x) + (size > 6 ? 1.5 : -0.5) + std::sin(y);
    const bool positive = random() % 1000 / 1000.0 < 1 / (1 + std::exp(-2 * signal));
    absl::StrAppend(&text, kColors[color], ",", std::to_string(size), ",", std::to_string(x), ",",
                    std::to_string(y), ",",
                    positive           ? "1"
                    : classes && y > 2 ? "2"
                                       : "0",
                    "\n");
  }
  return text;
}

class TreeRestartTest : public testing::Test {
 protected:
  void SetUp() override { WriteJob(""); }

  void WriteJob(const std::string& more, bool classes = false, int trees = kTrees) const {
    WriteText(place_ / "train.csv", Table(kRows, 1, classes));
    WriteText(
        place_ / "job.yaml",
        absl::StrCat("data:\n  train: {files: [train.csv]}\n  format: csv\n  header: true\n"
                     "  label: {column: label}\n  split: {by: ratio, valid: 0.2}\n"
                     "model: {type: gbdt, gbdt: {",
                     classes ? "objective: softmax, " : "", "trees: ", classes ? trees / 4 : trees,
                     ", learning_rate: 0.02, row_sample: 0.8}}\n"
                     "train: {early_stopping: {patience: 50}}\noutput: {dir: out}\n",
                     more));
  }

  std::vector<std::string> Command(const std::vector<std::string>& more) const {
    std::vector<std::string> command = {"--config", "job.yaml"};
    command.insert(command.end(), more.begin(), more.end());
    return command;
  }
  Finished Train(const std::vector<std::string>& more) const {
    return RunProgram("ps_train", Command(more), place_.path(), 100);
  }
  // Of a job that nothing disturbed, in one process.
  std::string Undisturbed() const {
    const Finished calm = Train({"--set", "output.dir=calm"});
    EXPECT_EQ(calm.exit_code, 0) << calm.err;
    return ReadText(place_ / "calm/trees.pb");
  }
  void ExpectUndisturbed(const std::string& trees) const {
    EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees);
    for (const char* number : {"valid.logloss", "train.logloss", "trees", "trees_grown"}) {
      EXPECT_NEAR(NumberAt(MetricsOf(place_ / "out"), number),
                  NumberAt(MetricsOf(place_ / "calm"), number), 1e-9)
          << number;
    }
  }
  // Starts it, and kills it with all its children once `text` was said.
  void KillAt(const std::string& text, const std::vector<std::string>& more) const {
    Program run("ps_train", Command(more), place_.path());
    ASSERT_TRUE(run.WaitForError(text)) << run.Wait().err;
    const auto children = run.Children();
    run.Signal(SIGKILL);
    run.Wait();
    ASSERT_TRUE(AllGone(children));
  }
  static int TreesHad(const std::string& err) {
    const std::string before = "going on after ";
    const std::size_t at = err.find(before);
    if (at == std::string::npos) return 0;
    return std::atoi(err.c_str() + at + before.size());
  }
  static std::string FreeEndpoint() {
    const auto transport = OpenZeroMqTransport({.bind = "tcp://127.0.0.1:0"});
    EXPECT_TRUE(transport.ok());
    return (*transport)->endpoint();
  }
  std::size_t Kept() const {
    std::error_code error;
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(place_ / "ckpt/trees", error))
      count += file.path().string().find(".writing.") == std::string::npos;
    return count;
  }

  const Workplace place_;
};

class TreeSchedulerTest : public TreeRestartTest {
 protected:
  void SetUp() override {
    listen_ = FreeEndpoint();
    UseJob("", false);
  }
  void UseJob(const std::string& more, bool classes) {
    WriteJob(absl::StrCat("cluster: {servers: 2, workers: 2, state: state/job}\n", more), classes,
             kClusterTrees);
  }
  void StartNode(const char* name) {
    nodes_.push_back(std::make_unique<Program>(
        name, std::vector<std::string>{absl::StrCat("--scheduler=", listen_)}, place_.path()));
  }
  void StartNodes() {
    for (const char* name : {"ps_server", "ps_server", "ps_worker", "ps_worker"}) StartNode(name);
  }
  std::vector<std::string> Listening(std::vector<std::string> more = {}) const {
    more.insert(more.end(), {"--listen", listen_});
    return more;
  }
  std::string UndisturbedHere() const {
    const Finished calm = Train({"--set", "output.dir=calm", "--set", "cluster.servers=0", "--set",
                                 "cluster.workers=0", "--set", "cluster.state=''"});
    EXPECT_EQ(calm.exit_code, 0) << calm.err;
    return ReadText(place_ / "calm/trees.pb");
  }

  std::string listen_;
  std::vector<std::unique_ptr<Program>> nodes_;
};

TEST_F(TreeSchedulerTest, ComesBackToItsNodesTwice) {
  const std::string trees = UndisturbedHere();
  StartNodes();
  for (const char* when : {"8/", "32/"}) {
    KillAt(when, Listening());
    for (const auto& node : nodes_) EXPECT_TRUE(node->Running());
  }
  const Finished finished = Train(Listening());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("the scheduler is back"));
  // All that were told of were kept, but for the work of a second at most.
  EXPECT_GT(TreesHad(finished.err), 16);
  ExpectUndisturbed(trees);
  // The same nodes all the time: nobody read rows again.
  for (const auto& node : nodes_) EXPECT_EQ(node->Wait().exit_code, 0);
  EXPECT_GE(NumberAt(MetricsOf(place_ / "out"), "attempts"), 3);
}

TEST_F(TreeSchedulerTest, NodesThatAreLostMeanwhileAreReplaced) {
  const std::string trees = UndisturbedHere();
  StartNodes();
  KillAt("32/", Listening());
  for (const std::size_t node : {0, 3}) {
    nodes_[node]->Signal(SIGKILL);
    nodes_[node]->Wait();
  }
  StartNode("ps_worker");
  StartNode("ps_server");
  const Finished finished = Train(Listening({"--set", "cluster.failure_timeout=2"}));
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_GT(TreesHad(finished.err), 8);
  ExpectUndisturbed(trees);
}

TEST_F(TreeSchedulerTest, InARoundOfSeveralClasses) {
  UseJob("", true);
  const std::string trees = UndisturbedHere();
  StartNodes();
  for (const char* when : {"2/", "8/"}) KillAt(when, Listening());
  const Finished finished = Train(Listening());
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_GT(TreesHad(finished.err), 3 * 4);
  ExpectUndisturbed(trees);
  for (const auto& node : nodes_) EXPECT_EQ(node->Wait().exit_code, 0);
}

TEST_F(TreeSchedulerTest, StateOfAnotherJobIsRefusedAndDamageIsSaid) {
  StartNodes();
  KillAt("16/", Listening());
  const Finished other = Train(Listening({"--set", "model.gbdt.learning_rate=0.1"}));
  EXPECT_EQ(other.exit_code, 3) << other.err;
  EXPECT_THAT(other.err, HasSubstr("with other data, features or settings"));
  EXPECT_THAT(other.err, HasSubstr("give cluster.state another name"));

  const std::string whole = ReadText(place_ / "state/job");
  std::string damaged = whole;
  for (std::size_t i = 40; i < damaged.size() / 2; i += 37) damaged[i] ^= 1;
  WriteText(place_ / "state/job", damaged);
  const Finished refused = Train(Listening());
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr("state/job"));

  // Of linear models neither.
  WriteText(place_ / "state/job", whole);
  WriteText(
      place_ / "lr.yaml",
      "data: {train: {files: [train.csv]}, format: csv, header: true, label: {column: label}}\n"
      "cluster: {servers: 1, workers: 1, state: state/job}\noutput: {dir: lr}\n");
  const Finished linear =
      RunProgram("ps_train", {"--config", "lr.yaml", "--listen", listen_}, place_.path());
  EXPECT_EQ(linear.exit_code, 3) << linear.err;
  EXPECT_THAT(linear.err, HasSubstr("is of a job of trees"));

  const Finished local = Train({"--local", "1x1"});
  EXPECT_EQ(local.exit_code, 2);
  EXPECT_THAT(local.err, HasSubstr("give --listen"));
}

// Whatever term of leadership their own scheduler had: that of another run is another's.
TEST_F(TreeSchedulerTest, NodesOfAnotherRunAreSentAway) {
  for (const char* state : {"cluster.state=state/job", "cluster.state=''"}) {
    SCOPED_TRACE(state);
    StartNodes();
    for (const char* when : {"4/", "8/", "16/"}) KillAt(when, Listening());
    std::filesystem::remove(place_ / "state/job");
    Program run("ps_train", Command(Listening({"--set", state})), place_.path());
    ASSERT_TRUE(run.WaitForError("waiting at")) << run.Wait().err;
    for (const auto& node : nodes_) EXPECT_EQ(node->Wait(20).exit_code, 0);
    nodes_.clear();
    StartNodes();
    const Finished finished = run.Wait(100);
    EXPECT_EQ(finished.exit_code, 0) << finished.err;
    nodes_.clear();
  }
}

TEST_F(TreeRestartTest, AKilledProcessGoesOnFromItsCheckpoint) {
  for (const bool classes : {false, true}) {
    WriteJob("checkpoint: {dir: ckpt, every: 0.05}\n", classes);
    const std::string trees = [&] {
      const Finished calm = Train({"--set", "output.dir=calm", "--set", "checkpoint.dir=other"});
      EXPECT_EQ(calm.exit_code, 0) << calm.err;
      return ReadText(place_ / "calm/trees.pb");
    }();
    for (const char* when : {"8/", "32/"}) KillAt(when, {});
    EXPECT_GT(Kept(), 2u);
    const Finished finished = Train({});
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_GT(TreesHad(finished.err), 0);  // a checkpoint is .05 s apart, and so may many trees be
    ExpectUndisturbed(trees);
    EXPECT_EQ(Kept(), 0u) << "of a finished job nothing is left to go on from";
  }
}

TEST_F(TreeRestartTest, AKilledClusterGoesOnWithOtherNumbersOfProcesses) {
  const std::string trees = Undisturbed();
  const std::vector<std::string> checkpoint = {"--set", "checkpoint.dir=ckpt", "--set",
                                               "checkpoint.every=0.05"};
  const auto on = [&](const char* shape) {
    std::vector<std::string> more = checkpoint;
    more.insert(more.end(), {"--local", shape});
    return more;
  };
  KillAt("16/", on("2x2"));
  KillAt("64/", on("1x3"));
  const Finished finished = Train(checkpoint);  // in one process, too
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_GT(TreesHad(finished.err), 16);
  ExpectUndisturbed(trees);
}

TEST_F(TreeRestartTest, WhatIsStoppedGoesOn) {
  const std::string trees = Undisturbed();
  WriteJob("checkpoint: {dir: ckpt}\n");
  {
    Program run("ps_train", Command({}), place_.path());
    ASSERT_TRUE(run.WaitForError("16/")) << run.Wait().err;
    run.Signal(SIGTERM);
    EXPECT_EQ(run.Wait().exit_code, 143);
  }
  const Finished fewer = Train({"--set", "model.gbdt.trees=3"});
  EXPECT_EQ(fewer.exit_code, 3) << fewer.err;
  EXPECT_THAT(fewer.err, HasSubstr("model.gbdt.trees is 3: set it to as many or more, or, to begin anew, set checkpoint.resume: never"));
  EXPECT_EQ(Train({"--set", "model.gbdt.trees=3", "--dry_run"}).err, fewer.err.substr(fewer.err.rfind("ps_train: ")));
  const Finished finished = Train({});
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_GE(TreesHad(finished.err), 16);
  ExpectUndisturbed(trees);
}

TEST_F(TreeRestartTest, DamageOtherJobsAndOtherRowsAreRefused) {
  WriteJob("checkpoint: {dir: ckpt, every: 0.05}\n");
  KillAt("64/", {});
  const Finished other = Train({"--set", "train.seed=7"});
  EXPECT_EQ(other.exit_code, 3) << other.err;
  EXPECT_THAT(other.err, HasSubstr("with other data, features or settings"));
  EXPECT_THAT(other.err, HasSubstr("checkpoint.resume: never"));

  const std::string data = ReadText(place_ / "train.csv");
  std::string changed = data;
  for (std::size_t at = changed.find('\n') + 1; at != 0 && at < changed.size();
       at = changed.find('\n', at) + 1) {
    char& label = changed[changed.find('\n', at) - 1];
    label = label == '0' ? '1' : '0';
  }
  WriteText(place_ / "train.csv", changed);
  const Finished rows = Train({});
  EXPECT_EQ(rows.exit_code, 3) << rows.err;
  EXPECT_THAT(rows.err, HasSubstr("the data have changed"));
  WriteText(place_ / "train.csv", data);

  std::string piece;
  for (const auto& entry : std::filesystem::directory_iterator(place_ / "ckpt/trees")) {
    if (entry.path().filename().string().rfind("piece.", 0) == 0) {
      const std::string path = entry.path();
      if (piece.empty() || path < piece) piece = path;
    }
  }
  ASSERT_FALSE(piece.empty());
  const std::string bytes = ReadText(piece);
  std::string damaged = bytes;
  damaged[damaged.size() / 2] ^= 1;
  WriteText(piece, damaged);
  const Finished refused = Train({});
  EXPECT_EQ(refused.exit_code, 3) << refused.err;
  EXPECT_THAT(refused.err, HasSubstr(piece + " is damaged"));
  std::filesystem::remove(piece);
  const Finished missing = Train({});
  EXPECT_EQ(missing.exit_code, 3) << missing.err;
  EXPECT_THAT(missing.err, HasSubstr("is missing"));

  const Finished anew = Train({"--set", "checkpoint.resume=never"});
  EXPECT_EQ(anew.exit_code, 0) << anew.err;
  EXPECT_EQ(TreesHad(anew.err), 0);

  for (const char* setting : {"checkpoint.keep=3", "tune={trainings: 2}"}) {
    const Finished unfit = Train({"--set", setting});
    EXPECT_EQ(unfit.exit_code, 2) << unfit.err;
  }
}

}  // namespace
}  // namespace ps
