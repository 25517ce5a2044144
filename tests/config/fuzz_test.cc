// Mutated job files: the loader answers every one with a job or with an error, and the effective
// text of every job it accepts says the same job again.
#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "models/config/load.h"

namespace ps {
namespace {

const char* const kSeeds[] = {
    R"(job: ctr-lr
data:
  train: {files: ["train-*.tsv.gz"], format: tsv, header: false}
  test: {files: ["test.tsv"]}
  columns: [click, user_id, ad_id, price]
  label: {column: 0, positive: "1"}
  split: {by: ratio, valid: 0.1}
features:
  - {column: price, op: bucket, buckets: 64}
  - {op: cross, of: [user_id, 2]}
model: {type: lr, optimizer: {type: ftrl, alpha: 0.05, l1: 1, l2: 0}}
train: {passes: 3, batch_rows: auto, staleness: 4, early_stopping: {}}
cluster: {servers: 4, workers: 8}
output: {dir: out/ctr-lr}
)",
    "data:\n  train:\n    files:\n      - a.svm\n      - \"b \\x41\\n.svm\"\ntrain:\n  passes: 2\n",
    "data: {train: {files: ['it''s']}, index_base: 0}\njob: |\n  several\n  lines\n",
    "# only a comment\ndata: {train: {files: >-\n  folded\n  text}}\n"};

const char* const kTokens[] = {
    "\n", ": ",    "- ",  "{",   "}", "[",  "]",    ",",    "\"",   "'",    "#", "&a",
    "*a", "!!int", "---", "...", "|", ">",  "~",    "null", "\t",   "%",    "@", "`",
    "? ", "<<",    "\\",  "\r",  "0", "-1", "1e99", "\0",   "\xff", "\xc3", "é", "env:HOME"};

std::string Mutate(std::string text, std::mt19937_64* random) {
  auto below = [&](std::size_t n) { return static_cast<std::size_t>((*random)() % n); };
  for (std::size_t left = 1 + below(6); left > 0; --left) {
    const std::size_t at = below(text.size() + 1);
    switch (below(6)) {
      case 0:
        text.insert(at, kTokens[below(std::size(kTokens))]);
        break;
      case 1:
        text.erase(at, 1 + below(8));
        break;
      case 2:
        if (at < text.size()) text[at] = static_cast<char>((*random)());
        break;
      case 3:
        text.insert(at, text.substr(below(text.size() + 1), below(40)));
        break;
      case 4:
        text.resize(at);
        break;
      case 5: {  // lines change places
        const std::size_t from = text.find('\n', at);
        if (from != std::string::npos) text = text.substr(from + 1) + text.substr(0, from + 1);
        break;
      }
    }
  }
  return text;
}

TEST(FuzzTest, EveryMutatedDocumentGivesAJobOrAnError) {
  std::mt19937_64 random(20261123);
  int jobs = 0;
  int errors = 0;
  for (int round = 0; round < 20000; ++round) {
    const std::string text = Mutate(kSeeds[random() % std::size(kSeeds)], &random);
    absl::StatusOr<LoadedJob> job = ParseJob(text, "job.yaml", {});
    if (!job.ok()) {
      ++errors;
      ASSERT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument) << text;
      ASSERT_NE(job.status().message().find("job.yaml"), absl::string_view::npos) << text;
      continue;
    }
    ++jobs;
    absl::StatusOr<LoadedJob> again = ParseJob(job->effective_yaml, "effective", {});
    ASSERT_TRUE(again.ok()) << again.status() << "\nfrom\n"
                            << text << "\nas\n"
                            << job->effective_yaml;
    ASSERT_EQ(again->config, job->config) << "from\n" << text << "\nas\n" << job->effective_yaml;
    ASSERT_EQ(again->effective_yaml, job->effective_yaml);
  }
  // Both answers are exercised, or the seeds have gone stale.
  EXPECT_GT(jobs, 500);
  EXPECT_GT(errors, 500);
}

TEST(FuzzTest, EveryMutatedOverrideGivesAJobOrAnError) {
  std::mt19937_64 random(7);
  const std::vector<std::string> seeds = {"train.passes=3", "data.train.files=[a, \"b\"]",
                                          "features.0.op=hash", "model={optimizer: {l1: 2}}"};
  for (int round = 0; round < 4000; ++round) {
    const Overrides overrides = {Mutate(seeds[random() % seeds.size()], &random)};
    absl::StatusOr<LoadedJob> job = ParseJob(kSeeds[0], "job.yaml", overrides);
    if (job.ok()) continue;
    ASSERT_EQ(job.status().code(), absl::StatusCode::kInvalidArgument) << overrides[0];
  }
}

}  // namespace
}  // namespace ps
