// Trees on a cluster of processes: the bytes of one process, kills included.
#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <sstream>
#include <tuple>

#include "tests/end_to_end/gbdt_fixture.h"

namespace ps {
namespace {

using GbdtClusterTest = GbdtTest;

TEST_F(GbdtClusterTest, TheSameBytesOnAnyCluster) {
  Generate(place_.path(), "train.svm", "libsvm", 20000);
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}, split: {by: ratio, valid: 0.2}}\n"
            "model: {type: gbdt, gbdt: {trees: 10, row_sample: 0.8}}\n");
  for (const char* job : {"job.yaml", "sparse.yaml"}) {
    const Finished here = Train({"train.early_stopping={patience: 5}"}, job);
    ASSERT_EQ(here.exit_code, 0) << here.err;
    const std::string trees = ReadText(place_ / "out/trees.pb");
    const JsonValue expected = MetricsOf(place_ / "out");
    for (const auto& [shape, distribution] :
         {std::pair{"1x1", "rows"}, {"2x3", "rows"}, {"1x1", "columns"}, {"1x3", "columns"}}) {
      const Finished run = RunProgram(
          "ps_train",
          {"--config", job, "--local", shape, "--set", "train.early_stopping={patience: 5}",
           "--set", std::string("model.gbdt.distribution=") + distribution},
          place_.path());
      ASSERT_EQ(run.exit_code, 0) << run.err;
      EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees) << job << " " << shape;
      const JsonValue metrics = MetricsOf(place_ / "out");
      for (const char* number : {"train.auc", "valid.auc", "valid.logloss", "rows_learnt", "trees"})
        EXPECT_EQ(NumberAt(metrics, number), NumberAt(expected, number)) << number;
      EXPECT_NEAR(NumberAt(metrics, "train.logloss"), NumberAt(expected, "train.logloss"), 1e-9);
      EXPECT_GT(NumberAt(metrics, "wire_bytes_per_tree"), 1000);
      EXPECT_EQ(metrics.members.at("distribution").text, distribution);
      EXPECT_GT(NumberAt(metrics, "estimated_wire_bytes_per_tree.rows"), 0);
    }
  }
}

TEST_F(GbdtClusterTest, WorkersSayWhatTreesGrowOn) {
  const auto train = [&](const char* device) {
    return RunProgram("ps_train", {"--config", "job.yaml", "--local", "1x2", "--set", "model.gbdt.trees=5", "--set", device},
                      place_.path());
  };
  const Finished cpu = train("device=cpu");
  ASSERT_EQ(cpu.exit_code, 0) << cpu.err;
  EXPECT_NE(cpu.err.find("trees grow at 2 workers on "), std::string::npos) << cpu.err;
  EXPECT_NE(cpu.err.find(" of the processor: device: cpu\n"), std::string::npos) << cpu.err;
  const std::string trees = ReadText(place_ / "out/trees.pb");
  const Finished choice = train("device=auto");
  ASSERT_EQ(choice.exit_code, 0) << choice.err;
  EXPECT_NE(choice.err.find("trees grow at 2 workers on "), std::string::npos) << choice.err;
  EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees);
  const Finished cuda = train("device=cuda");
  if (cuda.exit_code != 0) {
    EXPECT_EQ(cuda.exit_code, 5) << cuda.err;
    EXPECT_NE(cuda.err.find("ps_train: device: cuda cannot be had: "), std::string::npos) << cuda.err;
    return;
  }
  EXPECT_EQ(MetricsOf(place_ / "out").members.at("device").text, "cuda");
  EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees);
}

TEST_F(GbdtClusterTest, KilledNodesCostNoBit) {
  ASSERT_EQ(Train({"model.gbdt.trees=400"}).exit_code, 0);
  const std::string trees = ReadText(place_ / "out/trees.pb");
  for (const char* distribution : {"rows", "columns"}) {
    Program run("ps_train",
                {"--config", "job.yaml", "--local", "2x2", "--set", "model.gbdt.trees=400", "--set",
                 std::string("model.gbdt.distribution=") + distribution},
                place_.path());
    for (const char* name : {"ps_worker", "ps_server"}) {
      ASSERT_TRUE(run.WaitForError(name == std::string("ps_worker") ? "8/400" : "32/400"));
      for (const auto& [pid, program] : run.Children()) {
        if (program != name) continue;
        ASSERT_EQ(::kill(pid, SIGKILL), 0);
        break;
      }
    }
    const std::map<pid_t, std::string> children = run.Children();
    const Finished finished = run.Wait();
    ASSERT_EQ(finished.exit_code, 0) << finished.err;
    EXPECT_NE(finished.err.find("killed by signal 9"), std::string::npos) << finished.err;
    EXPECT_TRUE(ReadText(place_ / "out/trees.pb") == trees) << distribution;
    EXPECT_TRUE(AllGone(children));
  }
}

// A job that says nothing takes what costs less, and says what it took before it reads.
TEST_F(GbdtClusterTest, SharesWhatCostsLess) {
  Generate(place_.path(), "train.svm", "libsvm", 20000);
  WriteText(place_ / "sparse.yaml",
            "data: {train: {files: [train.svm]}}\n"
            "model: {type: gbdt, gbdt: {trees: 10}}\n");
  // Few cells and many rows: histograms are small.
  for (const auto& [job, setting, said] :
       {std::tuple{"sparse.yaml", "model.gbdt.max_leaves=64", "distribution: columns (auto)"},
        std::tuple{"job.yaml", "model.gbdt={max_bins: 8, max_leaves: 4}", "distribution: rows (auto)"}}) {
    std::vector<std::string> arguments{"--config", job, "--local", "2x2", "--set", setting};
    const Finished trained = RunProgram("ps_train", arguments, place_.path());
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
    EXPECT_NE(trained.err.find(said), std::string::npos) << trained.err;
    arguments.push_back("--dry_run");
    const Finished plan = RunProgram("ps_train", arguments, place_.path());
    ASSERT_EQ(plan.exit_code, 0) << plan.err;
    EXPECT_NE(plan.out.find(said), std::string::npos) << plan.out;
  }
  EXPECT_EQ(Train({"model.gbdt.distribution=cells"}).exit_code, 2);
}

TEST_F(GbdtClusterTest, BadInputOnAClusterHasADefinedEnd) {
  const auto train = [&](const std::string& rows) {
    WriteText(place_ / "bad.csv", "color,size,x,label\n" + rows);
    return RunProgram("ps_train",
                      {"--config", "job.yaml", "--local", "1x2", "--set",
                       "data.train.files=[bad.csv]", "--set", "data.split.valid=0"},
                      place_.path());
  };
  EXPECT_EQ(train("").exit_code, 3);
  const Finished malformed = train(Table(1000, 6).substr(19) + "red,1,inf,yes\nred,1,inf,no\n");
  EXPECT_EQ(malformed.exit_code, 3) << malformed.err;
  EXPECT_NE(malformed.err.find("inf"), std::string::npos) << malformed.err;
  EXPECT_EQ(train("red,1,0.5,yes\n").exit_code, 0);
}

}  // namespace
}  // namespace ps
