// What a person is told about a wrong job file, word for word where the words matter.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/config/load.h"

namespace ps {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string ErrorOf(const std::string& yaml, const Overrides& overrides = {}) {
  absl::StatusOr<JobConfig> config = ParseJobConfig(yaml, "job.yaml", overrides);
  if (config.ok()) return "no error";
  EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(config.status().message());
}

constexpr char kData[] = "data: {train: {files: [a]}}\n";
constexpr char kCsv[] = "data: {train: {files: [a]}, format: csv, header: true}\n";

struct Case {
  std::string yaml;
  std::string error;
};

void PrintTo(const Case& c, std::ostream* out) { *out << c.yaml; }

class ErrorTest : public testing::TestWithParam<Case> {};

TEST_P(ErrorTest, SaysWhereAndWhat) { EXPECT_EQ(ErrorOf(GetParam().yaml), GetParam().error); }

INSTANTIATE_TEST_SUITE_P(
    UnknownKeys, ErrorTest,
    testing::Values(
        Case{std::string(kData) + "train:\n  pases: 3\n",
             "job.yaml:3: unknown key train.pases, did you mean train.passes?"},
        Case{std::string(kData) + "passes: 3\n",
             "job.yaml:2: unknown key passes, did you mean train.passes?"},
        Case{std::string(kData) + "optimiser: {}\n",
             "job.yaml:2: unknown key optimiser, did you mean model.optimizer?"},
        Case{std::string(kData) + "trian: {passes: 1}\n",
             "job.yaml:2: unknown key trian, did you mean train?"},
        Case{std::string(kData) + "zzzzzzzzz: 1\n", "job.yaml:2: unknown key zzzzzzzzz"},
        Case{"data: {train: {files: [a], query: x}}\n", "job.yaml:1: unknown key data.train.query"},
        Case{std::string(kCsv) +
                 "features:\n  - {column: x, op: hash}\n  - colum: y\n    op: hash\n",
             "job.yaml:4: unknown key features[1].colum, did you mean features[].column?"}));

constexpr char kSoftmax[] = "model: {type: gbdt, gbdt: {objective: softmax}}\n";

INSTANTIATE_TEST_SUITE_P(
    Softmax, ErrorTest,
    testing::Values(
        Case{std::string(kData) + kSoftmax, "no error"},
        Case{"data: {train: {files: [a]}, label: {classes: [1, -2, 30]}}\n" + std::string(kSoftmax), "no error"},
        Case{"data: {train: {files: [a]}, label: {classes: [1, 02]}}\n" + std::string(kSoftmax),
             "job.yaml:1: data.label.classes: libsvm has whole numbers as classes, found \"02\""},
        Case{"data: {train: {files: [a]}, label: {classes: [1]}}\n" + std::string(kSoftmax),
             "job.yaml:1: data.label.classes: expected 2 to 1000 classes, found 1"},
        Case{"data: {train: {files: [a]}, label: {classes: [1, 1]}}\n" + std::string(kSoftmax),
             "job.yaml:1: data.label.classes: \"1\" twice"},
        Case{"data: {train: {files: [a]}, label: {positive: 3}}\n" + std::string(kSoftmax),
             "job.yaml:1: data.label.positive: softmax has no positive class; remove it"},
        Case{"data: {train: {files: [a]}, keep_negatives: 0.5}\n" + std::string(kSoftmax),
             "job.yaml:1: data.keep_negatives: softmax has no negative class; remove it"},
        Case{"data: {train: {files: [a]}, format: criteo}\n" + std::string(kSoftmax),
             "job.yaml:2: model.gbdt.objective: softmax needs labels that csv, tsv and libsvm files have"},
        Case{std::string(kData) + "model: {type: gbdt, gbdt: {distribution: columns}}\ndevice: cuda\n",
             "job.yaml:3: device: cuda grows trees where workers share the rows; set model.gbdt.distribution: rows or "
             "auto, or device: auto"},
        Case{"data: {train: {files: [a]}, label: {classes: [1, 2]}}\n",
             "job.yaml:1: data.label.classes: only for model.type gbdt with objective softmax"},
        Case{"data: {train: {files: [a]}, label: {classes: [1, 2]}}\nmodel: {type: gbdt}\n",
             "job.yaml:1: data.label.classes: only for model.gbdt.objective softmax"}));

INSTANTIATE_TEST_SUITE_P(
    Structure, ErrorTest,
    testing::Values(
        Case{std::string(kData) + "job: a\njob: b\n",
             "job.yaml:3: duplicate key job, first on line 2"},
        Case{"data:\n  train: {files: [a]}\n  train: {files: [b]}\n",
             "job.yaml:3: duplicate key data.train, first on line 2"},
        Case{std::string(kData) + "train: 3\n",
             "job.yaml:2: train: expected a section of keys and values"},
        Case{"- 1\n- 2\n", "job.yaml:1: the job: expected a section of keys and values"},
        Case{std::string(kCsv) + "features: {a: b}\n",
             "job.yaml:2: features: expected a list of sections"},
        Case{std::string(kCsv) + "features: [price]\n",
             "job.yaml:2: features[0]: expected a section of keys and values"},
        Case{std::string(kData) + "job: [a\n", "job.yaml:3: end of sequence flow not found"},
        Case{std::string(kData) + "job: &x a\noutput: {dir: *x}\n",
             "job.yaml:3: an alias (*name) is not allowed; write the value out"},
        Case{std::string(kData) + "job: !!str a\n",
             "job.yaml:2: a tag (tag:yaml.org,2002:str) is not allowed"},
        Case{std::string(kData) + "? [a]\n: b\n", "job.yaml:2: a key must be a plain word"},
        Case{std::string(kData) + "---\njob: second\n",
             "job.yaml: holds several documents; a job file is one"}));

INSTANTIATE_TEST_SUITE_P(
    Values, ErrorTest,
    testing::Values(
        Case{std::string(kData) + "train: {passes: many}\n",
             "job.yaml:2: train.passes: expected a whole number, 1 to 1000000000, got many"},
        Case{std::string(kData) + "train: {passes: 1.5}\n",
             "job.yaml:2: train.passes: expected a whole number, 1 to 1000000000, got 1.5"},
        Case{std::string(kData) + "train: {passes: \"3\"}\n",
             "job.yaml:2: train.passes: expected a whole number, 1 to 1000000000, got the text "
             "\"3\""},
        Case{std::string(kData) + "train: {passes: 0}\n",
             "job.yaml:2: train.passes: must be 1 to 1000000000, is 0"},
        Case{std::string(kData) + "train: {passes:}\n",
             "job.yaml:2: train.passes: expected a whole number, 1 to 1000000000, got nothing"},
        Case{std::string(kData) + "train: {staleness: -1}\n",
             "job.yaml:2: train.staleness: must be 0 to 1000000000, or unbounded, is -1"},
        Case{std::string(kData) + "train: {staleness: none}\n",
             "job.yaml:2: train.staleness: expected a whole number, 0 to 1000000000, or unbounded, "
             "got none"},
        Case{std::string(kData) + "model: {optimizer: {alpha: 0}}\n",
             "job.yaml:2: model.optimizer.alpha: must be above 0, is 0"},
        Case{std::string(kData) + "model: {optimizer: {l1: -1e-9}}\n",
             "job.yaml:2: model.optimizer.l1: must be at least 0, is -1e-9"},
        Case{std::string(kData) + "model: {optimizer: {l2: .nan}}\n",
             "job.yaml:2: model.optimizer.l2: expected a number, got .nan"},
        Case{std::string(kData) + "model: {optimizer: {l2: inf}}\n",
             "job.yaml:2: model.optimizer.l2: expected a number, got inf"},
        Case{std::string(kData) + "model: {optimizer: {type: adam}}\n",
             "job.yaml:2: model.optimizer.type: expected ftrl, adagrad, sgd or newton_cg, got adam"},
        Case{std::string(kData) + "model: {bias: yes}\n",
             "job.yaml:2: model.bias: expected true or false, got yes"},
        Case{"data:\n  train:\n    files:\n      - a\n      - [b]\n",
             "job.yaml:5: data.train.files: expected a text, got a list"},
        Case{"data: {train: {files: {a: b}}}\n",
             "job.yaml:1: data.train.files: expected a list of texts, got a section"},
        Case{"data: {train: {files: [a]}, format: csv, label: {column: -1}}\n",
             "job.yaml:1: data.label.column: expected a column: its name, or its position from 0, "
             "got -1"},
        Case{"data: {train: {files: [a]}, keep_negatives: 0}\n",
             "job.yaml:1: data.keep_negatives: must be above 0 and at most 1, is 0"},
        Case{"data: {train: {files: [a]}, index_base: 2}\n",
             "job.yaml:1: data.index_base: must be 0 to 1, is 2"},
        Case{std::string(kData) + "checkpoint: {every: 5}\n",
             "job.yaml:2: checkpoint.dir: required: a directory, or s3://BUCKET/PREFIX"},
        Case{std::string(kData) + "checkpoint: {dir: 'gs://bucket/x'}\n",
             "job.yaml:2: checkpoint.dir: expected a directory, or s3://BUCKET/PREFIX"},
        Case{std::string(kData) + "checkpoint: {dir: ckpt, endpoint: 'http://x'}\n",
             "job.yaml:2: checkpoint.endpoint: only for s3://BUCKET/PREFIX"},
        Case{std::string(kData) + "checkpoint: {dir: ckpt, keep: 1}\n",
             "job.yaml:2: checkpoint.keep: must be 2 to 1000000, is 1"},
        Case{std::string(kData) + "train: {early_stopping: true}\n",
             "2 errors in job.yaml:\n"
             "  job.yaml:2: train.early_stopping: expected a section, got true\n"
             "  job.yaml:2: train.early_stopping: expected a section of keys and values"}));

INSTANTIATE_TEST_SUITE_P(
    LaterVersions, ErrorTest,
    testing::Values(
        Case{std::string(kData) + "features: [{column: a, op: hash, min_count: 2}]\n",
             "job.yaml:2: features[0].min_count: not available in this version; set "
             "model.min_count, for all features alike"},
        Case{"data:\n  train: {sql: {url: env:DB, query: q}}\n",
             "job.yaml:2: data.train.sql: not available in this version; export the rows to "
             "files and name them in data.train.files"},
        Case{"data: {train: {files: [a]}, split: {by: rule}}\n",
             "job.yaml:1: data.split.by: rule is not available in this version"},
        Case{std::string(kData) + "cluster: {servers: 1, workers: 1, replicas: 2}\n"
                                  "train: {staleness: 0}\n",
             "job.yaml:2: cluster.replicas: goes with train.staleness above 0 only: with staleness 0 "
             "a lost server's part is learnt again, with the same bytes; set 1"}));

INSTANTIATE_TEST_SUITE_P(
    Contradictions, ErrorTest,
    testing::Values(
        Case{"job: x\n", "job.yaml: data.train.files: required: name at least one training file"},
        Case{"", "job.yaml: data.train.files: required: name at least one training file"},
        Case{"data:\n  train: {}\n",
             "job.yaml:2: data.train.files: required: name at least one training file"},
        Case{"data:\n  train: {files: [\"\"]}\n",
             "job.yaml:2: data.train.files: an empty file name"},
        Case{"data:\n  train: {files: [a]}\n  test: {files: []}\n",
             "job.yaml:3: data.test.files: an empty list"},
        Case{std::string(kData) + "train:\n  early_stopping: {patience: 2}\n",
             "job.yaml:3: train.early_stopping: needs validation rows: set data.valid.files or "
             "data.split.valid"},
        Case{"data: {train: {files: [a]}, valid: {files: [b]}, split: {valid: 0.1}}\n",
             "job.yaml:1: data.split.valid: data.valid.files already names the validation rows; "
             "give one"},
        Case{"data: {train: {files: [a]}, split: {valid: 0.5, test: 0.5}}\n",
             "job.yaml:1: data.split: valid and test take 1 of the rows; none are left to train"},
        Case{"data: {train: {files: [a]}, header: true}\n",
             "job.yaml:1: data.header: only csv and tsv files have a header"},
        Case{"data: {train: {files: [a]}, format: tsv, quote: x}\n",
             "job.yaml:1: data.quote: only for format csv"},
        Case{"data: {train: {files: [a]}, format: csv, quote: xx}\n",
             "job.yaml:1: data.quote: expected one character other than a comma or a line end, or "
             "an empty text"},
        Case{"data: {train: {files: [a]}, format: vw, index_base: 0}\n",
             "job.yaml:1: data.index_base: only for format libsvm"},
        Case{std::string(kData) + "features: [{column: x, op: hash}]\n",
             "job.yaml:2: features[0].op: rows of format libsvm have no columns: rest or "
             "tree_leaves"},
        Case{"data:\n  train: {files: [a], format: csv}\n  test: {files: [b], format: tsv}\n",
             "job.yaml:3: data.test.format: differs from data.format; in this version all parts "
             "have one format"},
        Case{"data: {train: {files: [a]}, format: csv, header: true, columns: [a]}\n",
             "job.yaml:1: data.columns: the header already names the columns; give one"},
        Case{"data: {train: {files: [a]}, format: csv, columns: [a, a]}\n",
             "job.yaml:1: data.columns: \"a\" twice"},
        Case{"data: {train: {files: [a]}, format: csv, label: {column: y}}\n",
             "job.yaml:1: data.label.column: \"y\" is a name, but the files have no header: set "
             "data.header or data.columns, or give the position"},
        Case{"data: {train: {files: [a]}, format: csv, columns: [a, b], label: {column: y}}\n",
             "job.yaml:1: data.label.column: no column \"y\"; data.columns has a, b"},
        Case{"data: {train: {files: [a]}, format: csv, columns: [a, b], weight: 2}\n",
             "job.yaml:1: data.weight: column 2 of 2; positions count from 0"},
        Case{std::string(kData) + "cluster: {scale: {every: 3}}\n",
             "job.yaml:2: cluster.scale: give memory_per_server_gib, rows_per_s or both"},
        Case{std::string(kData) + "cluster: {scale: {rows_per_s: 3}}\n",
             "job.yaml:2: cluster.scale.max_workers: required with rows_per_s"},
        Case{std::string(kData) +
                 "cluster: {scale: {memory_per_server_gib: 1, min_servers: 3, max_servers: 2}}\n",
             "job.yaml:2: cluster.scale.max_servers: 2 is below min_servers 3"},
        Case{std::string(kData) +
                 "cluster: {scale: {memory_per_server_gib: 1, max_servers: 2}, replicas: 2}\n",
             "job.yaml:2: cluster.scale.min_servers: cluster.replicas: 2 needs as many servers"},
        Case{std::string(kData) + "train: {staleness: 0}\n" +
                 "cluster: {scale: {memory_per_server_gib: 1, max_servers: 2}}\n",
             "job.yaml:3: cluster.scale.memory_per_server_gib: goes with train.staleness above 0 "
             "only: with staleness 0 the number of servers is fixed"},
        Case{std::string(kData) + "cluster: {servers: 2}\n",
             "job.yaml:2: cluster.workers: servers and workers come together: set both, or "
             "neither to train in this process"},
        Case{std::string(kData) + "output: {dir: \"\"}\n",
             "job.yaml:2: output.dir: an empty name"}));

std::string WithFeatures(const std::string& features) {
  return std::string(
             "data: {train: {files: [a]}, format: csv, header: true, "
             "label: {column: y}}\nfeatures:\n") +
         features;
}

INSTANTIATE_TEST_SUITE_P(
    Features, ErrorTest,
    testing::Values(
        Case{WithFeatures("  - {column: x, op: cross}\n"),
             "2 errors in job.yaml:\n"
             "  job.yaml:3: features[0].column: a cross names its columns in of\n"
             "  job.yaml:3: features[0].of: a cross needs two or more columns"},
        Case{WithFeatures("  - {op: hash, column: a}\n  - {op: cross, of: [x]}\n"),
             "job.yaml:4: features[1].of: a cross needs two or more columns"},
        Case{WithFeatures("  - {op: cross, of: [x, x]}\n"),
             "job.yaml:3: features[0].of: column x twice"},
        Case{WithFeatures("  - {op: hash}\n"),
             "job.yaml:3: features[0].column: required, except for op: cross, rest and "
             "tree_leaves"},
        Case{WithFeatures("  - {op: rest, column: x}\n"),
             "job.yaml:3: features[0].column: rest and tree_leaves name no column"},
        Case{WithFeatures("  - {op: tree_leaves}\n"),
             "job.yaml:3: features[0].model: required for op: tree_leaves: the directory of a "
             "model of trees"},
        Case{WithFeatures("  - {op: rest, model: out/trees}\n"),
             "job.yaml:3: features[0].model: only for op: tree_leaves"},
        Case{WithFeatures("  - {op: tree_leaves, model: a}\n  - {op: tree_leaves, model: b}\n"),
             "job.yaml:4: features[1]: the leaves of one model only in this version"},
        Case{WithFeatures("  - {op: tree_leaves, model: a}\nmodel: {type: gbdt}\n"),
             "job.yaml:3: features[0].op: tree_leaves is only for model.type lr"},
        Case{"data: {train: {files: a.vw}, format: vw}\nfeatures: [{op: rest}]\n",
             "job.yaml:2: features: rows of format vw name their own features; leave this out"},
        Case{WithFeatures("  - {column: x}\n"),
             "job.yaml:3: features[0].op: required: numeric, bucket, log, raw, hash, cross, "
             "ignore, rest or tree_leaves"},
        Case{WithFeatures("  - {column: x, op: hash, of: [a, b]}\n"),
             "job.yaml:3: features[0].of: only for op: cross"},
        Case{WithFeatures("  - {column: x, op: hash, buckets: 4}\n"),
             "job.yaml:3: features[0].buckets: only for op: bucket"},
        Case{WithFeatures("  - {column: y, op: hash}\n"),
             "job.yaml:3: features[0].column: column y is the label"},
        Case{WithFeatures("  - {op: cross, of: [x, y]}\n"),
             "job.yaml:3: features[0].of: column y is the label"},
        Case{WithFeatures("  - {column: x, op: hash}\n  - {column: x, op: hash}\n"),
             "job.yaml:4: features[1]: the same as features[0]"},
        Case{WithFeatures("  - {column: x, op: lfc}\n"),
             "job.yaml:3: features[0].op: expected numeric, bucket, log, raw, hash, cross, "
             "ignore, rest or tree_leaves, got lfc"}));

INSTANTIATE_TEST_SUITE_P(
    Tuning, ErrorTest,
    testing::Values(
        Case{std::string(kData) + "model: {tune: {budget: 15m}}\n",
             "job.yaml:2: model.tune: expected none or auto, got a section"},
        Case{std::string(kData) + "model: {tune: auto, optimizer: {alpha: 0.1}}\n",
             "job.yaml:2: model.optimizer.alpha: model.tune: auto chooses it; remove one of the "
             "two"},
        Case{std::string(kData) + "model: {type: gbdt, tune: auto}\n",
             "job.yaml:2: model.tune: only for model.type lr; trees are tuned by the section tune, "
             "as in tune: {budget: 15m}"},
        Case{std::string(kData) + "model: {tune: auto}\ncluster: {servers: 2, workers: 2, values: int8}\n",
             "job.yaml:3: cluster.values: int8 does not go with model.tune: auto; use bf16 or f32"},
        Case{std::string(kData) + "model: {tune: auto}\ntrain: {batch_rows: 100000}\n",
             "job.yaml:3: train.batch_rows: at most 16384 with model.tune: auto"},
        Case{std::string(kData) + "cluster: {lanes: 3}\n",
             "job.yaml:2: cluster.lanes: expected 2, 4, 8 or 16, got 3"}));

constexpr char kTrees[] =
    "data: {train: {files: [a.svm]}, split: {valid: 0.1}}\nmodel: {type: gbdt}\n";

INSTANTIATE_TEST_SUITE_P(
    TuningTrees, ErrorTest,
    testing::Values(
        Case{std::string(kData) + "tune: {budget: 15m}\n",
             "job.yaml:2: tune: only for model.type gbdt; lr is tuned while it trains, by "
             "model.tune: auto"},
        Case{std::string(kTrees) + "tune: {}\n",
             "job.yaml:3: tune: give one of budget, as in budget: 15m, and trainings, as in "
             "trainings: 10"},
        Case{std::string(kTrees) + "tune: {budget: 15m, trainings: 10}\n",
             "job.yaml:3: tune: give one of budget, as in budget: 15m, and trainings, as in "
             "trainings: 10"},
        Case{std::string(kTrees) + "tune: {budget: 15}\n",
             "job.yaml:3: tune.budget: expected a duration, as 90s, 15m or 2h, got 15"},
        Case{std::string(kTrees) + "tune: {budget: m}\n",
             "job.yaml:3: tune.budget: expected a duration, as 90s, 15m or 2h, got m"},
        Case{std::string(kTrees) + "tune: {budget: 0s}\n",
             "job.yaml:3: tune.budget: must be 0.1 to 10000000 seconds, is 0s"},
        Case{std::string(kTrees) + "tune: {trainings: 2}\n",
             "job.yaml:3: tune.trainings: must be 3 to 1000, is 2"},
        Case{"data: {train: {files: [a.svm]}}\nmodel: {type: gbdt}\ntune: {trainings: 10}\n",
             "job.yaml:3: tune: needs validation rows: set data.valid.files or data.split.valid"},
        Case{std::string(kTrees) + "tune: {trainings: 10}\ncluster: {servers: 1, workers: 1}\n",
             "job.yaml:3: tune: trains in one process in this version; remove cluster.servers and "
             "workers"},
        Case{"data: {train: {files: [a.svm]}, split: {valid: 0.1}}\n"
             "model: {type: gbdt, gbdt: {l2: 3}}\ntune: {trainings: 10}\n",
             "job.yaml:2: model.gbdt.l2: tune chooses it; remove one of the two"}));

TEST(ErrorListTest, EverythingWrongIsListedAtOnceInTheOrderOfTheFile) {
  EXPECT_EQ(ErrorOf("train:\n  pases: 3\n  seed: x\ndata:\n  format: cvs\n", {"data.test.sql=q"}),
            "4 errors in job.yaml:\n"
            "  job.yaml:2: unknown key train.pases, did you mean train.passes?\n"
            "  job.yaml:3: train.seed: expected a whole number, 0 to 9007199254740991, got x\n"
            "  job.yaml:5: data.format: expected libsvm, csv, tsv, criteo or vw, got cvs\n"
            "  --set data.test.sql=q: data.test.sql: not available in this version; export the rows "
            "to files and name them in data.test.files");
}

TEST(ErrorListTest, OverridesAreNamedAsTyped) {
  EXPECT_EQ(ErrorOf(kData, {"train.pases=3"}),
            "--set train.pases=3: unknown key train.pases, did you mean train.passes?");
  EXPECT_EQ(ErrorOf(kData, {"train.passes=[1"}),
            "--set train.passes=[1: not YAML: value:1: end of sequence flow not found");
  EXPECT_EQ(ErrorOf(kData, {"train.passes"}),
            "--set train.passes: expected key=value, as in train.passes=3");
  EXPECT_EQ(ErrorOf(kData, {"=3"}), "--set =3: expected key=value, as in train.passes=3");
  EXPECT_EQ(ErrorOf("job: x\n" + std::string(kData), {"job.name=3"}),
            "--set job.name=3: job: has a value and no keys below it");
  EXPECT_EQ(ErrorOf(kCsv, {"features=[{column: a, op: hash}]", "features.1.op=raw"}),
            "--set features.1.op=raw: features: a list of 1, has no item 1 (they count from 0)");
}

TEST(ErrorListTest, AContradictionNamesTheOverrideThatMadeIt) {
  EXPECT_EQ(ErrorOf("output: {dir: x}\n" + std::string(kData), {"output.dir=''"}),
            "--set output.dir='': output.dir: an empty name");
}

TEST(ErrorListTest, LongTextsAreCut) {
  const std::string error = ErrorOf(kData + ("train: {passes: " + std::string(5000, 'x')) + "}\n");
  EXPECT_LT(error.size(), 300u);
  const std::string key = ErrorOf(kData + std::string(900, 'k') + ": 1\n");
  EXPECT_LT(key.size(), 300u);
}

TEST(ErrorListTest, AFileThatIsTooLargeIsRefused) {
  EXPECT_THAT(ErrorOf(kData + std::string(2 << 20, '#')), HasSubstr("at most 1048576"));
}

TEST(ErrorListTest, DeepNestingIsAnError) {
  EXPECT_THAT(ErrorOf(std::string(100000, '[')), HasSubstr("job.yaml:"));
  EXPECT_THAT(ErrorOf(std::string(100000, '{')), HasSubstr("job.yaml:"));
}

TEST(LoadErrorTest, AMissingFileIsNotFound) {
  const absl::Status status = LoadJobConfig("/nonexistent/job.yaml", {}).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(status.message()), HasSubstr("/nonexistent/job.yaml"));
}

}  // namespace
}  // namespace ps
