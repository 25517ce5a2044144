#include "models/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "models/config/schema.h"
#include "models/config/value_reader.h"

namespace ps {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::string ErrorOf(const std::string& yaml, const Overrides& overrides = {}) {
  absl::StatusOr<JobConfig> config = ParseJobConfig(yaml, "job.yaml", overrides);
  if (config.ok()) return "no error";
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

constexpr char kMinimal[] = "data: {train: {files: [a.svm]}}\n";

constexpr char kFull[] = R"(job: ctr-lr
data:
  train: {files: ["train-*.tsv.gz", more.tsv], format: tsv, header: false}
  test: {files: ["test.tsv"]}
  columns: [click, user_id, ad_id, price, w]
  label: {column: 0, positive: "yes"}
  weight: w
  missing: ["", "-"]
  split: {by: ratio, valid: 0.1}
  keep_negatives: 0.25
  max_bad_rows: 0
features:
  - {column: price, op: bucket, buckets: 64}
  - {column: user_id, op: hash, min_count: 2}
  - {op: cross, of: [user_id, 2]}
model:
  optimizer: {type: ftrl, alpha: 0.05, beta: 2, l1: 1, l2: 1e-3}
  bias: false
  min_count: 3
  warm_start: old/model
train:
  passes: 4
  batch_rows: 512
  staleness: unbounded
  threads: 2
  seed: 7
  early_stopping: {patience: 2, min_delta: 1e-4}
  row_cache: cache
  chunks_per_round: 16
cluster: {servers: 2, workers: 3, slot_bits: 10, values: bf16}
output: {dir: out/ctr-lr}
)";

TEST(LoadTest, TheSmallestJobTakesEveryDefault) {
  absl::StatusOr<JobConfig> config = ParseJobConfig(kMinimal, "job.yaml", {});
  ASSERT_TRUE(config.ok()) << config.status();
  JobConfig expected;
  expected.data.train.files = {"a.svm"};
  EXPECT_EQ(*config, expected);
}

TEST(LoadTest, EveryKeyReachesItsMember) {
  absl::StatusOr<JobConfig> loaded = ParseJobConfig(kFull, "job.yaml", {});
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  JobConfig c;
  c.job = "ctr-lr";
  c.data.train.files = {"train-*.tsv.gz", "more.tsv"};
  c.data.test.files = {"test.tsv"};
  c.data.format = DataFormat::kTsv;
  c.data.columns = {"click", "user_id", "ad_id", "price", "w"};
  c.data.label.column.index = 0;
  c.data.label.positive = "yes";
  c.data.weight.name = "w";
  c.data.missing = {"", "-"};
  c.data.split.valid = 0.1;
  c.data.keep_negatives = 0.25;
  c.data.max_bad_rows = 0;
  FeatureConfig price;
  price.op = FeatureOp::kBucket;
  price.column.name = "price";
  price.buckets = 64;
  FeatureConfig user;
  user.column.name = "user_id";
  user.min_count = 2;
  FeatureConfig cross;
  cross.op = FeatureOp::kCross;
  cross.of.resize(2);
  cross.of[0].name = "user_id";
  cross.of[1].index = 2;
  c.features = {price, user, cross};
  c.model.optimizer = {OptimizerType::kFtrl, 0.05, 2, 1, 1e-3};
  c.model.bias = false;
  c.model.min_count = 3;
  c.model.warm_start = "old/model";
  c.train.passes = 4;
  c.train.batch_rows = 512;
  c.train.staleness = -1;
  c.train.threads = 2;
  c.train.seed = 7;
  c.train.early_stopping = EarlyStoppingConfig{2, 1e-4};
  c.train.row_cache = "cache";
  c.train.chunks_per_round = 16;
  c.cluster.servers = 2;
  c.cluster.workers = 3;
  c.cluster.slot_bits = 10;
  c.cluster.values = "bf16";
  c.output.dir = "out/ctr-lr";
  EXPECT_EQ(*loaded, c);
}

TEST(LoadTest, DefaultsOfTheSchemaAreThoseOfTheStructs) {
  JobConfig config;
  config.features.emplace_back();
  const JobConfig untouched = config;
  for (const SchemaRow& row : JobSchema()) {
    Value value;
    if (row.default_text == nullptr) continue;
    ASSERT_TRUE(ReadDefault(row, &value)) << row.path;
    // early_stopping is absent by default; its keys have defaults once it is there.
    if (std::string(row.path).find("early_stopping") != std::string::npos) continue;
    row.set(&config, value);
    EXPECT_EQ(config, untouched) << row.path;
  }
}

}  // namespace
}  // namespace ps
