// What a job needs, estimated from a bounded part of its data, compressed or not.
#include "trainer/job_plan.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <random>
#include <string>
#include <vector>

#include "models/config/load.h"
#include "tests/data/bytes_read.h"
#include "tests/data/compressed_text.h"
#include "trainer/data_sample.h"

namespace ps {
namespace {

struct Text {
  std::string text;
  int rows = 0;
};

// About a megabyte of libsvm rows.
Text Megabyte() {
  Text made;
  std::mt19937 random(5);
  while (made.text.size() < 1'000'000) {
    made.text += random() % 4 == 0 ? "1" : "0";
    for (int i = 0; i < 10; ++i)
      made.text += " " + std::to_string(1 + i * 1000 + random() % 1000) + ":1";
    made.text += "\n";
    ++made.rows;
  }
  return made;
}

std::string Repeat(const std::string& text, int times) {
  std::string all;
  for (int i = 0; i < times; ++i) all += text;
  return all;
}

std::string Store(const std::string& name, const std::string& bytes) {
  return WriteFile("job_plan_" + std::to_string(::getpid()) + "_" + name, bytes);
}

absl::StatusOr<PreparedJob> JobOf(const std::vector<std::string>& files) {
  std::string yaml = "data:\n  format: libsvm\n  train:\n    files:\n";
  for (const std::string& file : files) yaml += "      - " + file + "\n";
  yaml += "output: {dir: " + Store("out", "") + "_dir}\n";
  absl::StatusOr<LoadedJob> loaded = ParseJob(yaml, "test.yaml", {});
  if (!loaded.ok()) return loaded.status();
  return PrepareJob(*std::move(loaded));
}

TEST(JobPlanTest, SmallCompressedDataAreCountedExactly) {
  const Text part = Megabyte();
  const auto job = JobOf({Store("small.gz", Gzip(part.text)), Store("small.zst", Zstd(part.text)),
                          Store("small.svm", part.text), Store("empty.gz", Gzip(""))});
  ASSERT_TRUE(job.ok()) << job.status();
  const auto plan = PlanJob(*job);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_TRUE(plan->exact);
  EXPECT_EQ(plan->rows, 3 * part.rows);
  EXPECT_NEAR(plan->features_per_row, 10, 1e-9);
}

TEST(JobPlanTest, OfLargeCompressedDataABoundedPartIsRead) {
  if (BytesRead() == 0) GTEST_SKIP() << "the system does not count bytes read";
  const Text part = Megabyte();
  for (const auto compress : {Gzip, Zstd}) {
    // Members and frames follow one another, so the file's length is known without compressing it.
    const std::string stored = compress(part.text);
    const auto job = JobOf({Store("large", Repeat(stored, 150))});
    ASSERT_TRUE(job.ok()) << job.status();
    const std::uint64_t before = BytesRead();
    const auto plan = PlanJob(*job);
    ASSERT_TRUE(plan.ok()) << plan.status();
    // kSampledPieces of the 150, read twice at most, and a buffer.
    EXPECT_LT(BytesRead() - before, 60 * stored.size() + 600'000);
    EXPECT_FALSE(plan->exact);
    EXPECT_NEAR(plan->rows, 150.0 * part.rows, 15.0 * part.rows);
    EXPECT_NEAR(plan->positives, 0.25, 0.05);
    EXPECT_NEAR(plan->features_per_row, 10, 0.1);
  }
}

TEST(JobPlanTest, DamageBehindTheSampledPartDoesNotMatter) {
  const Text part = Megabyte();
  const std::string stored = Zstd(part.text);
  const auto behind =
      JobOf({Store("behind", Repeat(stored, 100) + stored.substr(0, stored.size() / 2))});
  ASSERT_TRUE(behind.ok()) << behind.status();
  EXPECT_TRUE(PlanJob(*behind).ok());
  const auto within = JobOf({Store("within", stored + stored.substr(0, stored.size() / 2))});
  ASSERT_TRUE(within.ok()) << within.status();
  EXPECT_TRUE(absl::IsDataLoss(PlanJob(*within).status()));
}

TEST(JobPlanTest, PlainAndCompressedFilesTogether) {
  const Text part = Megabyte();
  const auto job = JobOf({Store("mixed.svm", Repeat(part.text, 60)),
                          Store("mixed.zst", Repeat(Zstd(part.text), 60)),
                          Store("mixed2.svm", Repeat(part.text, 3))});
  ASSERT_TRUE(job.ok()) << job.status();
  const auto plan = PlanJob(*job);
  ASSERT_TRUE(plan.ok()) << plan.status();
  EXPECT_FALSE(plan->exact);
  EXPECT_NEAR(plan->rows, 123.0 * part.rows, 12.0 * part.rows);
}

TEST(DataSampleTest, NoByteIsTakenTwice) {
  const Text part = Megabyte();
  const std::vector<std::string> paths = {Store("a.svm", Repeat(part.text, 30)),
                                          Store("b.gz", Repeat(Gzip(part.text), 20)),
                                          Store("c.svm", part.text)};
  const auto files = DataFiles::Open(paths);
  ASSERT_TRUE(files.ok());
  const auto sample = SampleData(*files);
  ASSERT_TRUE(sample.ok()) << sample.status();
  EXPECT_FALSE(sample->whole);
  std::uint64_t bytes = 0;
  for (std::size_t i = 0; i < sample->pieces.size(); ++i) {
    const DataSample::Piece& piece = sample->pieces[i];
    bytes += piece.text.size();
    EXPECT_EQ(piece.text.back(), '\n');
    if (i == 0 || sample->pieces[i - 1].file != piece.file) continue;
    const DataSample::Piece& before = sample->pieces[i - 1];
    EXPECT_GE(piece.offset, before.offset + before.text.size());
  }
  EXPECT_LE(sample->pieces.size(), kSampledPieces);
  EXPECT_NEAR(static_cast<double>(bytes) / sample->part, 51.0 * part.text.size(),
              5.1 * part.text.size());
}

// Rows that are kept in memory are part of what it needs.
TEST(JobPlanTest, AnOptimumOverAllRowsNeedsThem) {
  const Text part = Megabyte();
  auto job = JobOf({Store("newton.svm", Repeat(part.text, 3))});
  ASSERT_TRUE(job.ok()) << job.status();
  const auto steps = PlanJob(*job);
  job->config.model.optimizer.type = OptimizerType::kNewtonCg;
  const auto solved = PlanJob(*job);
  ASSERT_TRUE(steps.ok() && solved.ok());
  const double rows = 3.0 * part.rows;
  EXPECT_GT(static_cast<double>(solved->memory_bytes - steps->memory_bytes), rows * 11 * 8);
  EXPECT_LT(static_cast<double>(solved->memory_bytes - steps->memory_bytes), rows * 11 * 8 + rows * 100 + 10'000 * 100);
  JobPlan tight = *solved;
  tight.memory_limit = tight.memory_bytes - 1;
  EXPECT_NE(CheckPlan(tight).message().find("another model.optimizer.type"), std::string::npos) << CheckPlan(tight);
}

// A sample that has more malformed rows than all of the data may have is enough to know.
TEST(JobPlanTest, ASampleMayHaveTooManyMalformedRowsForAllOfTheData) {
  const Text part = Megabyte();
  const auto plan_of = [&](const std::string& name, const std::string& text) {
    auto job = JobOf({Store(name, text)});
    EXPECT_TRUE(job.ok()) << job.status();
    const auto plan = PlanJob(*job);
    EXPECT_TRUE(!plan.ok() || !plan->exact) << "the sample is all of it";
    return plan.status();
  };
  const std::string rows = Repeat(part.text, 40);
  EXPECT_TRUE(plan_of("few.svm", "1 x\n" + rows).ok());
  const std::string many = Repeat("1 x\n" + part.text.substr(0, part.text.find('\n', 2000) + 1), 20000);
  const absl::Status refused = plan_of("many.svm", many);
  EXPECT_TRUE(absl::IsInvalidArgument(refused)) << refused;
  EXPECT_NE(refused.message().find("max_bad_rows"), std::string::npos) << refused;
}

}  // namespace
}  // namespace ps
