// The same bytes whatever runs beside: threads, workers, servers, another run.
#include <gtest/gtest.h>

#include "tests/end_to_end/program.h"

namespace ps {
namespace {

class ReproducibleTest : public testing::Test {
 protected:
  void SetUp() override {
    Generate(place_.path(), "train.svm", "libsvm", 20000);
    WriteText(place_ / "job.yaml",
              "data:\n"
              "  train: {files: [train.svm]}\n"
              "  split: {by: ratio, valid: 0.1, test: 0.1}\n"
              "model:\n"
              "  optimizer: {type: ftrl, alpha: 0.05, l1: 0.1}\n");
  }

  // weights.bin of a run with the settings; `flags` come as they are.
  std::string Weights(const std::vector<std::string>& settings,
                      const std::vector<std::string>& flags = {}) {
    const Finished run = TrainJob(place_.path(), settings, "job.yaml", flags);
    EXPECT_EQ(run.exit_code, 0) << run.err;
    metrics_ = MetricsOf(place_ / "out");
    EXPECT_EQ(NumberAt(metrics_, "rows_read"), NumberAt(metrics_, "rows_learnt"));
    return ReadText(place_ / "out/weights.bin");
  }

  const Workplace place_;
  JsonValue metrics_;  // of the last run
};

TEST_F(ReproducibleTest, AnyNumberOfThreadsAndAnyRun) {
  for (const char* job : {"train.passes=1", "train.passes=3", "model.min_count=2"}) {
    SCOPED_TRACE(job);
    const std::string first = Weights({job, "train.threads=1"});
    const double logloss = NumberAt(metrics_, "test.logloss");
    EXPECT_GT(first.size(), 10000);
    for (const char* threads : {"train.threads=1", "train.threads=2", "train.threads=4"}) {
      SCOPED_TRACE(threads);
      EXPECT_TRUE(Weights({job, threads}) == first);
      EXPECT_EQ(NumberAt(metrics_, "test.logloss"), logloss);
    }
  }
}

TEST_F(ReproducibleTest, WhatTheJobSaysDoesChangeTheBytes) {
  const std::string first = Weights({});
  EXPECT_FALSE(Weights({"train.seed=2"}) == first);  // other rows are held out
  EXPECT_FALSE(Weights({"model.optimizer.alpha=0.06"}) == first);
  EXPECT_FALSE(Weights({"train.staleness=0"}) == first);
}

TEST_F(ReproducibleTest, StalenessZeroIsTheSameOnAnyCluster) {
  const std::vector<std::string> job{"train.staleness=0", "train.batch_rows=64"};
  const std::string embedded = Weights(job);
  const double logloss = NumberAt(metrics_, "test.logloss");
  const double learnt = NumberAt(metrics_, "rows_learnt");
  EXPECT_GT(embedded.size(), 10000);
  std::vector<std::string> four_threads = job;
  four_threads.push_back("train.threads=4");
  EXPECT_TRUE(Weights(four_threads) == embedded);
  for (const char* shape : {"1x1", "2x3", "2x3"}) {
    SCOPED_TRACE(shape);
    EXPECT_TRUE(Weights(job, {"--local", shape}) == embedded);
    EXPECT_NEAR(NumberAt(metrics_, "test.logloss"), logloss, 1e-12);
    EXPECT_EQ(NumberAt(metrics_, "rows_learnt"), learnt);
  }
}

TEST_F(ReproducibleTest, BatchesAreTheSameOnAnyThreadsAndOnAGpu) {
  const std::string one_by_one = Weights({}), one = Weights({"train.batch_rows=64", "train.threads=1"});
  EXPECT_FALSE(one == one_by_one);
  EXPECT_TRUE(Weights({"train.batch_rows=64", "train.threads=3"}) == one);
  const Finished gpu =
      TrainJob(place_.path(), {"train.batch_rows=64", "device=cuda", "output.dir=gpu"});
  if (gpu.err.find("device: cuda cannot be had") != std::string::npos) {
    EXPECT_EQ(gpu.exit_code, 5);
    GTEST_SKIP() << "no device: " << gpu.err;
  }
  ASSERT_EQ(gpu.exit_code, 0) << gpu.err;
  EXPECT_TRUE(ReadText(place_ / "gpu/weights.bin") == one);
}

TEST_F(ReproducibleTest, StalenessZeroWithSeveralPasses) {
  const std::vector<std::string> job{"train.staleness=0", "train.passes=3"};
  EXPECT_TRUE(Weights(job, {"--local", "3x2"}) == Weights(job));
}

}  // namespace
}  // namespace ps
