// Checkpoints of real processes: a lost server's part goes back to the last one, and a job of which
// every process was killed goes on from it on other processes. Every occurrence of every feature
// counts once, and with staleness 0 the bytes are those of an undisturbed run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/end_to_end/counted_data.h"
#include "tests/end_to_end/program.h"

namespace ps {
namespace {

using testing::HasSubstr;

constexpr int kRows = 20000;
const int kPasses = kSanitized ? 20 : 40;

class CheckpointTest : public testing::Test {
 protected:
  void SetUp() override { WriteJob(""); }

  void WriteJob(const std::string& more) const {
    WriteText(place_ / "job.yaml",
              absl::StrCat("data: {train: {files: [train.svm]}}\nmodel: ", CountedData::kModel,
                           "\ncheckpoint: {dir: ckpt, every: 0.1}\ntrain: {passes: ", kPasses,
                           "}\noutput: {dir: out}\n", more));
  }

  static pid_t ServerOf(const Program& run) {
    for (const auto& [pid, name] : run.Children()) {
      if (name == "ps_server") return pid;
    }
    return -1;
  }

  // Every process at once.
  static void KillAll(Program& run) {
    const auto children = run.Children();
    run.Signal(SIGKILL);
    run.Wait();
    ASSERT_TRUE(AllGone(children));
  }

  std::size_t Manifests() const {
    std::error_code error;
    std::size_t count = 0;
    for (const auto& file : std::filesystem::directory_iterator(place_ / "ckpt/manifests", error)) {
      count += file.path().extension() == ".json";
    }
    return count;
  }

  const Workplace place_;
  const CountedData data_{place_, kRows};
};

TEST_F(CheckpointTest, ALostServersPartGoesBackToTheLastOne) {
  Program run("ps_train", {"--config", "job.yaml", "--local", "2x2"}, place_.path());
  ASSERT_TRUE(run.WaitForError("checkpoint 3 is written")) << run.Wait().err;
  ASSERT_EQ(::kill(ServerOf(run), SIGKILL), 0);
  const Finished finished = run.Wait(100);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("what was learnt since checkpoint "));
  data_.ExpectCounted(place_ / "out", kPasses);
  // Of a finished job nothing is left to go on from.
  EXPECT_EQ(Manifests(), 0u);
}

TEST_F(CheckpointTest, AKilledJobGoesOnWithOtherNumbersOfProcesses) {
  for (const char* shape : {"2x2", "1x2"}) {
    Program run("ps_train", {"--config", "job.yaml", "--local", shape}, place_.path());
    ASSERT_TRUE(run.WaitForError("what has changed")) << run.Wait().err;
    KillAll(run);
    EXPECT_GT(Manifests(), 0u);
  }
  const Finished finished =
      RunProgram("ps_train", {"--config", "job.yaml", "--local", "2x2"}, place_.path(), 100);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("going on from checkpoint "));
  data_.ExpectCounted(place_ / "out", kPasses);
}

TEST_F(CheckpointTest, WhatIsStoppedGoesOnToTheSameBytes) {
  const std::vector<std::string> common = {
      "--config", "job.yaml", "--set", "train.staleness=0", "--set", "train.passes=4", "--local"};
  const auto with = [&](std::vector<std::string> more) {
    std::vector<std::string> all = common;
    all.insert(all.end(), more.begin(), more.end());
    return all;
  };
  const Finished undisturbed = RunProgram(
      "ps_train", with({"1x2", "--set", "output.dir=calm", "--set", "checkpoint.dir=calm_ckpt"}),
      place_.path(), 100);
  ASSERT_EQ(undisturbed.exit_code, 0) << undisturbed.err;
  {
    Program run("ps_train", with({"2x2"}), place_.path());
    ASSERT_TRUE(run.WaitForError("checkpoint 2 is written")) << run.Wait().err;
    KillAll(run);
  }
  {
    Program run("ps_train", with({"3x1"}), place_.path());
    ASSERT_TRUE(run.WaitForError("is written")) << run.Wait().err;
    run.Signal(SIGTERM);
    EXPECT_EQ(run.Wait().exit_code, 143);
    EXPECT_GT(Manifests(), 0u);
  }
  const Finished finished = RunProgram("ps_train", with({"1x1"}), place_.path(), 100);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("going on from checkpoint "));
  EXPECT_EQ(ReadText(place_ / "out/weights.bin"), ReadText(place_ / "calm/weights.bin"));
}

TEST_F(CheckpointTest, DamageAndOtherJobsAreRefused) {
  {
    Program run("ps_train", {"--config", "job.yaml", "--local", "1x1"}, place_.path());
    ASSERT_TRUE(run.WaitForError("is written")) << run.Wait().err;
    KillAll(run);
  }
  const auto train = [&](std::vector<std::string> more) {
    std::vector<std::string> all = {"--config", "job.yaml", "--local", "1x1"};
    all.insert(all.end(), more.begin(), more.end());
    return RunProgram("ps_train", all, place_.path(), 100);
  };
  const Finished other = train({"--set", "train.seed=7"});
  EXPECT_EQ(other.exit_code, 3);
  EXPECT_THAT(other.err, HasSubstr("with other data, features or settings"));
  EXPECT_THAT(other.err, HasSubstr("checkpoint.resume: never"));
  const Finished planned = train({"--set", "train.seed=7", "--dry_run"});
  EXPECT_EQ(planned.exit_code, 3);
  EXPECT_THAT(planned.err, HasSubstr("with other data, features or settings"));
  EXPECT_EQ(train({"--dry_run"}).exit_code, 0);

  std::string file;
  for (const auto& entry : std::filesystem::directory_iterator(place_ / "ckpt/slots")) {
    file = entry.path();
    std::string bytes = ReadText(file);
    for (std::size_t i = 128; i < bytes.size(); i += 97) bytes[i] ^= 1;
    WriteText(file, bytes);
  }
  const Finished damaged = train({});
  EXPECT_EQ(damaged.exit_code, 3) << damaged.err;
  EXPECT_THAT(damaged.err, HasSubstr(".slots"));

  const Finished anew = train({"--set", "checkpoint.resume=never", "--set", "train.passes=1"});
  EXPECT_EQ(anew.exit_code, 0) << anew.err;

  const Finished embedded = RunProgram("ps_train", {"--config", "job.yaml"}, place_.path());
  EXPECT_EQ(embedded.exit_code, 2);
  EXPECT_THAT(embedded.err, HasSubstr("checkpoint is for a cluster"));
}

TEST_F(CheckpointTest, ByCommand) {
  WriteJob("cluster: {servers: 2, workers: 1, http: '127.0.0.1:0'}\n");
  Program run(
      "ps_train",
      {"--config", "job.yaml", "--set", "checkpoint.every=1000", "--set", "train.passes=2000"},
      place_.path());
  ASSERT_TRUE(run.WaitForError("training begins")) << run.Wait().err;
  const Finished asked = RunProgram("ps_ctl", {"checkpoint", "--dir", "out"}, place_.path());
  EXPECT_EQ(asked.exit_code, 0) << asked.err;
  EXPECT_THAT(asked.out, HasSubstr("checkpoint 1 is written: all slots"));
  Finished status;  // is looked at twice a second
  for (int i = 0; i < 50 && status.out.find("1 checkpoints") == std::string::npos; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    status = RunProgram("ps_ctl", {"status", "--dir", "out"}, place_.path());
  }
  EXPECT_THAT(status.out, HasSubstr("1 checkpoints"));
  EXPECT_EQ(RunProgram("ps_ctl", {"stop", "--dir", "out"}, place_.path()).exit_code, 0);
  EXPECT_EQ(run.Wait().exit_code, 143);
  EXPECT_EQ(Manifests(), 2u);  // the other was written at the end
}

// The scheduler is killed while its nodes go on, more than once; another is started with the same
// command. A server that dies meanwhile is replaced by its own kind.
TEST_F(CheckpointTest, ASchedulerThatComesBackGoesOnWithItsNodes) {
  std::string listen;
  {
    const auto transport = OpenZeroMqTransport({.bind = "tcp://127.0.0.1:0"});
    ASSERT_TRUE(transport.ok());
    listen = (*transport)->endpoint();
  }
  WriteJob("cluster: {servers: 2, workers: 2, state: state/job}\n");
  const std::vector<std::string> command = {"--config", "job.yaml",
                                            "--listen", listen,
                                            "--set",    absl::StrCat("train.passes=", 2 * kPasses)};
  const std::vector<std::string> scheduler = {absl::StrCat("--scheduler=", listen)};
  std::vector<std::unique_ptr<Program>> nodes;
  const auto start = [&](const char* name) {
    nodes.push_back(std::make_unique<Program>(name, scheduler, place_.path()));
  };
  for (const char* name : {"ps_server", "ps_server", "ps_worker", "ps_worker"}) start(name);
  {
    Program first("ps_train", command, place_.path());
    ASSERT_TRUE(first.WaitForError("checkpoint 2 is written")) << first.Wait().err;
    first.Signal(SIGKILL);
    first.Wait();
  }
  for (const auto& node : nodes) EXPECT_TRUE(node->Running());
  {
    Program second("ps_train", command, place_.path());
    ASSERT_TRUE(second.WaitForError("the scheduler is back: 2 servers and 2 workers are there"))
        << second.Wait().err;
    ASSERT_TRUE(second.WaitForError("is written")) << second.Wait().err;
    second.Signal(SIGKILL);
    second.Wait();
  }
  nodes[0]->Signal(SIGKILL);
  nodes[0]->Wait();
  start("ps_server");
  const Finished finished = RunProgram("ps_train", command, place_.path(), 100);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, HasSubstr("the scheduler is back"));
  EXPECT_THAT(finished.err, HasSubstr("what was learnt since checkpoint"));
  data_.ExpectCounted(place_ / "out", 2 * kPasses);
  for (std::size_t i = 1; i < nodes.size(); ++i) EXPECT_EQ(nodes[i]->Wait().exit_code, 0);

  const Finished local =
      RunProgram("ps_train", {"--config", "job.yaml", "--local", "1x1"}, place_.path());
  EXPECT_EQ(local.exit_code, 2);
  EXPECT_THAT(local.err, HasSubstr("give --listen"));
}

}  // namespace
}  // namespace ps
