// The embedded trainer as a library: the same weights for any number of threads, over passes, with hold-out and
// admission, starting and stopping.
#include "trainer/embedded/embedded_trainer.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <random>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/bundle/scorer.h"
#include "models/config/load.h"
#include "tests/trainer/trained_job.h"
#include "trainer/held_out.h"
#include "trainer/prepared_job.h"

namespace ps {
namespace {

// The same job by one thread and by three, which must not show.
std::pair<Trained, Trained> TrainByOneAndByThree(const std::string& yaml, Overrides how) {
  const std::atomic<bool> stop{false};
  how.push_back("train.threads=1");
  Trained one = Train(yaml, how, stop);
  how.back() = "train.threads=3";
  Trained three = Train(yaml, how, stop);
  EXPECT_EQ(one.keys, three.keys);
  EXPECT_EQ(one.weights, three.weights);
  EXPECT_EQ(one.result.rows_learnt, one.result.rows_read);
  EXPECT_EQ(one.result.valid.has_value(), three.result.valid.has_value());
  if (one.result.valid && three.result.valid) {
    EXPECT_EQ(one.result.valid->logloss, three.result.valid->logloss);
    EXPECT_GT(one.result.valid->auc, 0.85);
  }
  return {std::move(one), std::move(three)};
}

TEST(EmbeddedTrainer, ThreadsDoNotChangeTheWeights) {
  const std::string yaml = Yaml(WriteRows(60'000));
  for (const Overrides& how : {Overrides{}, {"train.passes=3"}, {"model.min_count=3"}, {"train.batch_rows=64"},
                               {"train.passes=3", "train.early_stopping={patience: 1}"}}) {
    const auto [a, b] = TrainByOneAndByThree(yaml, how);
    EXPECT_EQ(a.result.rows_learnt, b.result.rows_learnt);
    EXPECT_TRUE(a.result.valid);
  }
}

TEST(EmbeddedTrainer, TheOptimumOverAllRowsIsTheSameForAnyNumberOfThreads) {
  const std::string yaml = Yaml(WriteRows(20'000));
  for (const Overrides& how : {Overrides{"model.optimizer={type: newton_cg, l2: 3}"}, {"model.optimizer={type: newton_cg, l2_evidence: true}"},
                               {"model.optimizer={type: newton_cg}", "model.min_count=3", "model.bias=false"}}) {
    const auto [a, b] = TrainByOneAndByThree(yaml, how);
    ASSERT_TRUE(a.result.valid);
    EXPECT_FALSE(a.result.progressive);
    EXPECT_LT(a.result.train.logloss, a.result.valid->logloss) << "of rows that it has learnt";
  }
}

TEST(EmbeddedTrainer, ThreadsDoNotChangeWhatTuningFinds) {
  const std::string yaml = Yaml(WriteRows(20'000));
  for (const Overrides& how : {Overrides{}, {"train.passes=4"}, {"model.min_count=3"},
                               {"train.passes=4", "train.early_stopping={patience: 1}"},
                               {"train.passes=3", "data.split.valid=0"}}) {
    Overrides tuned = how;
    tuned.insert(tuned.end(), {"model.optimizer={}", "model.tune=auto"});
    const auto [a, b] = TrainByOneAndByThree(yaml, tuned);
    ASSERT_TRUE(a.result.tuning && b.result.tuning);
    EXPECT_EQ(a.result.tuning->optimizer_yaml, b.result.tuning->optimizer_yaml);
    EXPECT_EQ(a.result.tuning->trace_json, b.result.tuning->trace_json);
  }
}

// So few rows that no lane can be born later: the model is to the byte what the printed setting trains.
TEST(EmbeddedTrainer, TheSettingThatTuningPrintsTrainsTheSameModel) {
  if (kThreadSanitizer) GTEST_SKIP() << "weights cannot be compared";
  const std::string yaml = Yaml(WriteRows(1'900));
  const std::atomic<bool> stop{false};
  const Trained tuned = Train(yaml, {"model.optimizer={}", "model.tune=auto"}, stop);
  ASSERT_TRUE(tuned.result.tuning);
  const Trained plain = Train(yaml, {"model.optimizer=" + tuned.result.tuning->optimizer_yaml}, stop);
  EXPECT_EQ(tuned.keys, plain.keys);
  EXPECT_EQ(tuned.weights, plain.weights);
  EXPECT_EQ(tuned.result.valid->logloss, plain.result.valid->logloss);
}

// How many features a tuned model has is looked at before its rows are enough to judge by.
TEST(EmbeddedTrainer, WideRowsAreDecidedOnEarly) {
  const std::string path = TempPath("wide.svm");
  {
    std::ofstream out(path);
    std::string features;
    for (int f = 1; f <= 6'000; ++f) absl::StrAppend(&features, " ", f, ":1");
    for (int r = 0; r < 1'400; ++r) out << (r % 3 == 0) << features << '\n';
  }
  const std::atomic<bool> stop{false};
  const Trained trained =
      Train(Yaml(path), {"model.optimizer={}", "model.tune=auto", "data.split.valid=0"}, stop);
  ASSERT_TRUE(trained.result.tuning);
  const std::string& trace = trained.result.tuning->trace_json;
  const std::string first = "\"decisions\": [\n    {\"rows\":";
  const std::size_t at = trace.find(first);
  ASSERT_NE(at, std::string::npos) << trace;
  EXPECT_LT(std::stoi(trace.substr(at + first.size())), 1'400);
  std::remove(path.c_str());
}

TEST(EmbeddedTrainer, TuningBeatsASettingThatIsFarOff) {
  const std::string yaml = Yaml(WriteRows(60'000));
  const std::atomic<bool> stop{false};
  const Trained tuned = Train(yaml, {"model.optimizer={}", "model.tune=auto"}, stop);
  for (const char* alpha : {"0.005", "20"}) {
    const Trained off = Train(yaml, {absl::StrCat("model.optimizer.alpha=", alpha)}, stop);
    EXPECT_LT(tuned.result.valid->logloss, off.result.valid->logloss) << alpha;
  }
}

TEST(EmbeddedTrainer, ATunedModelStartsFromAnotherModel) {
  if (kThreadSanitizer) GTEST_SKIP() << "needs a bundle, which the system's protobuf cannot read here";
  const std::string yaml = Yaml(WriteRows(20'000));
  const std::atomic<bool> stop{false};
  const Trained first = Train(yaml, {}, stop);
  const std::string start = TempPath("tuned_start");
  std::rename(TempPath("out").c_str(), start.c_str());
  const Trained second =
      Train(yaml, {"model.optimizer={}", "model.tune=auto", "model.warm_start=" + start}, stop);
  EXPECT_LT(second.result.train.logloss, first.result.train.logloss - 0.01);
}

TEST(EmbeddedTrainer, KeysThatAreNotAdmittedWeighNothing) {
  // Seven features and the bias fill a group: no padding behind them hides what a dropped key's value does.
  const std::string path = TempPath("seven.svm");
  {
    std::ofstream out(path);
    std::mt19937 random(5);
    for (int r = 0; r < 5'000; ++r) {
      out << random() % 2;
      for (int f = 0; f < 7; ++f) out << ' ' << 1 + f * 100'000 + random() % (f < 3 ? 5 : 90'000) << ":1.5";
      out << '\n';
    }
  }
  const std::atomic<bool> stop{false};
  for (const char* passes : {"train.passes=1", "train.passes=3"}) {
    const Trained trained = Train(Yaml(path), {"model.min_count=2", passes, "data.test.files=[" + path + "]"}, stop);
    if (kThreadSanitizer) continue;
    absl::StatusOr<std::unique_ptr<Bundle>> bundle = Bundle::Open(TempPath("out"));
    ASSERT_TRUE(bundle.ok());
    auto scorer = Scorer::FromBundle(*std::move(bundle));
    ASSERT_TRUE(scorer.ok()) << scorer.status();
    const DataFiles files = *DataFiles::Open({path});
    const absl::StatusOr<Metrics> again = EvaluateHeldOut({&files}, *(*scorer)->parser(), **scorer, 0, 2);
    ASSERT_TRUE(again.ok());
    EXPECT_NEAR(again->logloss, trained.result.test->logloss, 1e-5);
  }
}

TEST(EmbeddedTrainer, AWarmStartAdmitsNewKeys) {
  if (kThreadSanitizer) GTEST_SKIP() << "needs a bundle, which the system's protobuf cannot read here";
  const std::atomic<bool> stop{false};
  const auto rows = [](int first) {
    const std::string path = TempPath("from" + std::to_string(first) + ".svm");
    std::ofstream out(path);
    for (int r = 0; r < 2'000; ++r) out << r % 2 << ' ' << first + r % 2 << ":1 " << first + 2 + r % 50 << ":1\n";
    return path;
  };
  Train(Yaml(rows(1)), {}, stop);
  const std::string start = TempPath("admitting");
  std::rename(TempPath("out").c_str(), start.c_str());
  const Trained second = Train(Yaml(rows(1'000)), {"model.warm_start=" + start, "model.min_count=2"}, stop);
  EXPECT_EQ(second.result.features, 104u);  // 52 of each
}

TEST(EmbeddedTrainer, AReadErrorEndsAllThreads) {
  const std::string path = TempPath("one_line.svm");
  {
    std::ofstream out(path);
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 100; ++i) out << piece;  // a line beyond the limit
  }
  const std::atomic<bool> stop{false};
  absl::StatusOr<LoadedJob> loaded = ParseJob(Yaml(path), "test.yaml", {"train.threads=3"});
  absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
  ASSERT_TRUE(job.ok()) << job.status();
  ProgressReporter reporter(Nowhere(), {});
  EmbeddedTrainer trainer(&*job, &reporter, &stop);
  EXPECT_FALSE(trainer.Train().ok());
  std::remove(path.c_str());
}

TEST(EmbeddedTrainer, BadRowsAreJudgedInTheOrderOfTheData) {
  // 256 KiB without a bad row, then a block full of them, then many good ones: over all of it few rows are bad.
  const std::string path = TempPath("bad.svm");
  {
    std::ofstream out(path);
    for (int r = 0; r < 40'000; ++r) out << r % 2 << " 1:1 2:1\n";
    for (int r = 0; r < 3'000; ++r) out << "bad\n";
    for (int r = 0; r < 400'000; ++r) out << r % 2 << " 1:1 2:1\n";
  }
  const std::atomic<bool> stop{false};
  std::string first;
  for (const char* threads : {"1", "2", "7", "7"}) {
    absl::StatusOr<LoadedJob> loaded =
        ParseJob(Yaml(path), "test.yaml",
                 {"data.max_bad_rows=0.02", absl::StrCat("train.threads=", threads)});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
    ASSERT_TRUE(job.ok()) << job.status();
    ProgressReporter reporter(Nowhere(), {});
    EmbeddedTrainer trainer(&*job, &reporter, &stop);
    const absl::StatusOr<JobResult> result = trainer.Train();
    ASSERT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument) << result.status();
    if (first.empty()) first = std::string(result.status().message());
    EXPECT_EQ(std::string(result.status().message()), first) << threads << " threads";
  }
}

TEST(EmbeddedTrainer, RowsOfOnePassAddUp) {
  const std::atomic<bool> stop{false};
  const Trained trained = Train(Yaml(WriteRows(20'000)), {"data.keep_negatives=0.5"}, stop);
  EXPECT_EQ(trained.result.rows_learnt + trained.result.rows_valid + trained.result.rows_dropped, 20'000u);
  EXPECT_NEAR(trained.result.valid->calibration, 1.0, 0.15);
}

TEST(EmbeddedTrainer, AStartedModelGoesOnFromItsWeights) {
  if (kThreadSanitizer) GTEST_SKIP() << "needs a bundle, which the system's protobuf cannot read here";
  const std::string yaml = Yaml(WriteRows(20'000));
  const std::atomic<bool> stop{false};
  const Trained first = Train(yaml, {}, stop);
  const std::string start = TempPath("start");
  std::rename(TempPath("out").c_str(), start.c_str());
  const Trained second = Train(yaml, {"model.warm_start=" + start}, stop);
  EXPECT_LT(second.result.train.logloss, first.result.train.logloss - 0.01);
}

TEST(EmbeddedTrainer, AStopBeforeTheFirstRowKeepsNothing) {
  std::atomic<bool> stop{true};
  absl::StatusOr<LoadedJob> loaded = ParseJob(Yaml(WriteRows(20'000)), "test.yaml", {});
  absl::StatusOr<PreparedJob> job = PrepareJob(*std::move(loaded));
  ASSERT_TRUE(job.ok());
  ProgressReporter reporter(Nowhere(), {});
  EmbeddedTrainer trainer(&*job, &reporter, &stop);
  EXPECT_EQ(trainer.Train().status().code(), absl::StatusCode::kCancelled);
}

}  // namespace
}  // namespace ps
