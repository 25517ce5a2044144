// Real clusters on this machine: threads over the in-process transport, and ps_server and ps_worker
// processes over ZeroMQ, on a small libsvm file.
#include "trainer/cluster/cluster_run.h"

#include <signal.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "models/features/extractor.h"

namespace ps {
namespace {

struct Collected : JobEvents {
  std::vector<Key> keys;
  std::vector<float> weights;
  std::vector<PassReport> passes;
  bool OnPassEnd(const PassReport& report) override {
    passes.push_back(report);
    return true;
  }
  void OnWeights(absl::Span<const Key> k, absl::Span<const float> w) override {
    keys.insert(keys.end(), k.begin(), k.end());
    weights.insert(weights.end(), w.begin(), w.end());
  }
};

class ClusterRunTest : public ::testing::Test {
 protected:
  static constexpr int kRows = 6000;

  ClusterRunTest()
      : directory_(std::filesystem::temp_directory_path() /
                   absl::StrCat("cluster_run_", ::getpid())) {
    std::filesystem::create_directories(directory_);
  }
  ~ClusterRunTest() override { std::filesystem::remove_all(directory_); }

  // Label 1 where more odd features than even ones are on, with some noise.
  ClusterJob MakeJob(int staleness, int bad_rows = 0) {
    std::ofstream file(directory_ / "train.svm");
    std::mt19937_64 random(5);
    for (int r = 0; r < kRows; ++r) {
      int odd = 0;
      std::string features;
      std::uint64_t index = 0;
      for (int f = 0; f < 8; ++f) {
        index += 1 + random() % 40;
        distinct_.insert(index);
        odd += (index & 1) != 0 ? 1 : -1;
        absl::StrAppend(&features, " ", index, ":1");
      }
      const bool positive = (odd > 0) != (random() % 20 == 0);
      if (r < bad_rows) features = " nonsense";
      file << (positive ? "1" : "0") << features << "\n";
    }
    file.close();
    ClusterJob job;
    job.config.data.format = DataFormat::kLibsvm;
    job.config.train.staleness = staleness;
    job.config.train.passes = 2;
    job.config.train.batch_rows = 32;
    absl::StatusOr<DataFiles> files = DataFiles::Open({(directory_ / "train.svm").string()});
    EXPECT_TRUE(files.ok()) << files.status();
    job.train = *std::move(files);
    auto extractor = Extractor::Compile(job.config, job.train);
    EXPECT_TRUE(extractor.ok()) << extractor.status();
    job.extractor = (*extractor)->Serialize();
    return job;
  }

  static LocalClusterOptions LocalOptions() {
    LocalClusterOptions options;
    const char* directory = std::getenv("PS_BIN_DIR");
    if (directory != nullptr) options.program_dir = directory;
    options.dead_after = std::chrono::seconds(60);  // a busy machine is no failure here
    return options;
  }

  void ExpectLearnt(const Collected& got) const {
    ASSERT_EQ(got.passes.size(), 2u);
    for (const PassReport& report : got.passes) {
      EXPECT_EQ(report.counts.learnt, kRows);
      EXPECT_EQ(report.counts.rows, kRows);
      EXPECT_EQ(report.counts.lines, kRows);
      EXPECT_EQ(report.progressive.rows(), kRows);
    }
    EXPECT_LT(got.passes[1].progressive.Finish().logloss, 0.5);
    EXPECT_GT(got.keys.size(), 200u);
    EXPECT_EQ(got.passes[1].entries, distinct_.size() + 1) << "the features and the intercept";
  }

  static void ExpectSameBytes(const Collected& a, const Collected& b) {
    ASSERT_EQ(a.keys, b.keys);
    EXPECT_EQ(std::memcmp(a.weights.data(), b.weights.data(), a.weights.size() * 4), 0);
  }

  const std::filesystem::path directory_;
  std::set<std::uint64_t> distinct_;  // indices in the file
};

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

TEST_F(ClusterRunTest, TooManyBadRowsEndTheJob) {
  const ClusterJob job = MakeJob(4, 60);
  Collected got;
  const auto result = RunEmbeddedCluster(job, {1, 2}, {&got, {}});
  EXPECT_TRUE(absl::IsDataLoss(result.status())) << result.status();
  EXPECT_NE(result.status().message().find("60 of 6000 lines"), std::string::npos)
      << result.status();
  EXPECT_NE(result.status().message().find("train.svm"), std::string::npos) << result.status();
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
  explicit Killer(std::string program) : program(std::move(program)) {}
  void OnLearnt(const LearntRows&) override {
    if (++batches != 20) return;
    victim = ChildRunning(program);
    ASSERT_GT(victim, 0);
    ASSERT_EQ(::kill(victim, SIGKILL), 0);
  }
  const std::string program;
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

TEST_F(ClusterRunTest, AKilledServerEndsTheJobAndIsNamed) {
  const ClusterJob job = MakeJob(4);
  Killer got("ps_server");
  const auto result = RunLocalCluster(job, {2, 2}, {&got, {}}, LocalOptions());
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_NE(result.status().message().find(
                absl::StrCat("ps_server (pid ", got.victim, ") was killed by signal 9")),
            std::string::npos)
      << result.status();
}

TEST_F(ClusterRunTest, WithoutWorkersTheJobEnds) {
  const ClusterJob job = MakeJob(4);
  Killer got("ps_worker");
  const auto result = RunLocalCluster(job, {1, 1}, {&got, {}}, LocalOptions());
  EXPECT_TRUE(absl::IsUnavailable(result.status())) << result.status();
  EXPECT_NE(result.status().message().find("worker"), std::string::npos) << result.status();
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
