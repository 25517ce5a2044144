#include "models/config/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "models/config/schema.h"
#include "models/config/tuned_job.h"
#include "models/config/value_reader.h"

namespace ps {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

JobConfig Parse(const std::string& yaml, const Overrides& overrides = {}) {
  absl::StatusOr<JobConfig> config = ParseJobConfig(yaml, "job.yaml", overrides);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? *config : JobConfig();
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
  - {column: user_id, op: hash}
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
cluster:
  {servers: 2, workers: 3, slot_bits: 10, values: bf16,
   scale: {memory_per_server_gib: 2.5, rows_per_s: 1e6, max_servers: 8, min_workers: 2, max_workers: 9, every: 5}}
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
  c.cluster.scale = ScaleConfig{.memory_per_server_gib = 2.5,
                                .rows_per_s = 1e6,
                                .max_servers = 8,
                                .min_workers = 2,
                                .max_workers = 9,
                                .every = 5};
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
    // These are absent by default; their keys have defaults once they are there.
    const std::string path = row.path;
    const auto within = [&](const char* section) { return path.find(section) != std::string::npos; };
    if (within("early_stopping") || within("cluster.scale") || within("gbdt.refit")) continue;
    row.set(&config, value);
    EXPECT_EQ(config, untouched) << row.path;
  }
}

TEST(LoadTest, TextsNeedNoQuotesAndColumnsKeepTheirKind) {
  const JobConfig config = Parse(
      "data: {train: {files: a.csv}, format: csv, header: true, label: {column: \"3\", positive: "
      "1}, "
      "weight: 7}\njob: 12\n");
  EXPECT_EQ(config.job, "12");
  EXPECT_THAT(config.data.train.files, ElementsAre("a.csv"));
  EXPECT_EQ(config.data.label.positive, "1");
  EXPECT_EQ(config.data.label.column.name, "3");  // quoted: a name
  EXPECT_EQ(config.data.label.column.index, -1);
  EXPECT_EQ(config.data.weight.index, 7);
}

TEST(LoadTest, WordsStandForNumbers) {
  EXPECT_EQ(Parse(kMinimal).train.staleness, std::nullopt);
  EXPECT_EQ(Parse(kMinimal, {"train.staleness=0"}).train.staleness, 0);
  EXPECT_EQ(Parse(kMinimal, {"train.staleness=unbounded"}).train.staleness, -1);
  EXPECT_EQ(Parse(kMinimal, {"train.batch_rows=auto"}).train.batch_rows, 0);
  EXPECT_EQ(Parse(kMinimal, {"train.threads=auto"}).train.threads, 0);
}

TEST(LoadTest, DurationsHaveAUnit) {
  const std::string yaml =
      "data: {train: {files: [a.svm]}, split: {valid: 0.1}}\nmodel: {type: gbdt}\n";
  EXPECT_FALSE(Parse(yaml).tune);
  EXPECT_EQ(Parse(yaml, {"tune.budget=15m"}).tune->budget_seconds, 900);
  EXPECT_EQ(Parse(yaml, {"tune.budget=90s"}).tune->budget_seconds, 90);
  EXPECT_EQ(Parse(yaml, {"tune.budget=1.5h"}).tune->budget_seconds, 5400);
}

TEST(LoadTest, TheJobOfTunedTreesSaysTheRestAsBefore) {
  const Overrides tuned = {"tune.trainings=10", "train.early_stopping.patience=3", "model.gbdt.max_bins=63"};
  const std::string yaml =
      "data: {train: {files: [a.svm]}, split: {valid: 0.1}}\nmodel: {type: gbdt}\n";
  const absl::StatusOr<LoadedJob> job = ParseJob(yaml, "job.yaml", tuned);
  ASSERT_TRUE(job.ok()) << job.status();
  GbdtConfig setting = job->config.model.gbdt;
  setting.trees = 77;
  setting.learning_rate = 0.0345;
  setting.max_depth = 4;
  setting.l1 = 0.012;
  const absl::StatusOr<std::string> text = TunedTreesYaml(job->effective_yaml, setting);
  ASSERT_TRUE(text.ok()) << text.status();
  JobConfig expected = job->config;
  expected.tune.reset();
  expected.train.early_stopping.reset();
  expected.model.gbdt = setting;
  EXPECT_EQ(Parse(*text), expected) << *text;
}

TEST(LoadTest, EarlyStoppingIsOnWhenItsSectionIsThere) {
  const Overrides valid = {"data.split.valid=0.1"};
  EXPECT_FALSE(Parse(kMinimal, valid).train.early_stopping);
  const std::string yaml = std::string(kMinimal) + "train: {early_stopping: {}}\n";
  EXPECT_EQ(Parse(yaml, valid).train.early_stopping, EarlyStoppingConfig{});
  const std::string bare = std::string(kMinimal) + "train:\n  early_stopping:\n";
  EXPECT_EQ(Parse(bare, valid).train.early_stopping, EarlyStoppingConfig{});
}

TEST(LoadTest, AFormatBesideTheFilesIsTheFormatOfTheData) {
  const JobConfig config = Parse(
      "data:\n  train: {files: [a], format: tsv, header: true}\n  test: {files: [b], format: "
      "tsv}\n");
  EXPECT_EQ(config.data.format, DataFormat::kTsv);
  EXPECT_TRUE(config.data.header);
  EXPECT_EQ(Parse("data: {train: {files: [a], index_base: 0}}\n").data.index_base, 0);
}

TEST(OverrideTest, ReplacesAddsAndLaterOnesWin) {
  const JobConfig config =
      Parse(kFull, {"train.passes=5", "train.passes=6", "output.dir=elsewhere",
                    "data.train.files=[x, y.gz]", "features.0.buckets=9", "job=\"a: b\"",
                    "data.valid.files=v.tsv", "data.split.valid=0"});
  EXPECT_EQ(config.train.passes, 6);
  EXPECT_EQ(config.output.dir, "elsewhere");
  EXPECT_THAT(config.data.train.files, ElementsAre("x", "y.gz"));
  EXPECT_EQ(config.features[0].buckets, 9);
  EXPECT_EQ(config.job, "a: b");
  EXPECT_THAT(config.data.valid.files, ElementsAre("v.tsv"));
}

TEST(OverrideTest, AFormatMayBeReplacedInEitherPlace) {
  for (const char* file :
       {"data: {train: {files: [a], format: vw}}\n", "data: {train: {files: [a]}, format: vw}\n"}) {
    for (const char* set : {"data.format=tsv", "data.train.format=tsv"}) {
      EXPECT_EQ(Parse(file, {set}).data.format, DataFormat::kTsv) << file << set;
    }
  }
  EXPECT_EQ(Parse(kMinimal, {"data.train.format=vw", "data.format=tsv"}).data.format,
            DataFormat::kTsv);
}

TEST(OverrideTest, AFileMayLeaveEverythingToOverrides) {
  EXPECT_THAT(Parse("", {"data.train.files=[x]"}).data.train.files, ElementsAre("x"));
}

TEST(OverrideTest, WholeSectionsCanBeGiven) {
  const JobConfig config = Parse(kMinimal, {"model={optimizer: {type: sgd, alpha: 0.5}}"});
  EXPECT_EQ(config.model.optimizer.type, OptimizerType::kSgd);
  EXPECT_EQ(config.model.optimizer.alpha, 0.5);
}

TEST(EnvironmentTest, TextsAreTakenFromItAndStayUnexpandedInTheEffectiveYaml) {
  ::setenv("PS_LOAD_TEST_FILE", "secret-name.svm", 1);
  const std::string yaml = "data: {train: {files: [\"env:PS_LOAD_TEST_FILE\"]}}\n";
  absl::StatusOr<LoadedJob> job = ParseJob(yaml, "job.yaml", {});
  ASSERT_TRUE(job.ok()) << job.status();
  EXPECT_THAT(job->config.data.train.files, ElementsAre("secret-name.svm"));
  EXPECT_EQ(job->effective_yaml.find("secret-name"), std::string::npos);
  EXPECT_NE(job->effective_yaml.find("env:PS_LOAD_TEST_FILE"), std::string::npos);
  ::unsetenv("PS_LOAD_TEST_FILE");
  EXPECT_EQ(ParseJobConfig(yaml, "job.yaml", {}).status().message(),
            "job.yaml:1: data.train.files: the environment has no variable "
            "\"PS_LOAD_TEST_FILE\", which env: asks for");
}

TEST(EffectiveYamlTest, LeavesDefaultsOutAndAppliesOverrides) {
  absl::StatusOr<std::string> yaml = EffectiveYaml(
      "# a comment\n"
      "job: job\n"
      "data:\n"
      "  train: {files: [a b.svm, \"c\\td\"], index_base: 1}\n"
      "train: {passes: 1, threads: auto, staleness: 0}\n"
      "model: {optimizer: {alpha: 0.10, l1: 0.0}}\n",
      "job.yaml", {"output.dir=out/x", "data.keep_negatives=0.5"});
  ASSERT_TRUE(yaml.ok()) << yaml.status();
  EXPECT_EQ(*yaml,
            "data:\n"
            "  train:\n"
            "    files: [\"a b.svm\", \"c\\x09d\"]\n"
            "  keep_negatives: 0.5\n"
            "train:\n"
            "  staleness: 0\n"
            "output:\n"
            "  dir: out/x\n");
}

TEST(EffectiveYamlTest, ReparsesToTheSameJobAndIsItsOwnEffectiveYaml) {
  for (const Overrides& overrides :
       {Overrides{}, Overrides{"train.early_stopping={}"},
        Overrides{"train.early_stopping={patience: 1}", "job='quo\"te'"},
        Overrides{"data.missing=['', \"null\", '~', \"\\\\\"]", "data.format=csv", "data.quote=''"},
        Overrides{"features=[]", "cluster={}", "output.dir='-'"}}) {
    absl::StatusOr<LoadedJob> first = ParseJob(kFull, "job.yaml", overrides);
    ASSERT_TRUE(first.ok()) << first.status();
    absl::StatusOr<LoadedJob> second = ParseJob(first->effective_yaml, "effective", {});
    ASSERT_TRUE(second.ok()) << second.status() << "\n" << first->effective_yaml;
    EXPECT_EQ(second->config, first->config) << first->effective_yaml;
    EXPECT_EQ(second->effective_yaml, first->effective_yaml);
  }
}

// Whatever may be tuned, may be trained with what tuning finds.
TEST(TunedLrYamlTest, WhatIsSolvedNeedsNoDevice) {
  const LoadedJob job = *ParseJob("data: {train: {files: [a.svm]}, split: {by: ratio, valid: 0.1}}\ndevice: cuda\nmodel: {tune: auto}\n"
                                  "train: {passes: 9, batch_rows: 64, early_stopping: {}}\n", "job.yaml", {});
  const auto raced = TunedLrYaml(job.effective_yaml, "{type: ftrl, alpha: 0.1, l2: 10}", 4);
  ASSERT_TRUE(raced.ok()) << raced.status();
  EXPECT_EQ(Parse(*raced).device, "cuda");
  EXPECT_EQ(Parse(*raced).train.passes, 4);
  const auto solved = TunedLrYaml(job.effective_yaml, "{type: newton_cg, l2: 0.5, l2_evidence: true}", 1);
  ASSERT_TRUE(solved.ok()) << solved.status();
  EXPECT_EQ(Parse(*solved).device, "auto");
  EXPECT_EQ(Parse(*solved).model.optimizer.type, OptimizerType::kNewtonCg);
  EXPECT_EQ(Parse(*solved).model.optimizer.l2, 0.5);
  EXPECT_TRUE(Parse(*solved).model.optimizer.l2_evidence);
}

}  // namespace
}  // namespace ps
