#include "models/config/schema.h"

#include "ps/base/key.h"

namespace ps {
namespace {

using V = Value;

template <typename Word>
constexpr std::int64_t N(Word word) {
  return static_cast<std::int64_t>(word);
}

constexpr double kMaxCount = 1e9;
constexpr double kMaxSeed = 9007199254740991;  // 2^53 - 1: exact in every JSON reader

std::vector<SchemaRow> DataRows() {
  return {
      {"data.train.files", ValueType::kTextList, nullptr,
       "Training files or globs; plain, gzip or zstd, recognised by content. Required.",
       [](JobConfig* c, const V& v) { c->data.train.files = v.texts; }},
      {"data.valid.files", ValueType::kTextList, nullptr,
       "Validation files; metrics are reported for them and early stopping watches them. Files of data.train among them "
       "are named in a warning, here and of test.",
       [](JobConfig* c, const V& v) { c->data.valid.files = v.texts; }},
      {"data.test.files", ValueType::kTextList, nullptr,
       "Test files, evaluated once when training has ended. What cannot be read then costs the metrics, not the model: "
       "exit code 6. Trees read them before they grow: what cannot be read ends the job, exit code 3.",
       [](JobConfig* c, const V& v) { c->data.test.files = v.texts; }},
      {"data.format",
       ValueType::kWord,
       "libsvm",
       "Layout of all data files. May also be written in data.train, as may header and index_base.",
       [](JobConfig* c, const V& v) { c->data.format = static_cast<DataFormat>(v.integer); },
       {},
       {{"libsvm", N(DataFormat::kLibsvm)},
        {"csv", N(DataFormat::kCsv)},
        {"tsv", N(DataFormat::kTsv)},
        {"criteo", N(DataFormat::kCriteo)},
        {"vw", N(DataFormat::kVw)}}},
      {"data.header", ValueType::kFlag, "false",
       "csv, tsv: the first line of every file names the columns.",
       [](JobConfig* c, const V& v) { c->data.header = v.flag; }},
      {"data.columns", ValueType::kTextList, nullptr,
       "csv, tsv: names of the columns when there is no header.",
       [](JobConfig* c, const V& v) { c->data.columns = v.texts; }},
      {"data.quote", ValueType::kText, "'\"'", "csv: the quote character; empty for no quoting.",
       [](JobConfig* c, const V& v) { c->data.quote = v.text; }},
      {"data.missing", ValueType::kTextList, "['', NA, '?']",
       "csv, tsv: texts of a field that mean a missing value.",
       [](JobConfig* c, const V& v) { c->data.missing = v.texts; }},
      {"data.index_base", ValueType::kInteger, "1",
       "libsvm: the smallest legal feature index, 0 or 1; a smaller one is a bad row.",
       [](JobConfig* c, const V& v) { c->data.index_base = static_cast<int>(v.integer); },
       Between(0, 1)},
      {"data.label.column", ValueType::kColumn, nullptr,
       "csv, tsv: the label; without it the column called \"label\", else column 0.",
       [](JobConfig* c, const V& v) { c->data.label.column = v.columns.front(); }},
      {"data.label.positive", ValueType::kText, "''",
       "Text of the positive class; empty means 1 or +1.",
       [](JobConfig* c, const V& v) { c->data.label.positive = v.text; }},
      {"data.label.classes", ValueType::kTextList, nullptr,
       "model.gbdt.objective softmax: the texts of the classes, in the order in which they are shown (libsvm: whole "
       "numbers); without it those that the training rows have. A row of another class is a bad row.",
       [](JobConfig* c, const V& v) { c->data.label.classes = v.texts; }},
      {"data.weight", ValueType::kColumn, nullptr,
       "csv, tsv: column of the importance weight, a number >= 0; without it every row weighs 1.",
       [](JobConfig* c, const V& v) { c->data.weight = v.columns.front(); }},
      {"data.split.by",
       ValueType::kWord,
       "ratio",
       "How rows of data.train are set aside: at random, by a hash of the row's position and the "
       "seed.",
       [](JobConfig*, const V&) {},
       {},
       {{"ratio", 0}},
       {"rule"}},
      {"data.split.valid",
       ValueType::kReal,
       "0",
       "Fraction of the rows kept for validation.",
       [](JobConfig* c, const V& v) { c->data.split.valid = v.real; },
       {.min = 0, .max = 1, .max_included = false}},
      {"data.split.test",
       ValueType::kReal,
       "0",
       "Fraction of the rows kept for the test.",
       [](JobConfig* c, const V& v) { c->data.split.test = v.real; },
       {.min = 0, .max = 1, .max_included = false}},
      {"data.keep_negatives",
       ValueType::kReal,
       "1",
       "Fraction of the negative rows learnt from; predicted probabilities are corrected for it.",
       [](JobConfig* c, const V& v) { c->data.keep_negatives = v.real; },
       {.min = 0, .max = 1, .min_included = false}},
      {"data.max_bad_rows", ValueType::kReal, "0.001",
       "Malformed rows allowed, as a fraction; above it the job stops with exit code 3.",
       [](JobConfig* c, const V& v) { c->data.max_bad_rows = v.real; }, Between(0, 1)},
      {"data.cache", ValueType::kText, "''",
       "Trees: directory where bins and binned rows are kept; a job with the same data and settings reads them there. "
       "It may be emptied at any time. Empty: nothing is kept.",
       [](JobConfig* c, const V& v) { c->data.cache = v.text; }},
  };
}

std::vector<SchemaRow> FeatureRows() {
  return {
      {"features[].op",
       ValueType::kWord,
       nullptr,
       "What becomes of the column (numeric: quantiles at several resolutions; bucket: quantiles; log: cells of a "
       "logarithmic grid, eight an octave; raw: the standardised number; hash: a category; cross: pairs of the columns in `of`; ignore: nothing), or of the row (rest: all columns "
       "that no other item names, by their inferred types, libsvm: all indices; tree_leaves: the leaf of each tree of "
       "`model`, a category). Required.",
       [](JobConfig* c, const V& v) { c->features.back().op = static_cast<FeatureOp>(v.integer); },
       {},
       {{"numeric", N(FeatureOp::kNumeric)},
        {"bucket", N(FeatureOp::kBucket)},
        {"log", N(FeatureOp::kLog)},
        {"raw", N(FeatureOp::kRaw)},
        {"hash", N(FeatureOp::kHash)},
        {"cross", N(FeatureOp::kCross)},
        {"ignore", N(FeatureOp::kIgnore)},
        {"rest", N(FeatureOp::kRest)},
        {"tree_leaves", N(FeatureOp::kTreeLeaves)}}},
      {"features[].column", ValueType::kColumn, nullptr,
       "The column; required but for cross, rest and tree_leaves.",
       [](JobConfig* c, const V& v) { c->features.back().column = v.columns.front(); }},
      {"features[].of", ValueType::kColumnList, nullptr, "cross: the two or more columns crossed.",
       [](JobConfig* c, const V& v) { c->features.back().of = v.columns; }},
      {"features[].buckets", ValueType::kInteger, "32", "bucket: how many quantile buckets.",
       [](JobConfig* c, const V& v) { c->features.back().buckets = static_cast<int>(v.integer); },
       Between(2, 65536)},
      {"features[].model", ValueType::kText, "''",
       "tree_leaves: directory of a model of type gbdt (docs/gbdt.md). Its trees become part of this model.",
       [](JobConfig* c, const V& v) { c->features.back().model = v.text; }},
  };
}

std::vector<SchemaRow> ModelRows() {
  return {
      {"model.type",
       ValueType::kWord,
       "lr",
       "lr: logistic regression; gbdt: gradient-boosted trees (docs/gbdt.md).",
       [](JobConfig* c, const V& v) { c->model.type = v.integer == 1 ? "gbdt" : "lr"; },
       {},
       {{"lr", 0}, {"gbdt", 1}}},
      {"model.tune",
       ValueType::kWord,
       "none",
       "lr: auto finds the optimizer's settings (ftrl: alpha, beta, l1, l2) while it trains; then none "
       "of model.optimizer is given (docs/tuning.md).",
       [](JobConfig* c, const V& v) { c->model.tune = v.integer == 1; },
       {},
       {{"none", 0}, {"auto", 1}}},
      {"model.tune_all_rows", ValueType::kFlag, "true",
       "With tune: auto and several passes, where the validation rows choose: in the end all rows are learnt with what "
       "they chose, they too. On a cluster with train.staleness: 0 only, and not with --listen.",
       [](JobConfig* c, const V& v) { c->model.tune_all_rows = v.flag; }},
      {"model.bias", ValueType::kFlag, "true", "Learn an intercept.",
       [](JobConfig* c, const V& v) { c->model.bias = v.flag; }},
      {"model.min_count", ValueType::kInteger, "1",
       "A feature enters the table on its min_count-th appearance.",
       [](JobConfig* c, const V& v) { c->model.min_count = static_cast<int>(v.integer); },
       Between(1, 255)},
      {"model.warm_start", ValueType::kText, "''",
       "Directory of a model to start from; empty starts from zero. lr: it must have the same features; a job that declares "
       "none takes the model's, whatever its own rows look like. Trees: more are grown, or these are fitted again "
       "(model.gbdt.refit).",
       [](JobConfig* c, const V& v) { c->model.warm_start = v.text; }},
  };
}

EarlyStoppingConfig& EarlyStopping(JobConfig* config) {
  if (!config->train.early_stopping) config->train.early_stopping.emplace();
  return *config->train.early_stopping;
}

std::vector<SchemaRow> TrainRows() {
  return {
      {"train.passes", ValueType::kInteger, "1", "Passes over the training rows.",
       [](JobConfig* c, const V& v) { c->train.passes = static_cast<int>(v.integer); },
       Between(1, kMaxCount)},
      {"train.batch_rows",
       ValueType::kInteger,
       "auto",
       "Rows between two pushes of gradients; auto follows the size of the data. In one process: rows that are learnt "
       "together, with the same weights; auto learns them one by one, but on a GPU.",
       [](JobConfig* c, const V& v) { c->train.batch_rows = static_cast<int>(v.integer); },
       Between(1, kMaxCount),
       {{"auto", 0}}},
      {"train.staleness",
       ValueType::kInteger,
       nullptr,
       "Batches a worker may be ahead of the slowest; 0: the same bytes for any number of workers. "
       "Left out: row by row in order when embedded, 4 in a cluster.",
       [](JobConfig* c, const V& v) { c->train.staleness = static_cast<int>(v.integer); },
       Between(0, kMaxCount),
       {{"unbounded", -1}}},
      {"train.threads",
       ValueType::kInteger,
       "auto",
       "Threads of this process; auto takes the processors that the container grants.",
       [](JobConfig* c, const V& v) { c->train.threads = static_cast<int>(v.integer); },
       Between(1, 4096),
       {{"auto", 0}}},
      {"train.seed", ValueType::kInteger, "1", "Seed of every random choice of the job.",
       [](JobConfig* c, const V& v) { c->train.seed = static_cast<std::uint64_t>(v.integer); },
       Between(0, kMaxSeed)},
      {"train.early_stopping", ValueType::kSection, nullptr,
       "Stop when the validation log loss no longer improves, and keep the best pass.",
       [](JobConfig* c, const V&) { EarlyStopping(c); }},
      {"train.early_stopping.patience", ValueType::kInteger, "1",
       "Passes without improvement before stopping.",
       [](JobConfig* c, const V& v) { EarlyStopping(c).patience = static_cast<int>(v.integer); },
       Between(1, kMaxCount)},
      {"train.early_stopping.min_delta", ValueType::kReal, "0",
       "Smallest fall of the validation log loss that counts as improvement.",
       [](JobConfig* c, const V& v) { EarlyStopping(c).min_delta = v.real; }, AtLeast(0)},
      {"train.row_cache", ValueType::kText, "''",
       "Directory of the binary row cache of later passes; empty: <output.dir>.cache.",
       [](JobConfig* c, const V& v) { c->train.row_cache = v.text; }},
      {"train.chunks_per_round", ValueType::kInteger, "8",
       "Chunks of rows in one round of staleness 0; part of what decides the resulting bytes.",
       [](JobConfig* c, const V& v) { c->train.chunks_per_round = static_cast<int>(v.integer); },
       Between(1, 65536)},
  };
}

std::vector<SchemaRow> ClusterRows() {
  return {
      {"cluster.servers", ValueType::kInteger, "0",
       "Server processes; 0 trains embedded in one process.",
       [](JobConfig* c, const V& v) { c->cluster.servers = static_cast<int>(v.integer); },
       Between(0, 4096)},
      {"cluster.workers", ValueType::kInteger, "0", "Worker processes; 0 trains embedded.",
       [](JobConfig* c, const V& v) { c->cluster.workers = static_cast<int>(v.integer); },
       Between(0, 4096)},
      {"cluster.replicas", ValueType::kInteger, "1", "Copies of every slot, each on another server. With 1, a lost server's part is learnt again.",
       [](JobConfig* c, const V& v) { c->cluster.replicas = static_cast<int>(v.integer); },
       Between(1, 3)},
      {"cluster.ack", ValueType::kWord, "replicas",
       "When a push counts: when every copy has it (replicas), or when the primary has (primary): faster, but "
       "what the copies lack when a server dies or a slot moves is lost, at most 4 MiB for each other server.",
       [](JobConfig* c, const V& v) { c->cluster.ack_primary = v.integer == 1; },
       {},
       {{"replicas", 0}, {"primary", 1}}},
      {"cluster.failure_timeout",
       ValueType::kReal,
       nullptr,
       "Seconds of silence after which a node is taken for dead. Left out: 1 with several replicas, "
       "else 10, because then a server's part is learnt again.",
       [](JobConfig* c, const V& v) { c->cluster.failure_timeout = v.real; },
       Between(0.2, 3600)},
      {"cluster.slot_bits", ValueType::kInteger, "12",
       "The key space is parted into 2^slot_bits slots, the unit that servers own.",
       [](JobConfig* c, const V& v) { c->cluster.slot_bits = static_cast<int>(v.integer); },
       Between(1, kMaxSlotBits)},
      {"cluster.lanes",
       ValueType::kWord,
       "16",
       "model.tune: as many settings learn side by side at most. Each takes 8 bytes of memory a feature on the servers, "
       "and its part of what is sent.",
       [](JobConfig* c, const V& v) { c->cluster.lanes = static_cast<int>(v.integer); },
       {},
       {{"2", 2}, {"4", 4}, {"8", 8}, {"16", 16}}},
      {"cluster.values",
       ValueType::kWord,
       "f32",
       "How weights and gradients travel.",
       [](JobConfig* c, const V& v) {
         static constexpr const char* kNames[] = {"f32", "bf16", "int8"};
         c->cluster.values = kNames[v.integer];
       },
       {},
       {{"f32", 0}, {"bf16", 1}, {"int8", 2}}},
      {"cluster.curve_key_file", ValueType::kText, "''",
       "File of the job's key pair, made by `ps_ctl keygen FILE`: connections between the cluster's "
       "processes are encrypted, and only who has the file can connect. Empty: neither.",
       [](JobConfig* c, const V& v) { c->cluster.curve_key_file = v.text; }},
      {"cluster.state", ValueType::kText, "''",
       "Where the scheduler keeps what must outlive it: a file, etcd://HOST:PORT/PREFIX, or "
       "kubernetes://NAME (a ConfigMap and a Lease, from inside a pod). With --listen, a scheduler that was started "
       "again goes on with the nodes that are there. Empty: nowhere.",
       [](JobConfig* c, const V& v) { c->cluster.state = v.text; }},
      {"cluster.http", ValueType::kText, "''",
       "Serve status, metrics and commands over HTTP at HOST:PORT, or :PORT of this host only; "
       "also "
       "for jobs without a cluster. Empty: not at all.",
       [](JobConfig* c, const V& v) { c->cluster.http = v.text; }},
  };
}

}  // namespace

const std::vector<SchemaRow>& JobSchema() {
  static const auto* const schema = [] {
    auto* rows = new std::vector<SchemaRow>{{"job", ValueType::kText, "job",
                                             "Name of the job, in reports and in the model.",
                                             [](JobConfig* c, const V& v) { c->job = v.text; }},
                                            {"device",
                                             ValueType::kWord,
                                             "auto",
                                             "What learns. cuda: a GPU, or the job ends with exit code 5; cpu: the processor; auto: trees on a GPU where there is "
                                             "one that can, lr on the processor. On a cluster each worker has a GPU or not (cuda: all of them, and those of trees "
                                             "share the rows). The model is the same, of lr in one process that of the same train.batch_rows on the processor.",
                                             [](JobConfig* c, const V& v) {
                                               static constexpr const char* kNames[] = {"auto", "cpu", "cuda"};
                                               c->device = kNames[v.integer];
                                             },
                                             {},
                                             {{"auto", 0}, {"cpu", 1}, {"cuda", 2}}}};
    for (auto part : {DataRows, FeatureRows, ModelRows, OptimizerRows, GbdtRows, TuneRows, TrainRows, ClusterRows, ScaleRows, CheckpointRows, KubernetesRows}) {
      for (SchemaRow& row : part()) rows->push_back(std::move(row));
    }
    rows->push_back({"output.dir", ValueType::kText, "out",
                     "Directory of the model and of metrics.json; made, or replaced at the end.",
                     [](JobConfig* c, const V& v) { c->output.dir = v.text; }});
    return rows;
  }();
  return *schema;
}

const std::vector<LaterKey>& LaterKeys() {
  static const std::vector<LaterKey> keys = {
      {"data.train.sql", "export the rows to files and name them in data.train.files"},
      {"data.valid.sql", "export the rows to files and name them in data.valid.files"},
      {"data.test.sql", "export the rows to files and name them in data.test.files"},
      {"features[].min_count", "set model.min_count, for all features alike"},
  };
  return keys;
}

}  // namespace ps
