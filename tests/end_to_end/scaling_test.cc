// Servers and workers come and go while a job trains; every occurrence of every feature counts once.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <functional>
#include <thread>

#include "absl/strings/str_cat.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/end_to_end/counted_data.h"
#include "tests/end_to_end/program.h"
#include "tests/end_to_end/watched_job.h"

namespace ps {
namespace {

using testing::HasSubstr;
using testing::Not;

class ScalingTest : public testing::Test {
 protected:
  static constexpr int kRows = 20000;
  static inline const int kPasses = kSanitized ? 30 : 60;

  void SetUp() override {
    WriteText(place_ / "job.yaml",
              absl::StrCat("data: {train: {files: [train.svm]}}\n"
                           "model: ",
                           CountedData::kModel, "\ntrain: {passes: ", kPasses,
                           "}\n"
                           "cluster: {servers: 2, workers: 2, http: '127.0.0.1:0'}\n"
                           "output: {dir: out}\n"));
  }

  Finished Ctl(const std::vector<std::string>& words) const { return job_.Ctl(words); }
  std::vector<JsonValue> Living(const std::string& kind) const { return job_.Living(kind); }
  bool Settles(Program& run, std::size_t servers, std::size_t workers) const {
    return job_.Settles(run, servers, workers);
  }

  // A process that has left by the scheduler's word may need a moment to end.
  static bool HasChildren(const Program& run, std::size_t count) {
    for (int i = 0; i < 500 && run.Children().size() != count; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return run.Children().size() == count;
  }

  void ExpectCounted() const { data_.ExpectCounted(place_ / "out", kPasses); }

  const Workplace place_;
  const CountedData data_{place_, kRows};
  const WatchedJob job_{place_};
};

TEST_F(ScalingTest, ByCommandOutAndInAgain) {
  Program run("ps_train", {"--config", "job.yaml"}, place_.path());
  ASSERT_TRUE(run.WaitForError("training begins")) << run.Wait().err;
  EXPECT_EQ(Ctl({"scale", "--servers", "4", "--workers", "3"}).exit_code, 0);
  ASSERT_TRUE(Settles(run, 4, 3));
  EXPECT_TRUE(HasChildren(run, 7));
  EXPECT_EQ(Ctl({"scale", "--servers", "3", "--workers", "1"}).exit_code, 0);
  ASSERT_TRUE(Settles(run, 3, 1));
  const std::string node = absl::StrCat(NumberAt(Living("servers").front(), "node"));
  EXPECT_EQ(Ctl({"drain", node}).exit_code, 0);
  ASSERT_TRUE(Settles(run, 2, 1));
  EXPECT_TRUE(HasChildren(run, 3));
  // What cannot be is refused, and nothing comes of it.
  const std::string worker = absl::StrCat(NumberAt(Living("workers").front(), "node"));
  Finished ctl = Ctl({"drain", worker});
  EXPECT_EQ(ctl.exit_code, 1);
  EXPECT_THAT(ctl.err, HasSubstr("is the only one"));
  ctl = Ctl({"drain", node});
  EXPECT_EQ(ctl.exit_code, 1);
  EXPECT_THAT(ctl.err, HasSubstr("is gone"));
  ctl = Ctl({"scale", "--servers", "4097"});
  EXPECT_EQ(ctl.exit_code, 1);
  EXPECT_THAT(ctl.err, HasSubstr("is not a number from 1 to 4096"));
  const auto children = run.Children();
  const Finished finished = run.Wait(300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, Not(HasSubstr("rollback")));
  EXPECT_THAT(finished.err, Not(HasSubstr("exit code")));
  EXPECT_TRUE(AllGone(children));
  ExpectCounted();
}

TEST_F(ScalingTest, NodesThatComeByThemselvesComeLaterAndLeaveBySigterm) {
  std::string listen;
  {
    const absl::StatusOr<std::unique_ptr<Transport>> transport = OpenZeroMqTransport({});
    ASSERT_TRUE(transport.ok());
    listen = (*transport)->endpoint();
  }
  const std::vector<std::string> scheduler = {absl::StrCat("--scheduler=", listen)};
  Program run("ps_train", {"--config", "job.yaml", "--listen", listen}, place_.path());
  Program first("ps_server", scheduler, place_.path());
  Program second("ps_server", scheduler, place_.path());
  Program worker("ps_worker", scheduler, place_.path());
  Program another("ps_worker", scheduler, place_.path());
  ASSERT_TRUE(run.WaitForError("training begins")) << run.Wait().err;
  const Finished refused = Ctl({"scale", "--servers", "3"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("come by themselves"));
  Program third("ps_server", scheduler, place_.path());
  Program late("ps_worker", scheduler, place_.path());
  ASSERT_TRUE(Settles(run, 3, 3));
  first.Signal(SIGTERM);
  worker.Signal(SIGTERM);
  EXPECT_EQ(worker.Wait().exit_code, 0);
  EXPECT_EQ(first.Wait().exit_code, 0);
  ASSERT_TRUE(Settles(run, 2, 2));
  const Finished finished = run.Wait(300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, Not(HasSubstr("rollback")));
  for (Program* node : {&second, &third, &another, &late}) EXPECT_EQ(node->Wait().exit_code, 0);
  ExpectCounted();
}

TEST_F(ScalingTest, ByThePolicyOfTheJob) {
  Program run("ps_train",
              {"--config", "job.yaml", "--set",
               "cluster.scale={memory_per_server_gib: 0.001, max_servers: 3, rows_per_s: 1, "
               "min_workers: 3, max_workers: 4, every: 0.5}"},
              place_.path());
  ASSERT_TRUE(run.WaitForError("the scaling policy wants")) << run.Wait().err;
  ASSERT_TRUE(Settles(run, 3, 3));
  EXPECT_THAT(Ctl({"status"}).out, HasSubstr("MiB a server of 1.02 wanted"));
  const Finished finished = run.Wait(300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_THAT(finished.err, Not(HasSubstr("rollback")));
  ExpectCounted();
}

TEST_F(ScalingTest, APolicyNeedsProcessesOfThisProgram) {
  const std::string policy = "cluster.scale={rows_per_s: 1, max_workers: 4}";
  for (const std::vector<std::string>& how :
       {std::vector<std::string>{"--listen", "tcp://127.0.0.1:0"},
        std::vector<std::string>{"--set", "cluster.servers=0", "--set", "cluster.workers=0"}}) {
    std::vector<std::string> arguments = {"--config", "job.yaml", "--set", policy};
    arguments.insert(arguments.end(), how.begin(), how.end());
    const Finished run = RunProgram("ps_train", arguments, place_.path());
    EXPECT_EQ(run.exit_code, 2);
    EXPECT_THAT(run.err, HasSubstr("cluster.scale is for processes that ps_train starts itself"));
  }
}

// Nobody has welcomed it: nothing is to be given away.
TEST_F(ScalingTest, ANodeWithoutASchedulerEndsAtOnce) {
  for (const char* program : {"ps_server", "ps_worker"}) {
    Program node(program, {"--scheduler=tcp://127.0.0.1:9"}, place_.path());
    std::this_thread::sleep_for(std::chrono::seconds(2));  // until it listens to signals
    EXPECT_TRUE(node.Running());
    node.Signal(SIGTERM);
    EXPECT_EQ(node.Wait(30).exit_code, 0) << program;
  }
}

TEST_F(ScalingTest, WithStalenessZeroWorkersComeAndGoButServersStay) {
  Program run("ps_train", {"--config", "job.yaml", "--set", "train.staleness=0", "--set", "train.batch_rows=200"}, place_.path());
  ASSERT_TRUE(run.WaitForError("training begins")) << run.Wait().err;
  const Finished refused = Ctl({"scale", "--servers", "3"});
  EXPECT_EQ(refused.exit_code, 1);
  EXPECT_THAT(refused.err, HasSubstr("the number of servers is fixed"));
  EXPECT_EQ(Ctl({"scale", "--workers", "3"}).exit_code, 0);
  ASSERT_TRUE(Settles(run, 2, 3));
  EXPECT_EQ(Ctl({"scale", "--workers", "1"}).exit_code, 0);
  ASSERT_TRUE(Settles(run, 2, 1));
  const Finished finished = run.Wait(300);
  ASSERT_EQ(finished.exit_code, 0) << finished.err;
  ExpectCounted();
}

// Bounded staleness: without its chunks going to others, the others would soon wait for it until it is given up.
TEST_F(ScalingTest, AStoppedWorkerIsNotWaitedFor) {
  Program run("ps_train", {"--config", "job.yaml", "--set", "cluster.failure_timeout=600"}, place_.path());
  ASSERT_TRUE(run.WaitForError("training begins")) << run.Wait().err;
  const auto rows = [&] {
    const auto status = JsonReader::Read(Ctl({"status", "--json"}).out);
    return status.has_value() ? NumberAt(*status, "rows_learnt") : 0;
  };
  const auto waits = [&](const std::function<bool()>& condition) {
    for (int i = 0; i < 3000 && run.Running() && !condition(); ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
    return condition();
  };
  const auto says = [&](const char* text) { return Ctl({"status"}).out.find(text) != std::string::npos; };
  ASSERT_TRUE(waits([&] { return rows() > 0; }));
  const auto pid = static_cast<pid_t>(NumberAt(Living("workers").front(), "pid"));
  ASSERT_EQ(kill(pid, SIGSTOP), 0);
  EXPECT_TRUE(waits([&] { return says("has said nothing"); }));
  const double then = rows();
  EXPECT_TRUE(waits([&] { return rows() > then + 2 * kRows; })) << "two whole passes";
  EXPECT_EQ(Living("workers").size(), 2u) << "it is not given up";
  ASSERT_EQ(kill(pid, SIGCONT), 0);
  EXPECT_TRUE(waits([&] { return says("is heard again"); }));
  const Finished finished = run.Wait();
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  ExpectCounted();
}

TEST_F(ScalingTest, AcknowledgedByThePrimaryAlone) {
  const Finished run = RunProgram("ps_train", {"--config", "job.yaml", "--set", "cluster.replicas=2", "--set", "cluster.ack=primary",
                                               "--set", "train.passes=20"}, place_.path());
  EXPECT_EQ(run.exit_code, 0) << run.err;
  data_.ExpectCounted(place_ / "out", 20);
}

}  // namespace
}  // namespace ps
