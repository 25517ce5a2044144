// Real clusters on this machine: threads over the in-process transport, and ps_server and ps_worker
// processes over ZeroMQ, on a small libsvm file.
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "models/data/row_split.h"
#include "ps/wire/zeromq_transport.h"
#include "tests/cluster/cluster_run_fixture.h"

namespace ps {
namespace {

TEST_F(ClusterRunTest, ThreadsAndProcessesLearnEveryRow) {
  const ClusterJob job = MakeJob(4);
  Collected threads, processes;
  const auto embedded = RunEmbeddedCluster(job, {2, 2}, {&threads, {}});
  ASSERT_TRUE(embedded.ok()) << embedded.status();
  EXPECT_EQ(embedded->passes_done, 2u);
  ExpectLearnt(threads);
  const auto local = RunLocalCluster(job, {2, 2}, {&processes, {}}, LocalOptions());
  ASSERT_TRUE(local.ok()) << local.status();
  ExpectLearnt(processes);
}

TEST_F(ClusterRunTest, StalenessZeroIsTheSameBytesInThreadsAndProcesses) {
  const ClusterJob job = MakeJob(0);
  Collected one, threads, processes;
  ASSERT_TRUE(RunEmbeddedCluster(job, {1, 1}, {&one, {}}).ok());
  ASSERT_TRUE(RunEmbeddedCluster(job, {3, 2}, {&threads, {}}).ok());
  ASSERT_TRUE(RunLocalCluster(job, {2, 3}, {&processes, {}}, LocalOptions()).ok());
  ExpectLearnt(one);
  ExpectSameBytes(one, threads);
  ExpectSameBytes(one, processes);
}

// Without one, by what the workers say themselves; with one, to the same bytes.
TEST_F(ClusterRunTest, WorkersTakeTheirGpuOrSayThatThereIsNone) {
  ClusterJob job = MakeJob(0);
  Collected processor, cuda;
  ASSERT_TRUE(RunLocalCluster(job, {1, 1}, {&processor, {}}, LocalOptions()).ok());
  job.config.device = "cuda";
  const absl::Status status = RunLocalCluster(job, {1, 2}, {&cuda, {}}, LocalOptions()).status();
  if (status.ok()) return ExpectSameBytes(processor, cuda);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_NE(status.message().find("device: cuda cannot be had: "), std::string::npos) << status;
  EXPECT_TRUE(cuda.passes.empty());
}

// Hands over the weights of one lane.
struct OneLane : Collected {
  explicit OneLane(std::uint32_t lane) : lane(lane) {}
  std::uint32_t LeadingLane() override { return lane; }
  const std::uint32_t lane;
};

TEST_F(ClusterRunTest, InStepsALaneIsTheJobOfItsSetting) {
  ClusterJob job = MakeJob(0), alone = job;
  for (int k = 0; k < 8; ++k) {
    const auto step = static_cast<float>(k + 1);
    job.lanes.push_back({Optimizer::kFtrl, 0.05f * step, 0.2f * step, k % 2 == 0 ? 0.0f : 0.1f, 0.5f * step, 0.2f});
  }
  for (const std::uint32_t lane : {0u, 5u}) {
    OneLane got(lane);
    ASSERT_TRUE(RunEmbeddedCluster(job, {2, 2}, {&got, {}}).ok());
    ExpectLearnt(got);
    alone.lanes = {job.lanes[lane]};
    Collected plain;
    ASSERT_TRUE(RunEmbeddedCluster(alone, {1, 2}, {&plain, {}}).ok());
    ExpectSameBytes(plain, got);
    EXPECT_EQ(plain.passes[1].progressive.Finish().logloss, got.passes[1].progressive.Finish().logloss);
  }
}

TEST_F(ClusterRunTest, EachFoldOfTheValidationRowsIsHeldOutFromTheNodes) {
  ClusterJob job = MakeJob(0);
  std::ifstream file(PathOf("train.svm"));
  const std::string text(std::istreambuf_iterator<char>(file), {});
  std::set<std::size_t> learnt;
  for (int fold = 0; fold < 4; ++fold) {
    job.config.data.split = {.valid = 0.2, .test = 0.2, .valid_fold = fold};
    const RowSplit split(job.config.train.seed, job.config.data.split, 1);
    // Without the rows that are held out, the others where they were: a job that can learn no
    // others.
    std::string without = text;
    std::size_t rows = 0;
    for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
      const std::size_t end = text.find('\n', begin);
      const bool learns = split.PartOf({0, begin}, text[begin] == '1' ? 1 : 0) == Part::kTrain;
      rows += learns;
      if (!learns) without.replace(begin, end - begin, end - begin, ' ');
    }
    std::ofstream(PathOf("without.svm")) << without;
    ClusterJob reference = JobOf({"without.svm"}, 0);
    reference.config.data.max_bad_rows = 1;
    Collected want, got;
    ASSERT_TRUE(RunEmbeddedCluster(reference, {1, 1}, {&want, {}}).ok());
    ASSERT_TRUE(RunEmbeddedCluster(job, {2, 2}, {&got, {}}).ok());
    ASSERT_EQ(got.passes.size(), 2u);
    EXPECT_EQ(got.passes[1].counts.learnt, rows) << fold;
    EXPECT_EQ(want.passes[1].counts.learnt, rows) << fold;
    ExpectSameBytes(want, got);
    learnt.insert(rows);
  }
  EXPECT_GT(learnt.size(), 1u) << "the folds must differ";
}

TEST_F(ClusterRunTest, TooManyBadRowsEndTheJob) {
  const ClusterJob job = MakeJob(4, 60);
  Collected got;
  const auto result = RunEmbeddedCluster(job, {1, 2}, {&got, {}});
  EXPECT_TRUE(absl::IsDataLoss(result.status())) << result.status();
  EXPECT_NE(result.status().message().find("60 of 6000 rows are malformed"), std::string::npos)
      << result.status();
  // Who has the files is asked to say where the first ones are, in their order.
  EXPECT_NE(result.status().message().find("The first of them:\n0:0 0:11 0:22 "), std::string::npos)
      << result.status();
}

TEST_F(ClusterRunTest, ARequestToStopEndsTheJobEarlyWithItsWeights) {
  ClusterJob job = MakeJob(4);
  job.config.train.passes = 100000;
  Collected got;
  const auto result =
      RunEmbeddedCluster(job, {2, 2}, {&got, [&] { return got.passes.size() >= 2; }});
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->interrupted);
  EXPECT_LT(result->passes_done, 100000u);
  EXPECT_GT(got.keys.size(), 200u);
}

// A child of this process that runs `program`, or 0.
pid_t ChildRunning(const std::string& program) {
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream stat(entry.path() / "stat");
    std::string pid, name, state, parent;
    if (stat >> pid >> name >> state >> parent && name == "(" + program + ")" &&
        parent == std::to_string(::getpid())) {
      return std::stoi(pid);
    }
  }
  return 0;
}

// Kills a process of the cluster once some rows are learnt.
struct Killer : Collected {
  explicit Killer(std::string program, int signal = SIGKILL)
      : program(std::move(program)), signal(signal) {}
  void OnLearnt(const LearntRows&) override {
    if (++batches != 20) return;
    victim = ChildRunning(program);
    ASSERT_GT(victim, 0);
    ASSERT_EQ(::kill(victim, signal), 0);
  }
  const std::string program;
  const int signal;
  int batches = 0;
  pid_t victim = 0;
};

TEST_F(ClusterRunTest, AKilledWorkersRowsAreLearntOnceByTheOthers) {
  const ClusterJob job = MakeJob(0);
  Collected reference;
  ASSERT_TRUE(RunEmbeddedCluster(job, {1, 1}, {&reference, {}}).ok());
  Killer got("ps_worker");
  const auto result = RunLocalCluster(job, {2, 2}, {&got, {}}, LocalOptions());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_GT(got.victim, 0);
  ExpectLearnt(got);
  ExpectSameBytes(reference, got);
}

TEST_F(ClusterRunTest, AKilledServerIsReplacedAndEveryRowCountsOnce) {
  for (const int replicas : {1, 2}) {
    ClusterJob job = MakeJob(4);
    job.config.cluster.replicas = replicas;
    Killer got("ps_server");
    const auto result = RunLocalCluster(job, {3, 2}, {&got, {}}, LocalOptions());
    ASSERT_TRUE(result.ok()) << result.status();
    EXPECT_GT(got.victim, 0);
    ExpectLearnt(got);
  }
}

TEST_F(ClusterRunTest, WithoutServersTheJobEndsAndTheyAreNamed) {
  const ClusterJob job = MakeJob(4);
  Killer got("ps_server");
  LocalClusterOptions options = LocalOptions();
  options.most_restarts = 0;
  const auto result = RunLocalCluster(job, {1, 2}, {&got, {}}, options);
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_NE(result.status().message().find(
                absl::StrCat("ps_server (pid ", got.victim, ") was killed by signal 9")),
            std::string::npos)
      << result.status();
}

TEST_F(ClusterRunTest, WithoutWorkersTheJobEnds) {
  const ClusterJob job = MakeJob(4);
  Killer got("ps_worker");
  LocalClusterOptions options = LocalOptions();
  options.most_restarts = 0;
  const auto result = RunLocalCluster(job, {1, 1}, {&got, {}}, options);
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_NE(result.status().message().find("worker"), std::string::npos) << result.status();
}

TEST_F(ClusterRunTest, SeveralFilesPlainAndCompressed) {
  // A path that is not UTF-8 is a path like others.
  const std::vector<std::string> names = {"a.svm", "b\xff.svm", "c.svm"};
  for (int i = 0; i < 3; ++i) WriteRows(names[i], i * kRows / 3, (i + 1) * kRows / 3, 0);
  ASSERT_EQ(std::system(absl::StrCat("gzip '", PathOf("c.svm"), "'").c_str()), 0);
  const ClusterJob job = JobOf({names[0], names[1], "c.svm.gz"}, 0);
  Collected threads, processes;
  const auto embedded = RunEmbeddedCluster(job, {1, 2}, {&threads, {}});
  ASSERT_TRUE(embedded.ok()) << embedded.status();
  const auto local = RunLocalCluster(job, {2, 2}, {&processes, {}}, LocalOptions());
  ASSERT_TRUE(local.ok()) << local.status();
  ExpectLearnt(processes);
  ExpectSameBytes(threads, processes);
}

TEST_F(ClusterRunTest, AJobStoppedBeforeItsThreadsHaveComeEnds) {
  const ClusterJob job = MakeJob(4);
  for (int i = 0; i < 20; ++i) {
    Collected got;
    const auto result = RunEmbeddedCluster(job, {3, 3}, {&got, [] { return true; }});
    EXPECT_TRUE(absl::IsCancelled(result.status())) << result.status();
  }
}

TEST_F(ClusterRunTest, Int8IsRefusedWhereBytesMayNotDependOnTheServers) {
  ClusterJob job = MakeJob(0);
  job.config.cluster.values = "int8";
  Collected got;
  EXPECT_TRUE(absl::IsInvalidArgument(RunEmbeddedCluster(job, {1, 1}, {&got, {}}).status()));
  job.config.train.staleness = 4;
  EXPECT_TRUE(RunEmbeddedCluster(job, {2, 1}, {&got, {}}).ok());
}

// A process of the test's own; killed at the end if it is still there.
class Process {
 public:
  explicit Process(const std::vector<std::string>& argv) {
    std::vector<char*> arguments;
    for (const std::string& a : argv) arguments.push_back(const_cast<char*>(a.c_str()));
    arguments.push_back(nullptr);
    EXPECT_EQ(::posix_spawn(&pid_, arguments[0], nullptr, nullptr, arguments.data(), environ), 0);
  }
  ~Process() {
    if (pid_ > 0) ::kill(pid_, SIGKILL);
    (void)ExitCode();
  }
  // Waits for its end.
  int ExitCode() {
    if (pid_ > 0) ::waitpid(std::exchange(pid_, 0), &state_, 0);
    return WIFEXITED(state_) ? WEXITSTATUS(state_) : -1;
  }

 private:
  pid_t pid_ = 0;
  int state_ = -1;
};

std::string FreeEndpoint() {
  const absl::StatusOr<std::unique_ptr<Transport>> transport = OpenZeroMqTransport({});
  EXPECT_TRUE(transport.ok());
  return (*transport)->endpoint();
}

TEST_F(ClusterRunTest, NodesThatComeByThemselvesAndAServerWithTwoShards) {
  for (int staleness : {0, 4}) {
    const ClusterJob job = MakeJob(staleness);
    const std::string listen = FreeEndpoint();
    const std::string scheduler = absl::StrCat("--scheduler=", listen);
    Process server({Program("ps_server"), scheduler, "--shards=2"});
    Process worker({Program("ps_worker"), scheduler});
    Process another({Program("ps_worker"), scheduler});
    Collected got;
    const auto result = RunJoinedCluster(job, {2, 2}, {&got, {}}, {.listen = listen});
    ASSERT_TRUE(result.ok()) << result.status();
    ExpectLearnt(got);
    EXPECT_EQ(server.ExitCode(), 0);
    EXPECT_EQ(worker.ExitCode(), 0);
    EXPECT_EQ(another.ExitCode(), 0);
    if (staleness != 0) continue;
    Collected reference;
    ASSERT_TRUE(RunEmbeddedCluster(job, {1, 1}, {&reference, {}}).ok());
    ExpectSameBytes(reference, got);
  }
}

TEST_F(ClusterRunTest, AJobWhoseNodesDoNotComeSaysWhoIsMissing) {
  const ClusterJob job = MakeJob(4);
  const std::string listen = FreeEndpoint();
  Process server({Program("ps_server"), absl::StrCat("--scheduler=", listen), "--shards=2"});
  Collected got;
  const auto result = RunJoinedCluster(job, {3, 1}, {&got, {}},
                                       {.listen = listen, .gather_limit = std::chrono::seconds(3)});
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_NE(result.status().message().find("of 3 servers and 0 of 1 workers"), std::string::npos)
      << result.status();
}

TEST_F(ClusterRunTest, PsTrainWaitsForNodesStartedByHand) {
  WriteRows("train.svm", 0, kRows, 0);
  const std::string listen = FreeEndpoint();
  std::ofstream(PathOf("job.yaml"))
      << "job: by_hand\ndata: {format: libsvm, train: {files: [" << PathOf("train.svm")
      << "]}}\ncluster: {servers: 2, workers: 1}\noutput: {dir: " << PathOf("model") << "}\n";
  Process train({Program("ps_train"), "--config", PathOf("job.yaml"), "--listen", listen});
  Process server({Program("ps_server"), absl::StrCat("--scheduler=", listen)});
  Process another({Program("ps_server"), absl::StrCat("--scheduler=", listen)});
  Process worker({Program("ps_worker"), absl::StrCat("--scheduler=", listen)});
  EXPECT_EQ(train.ExitCode(), 0);
  EXPECT_EQ(server.ExitCode(), 0);
  EXPECT_EQ(another.ExitCode(), 0);
  EXPECT_EQ(worker.ExitCode(), 0);
  EXPECT_TRUE(std::filesystem::exists(PathOf("model/metrics.json")));
}

// As a service manager does: every process of the job gets it.
TEST_F(ClusterRunTest, SigtermToAllStillLeavesTheWeights) {
  ClusterJob job = MakeJob(4);
  job.config.train.passes = 100000;
  Killer got("ps_server", SIGTERM);
  const auto result =
      RunLocalCluster(job, {1, 1}, {&got, [&] { return got.batches > 100; }}, LocalOptions());
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->interrupted);
  EXPECT_GT(got.victim, 0);
  EXPECT_GT(got.keys.size(), 200u);
}

TEST_F(ClusterRunTest, MissingProgramsAreAnError) {
  const ClusterJob job = MakeJob(4);
  Collected got;
  LocalClusterOptions options;
  options.program_dir = directory_.string();
  const auto result = RunLocalCluster(job, {1, 1}, {&got, {}}, options);
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_NE(result.status().message().find("ps_server"), std::string::npos);
}

}  // namespace
}  // namespace ps
