// A job, as declared in its YAML file, after validation. Plain data; names are those of the file,
// and the schema in models/config/schema.cc is the single list of keys, defaults and ranges.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace ps {

enum class DataFormat { kLibsvm, kCsv, kTsv, kCriteo, kVw };

struct ColumnRef {  // a column by header name or by 0-based position
  std::string name;
  int index = -1;
  bool set() const { return index >= 0 || !name.empty(); }
  bool operator==(const ColumnRef&) const = default;
};

inline constexpr std::size_t kMostClasses = 1000;  // that a model tells apart

struct LabelConfig {
  ColumnRef column;      // csv and tsv; default: the column called "label", else column 0
  std::string positive;  // text of the positive class; empty: "1" (and "+1")
  std::vector<std::string> classes;  // of softmax; empty: those that the training rows have
  bool operator==(const LabelConfig&) const = default;
};

struct DataPart {
  std::vector<std::string> files;
  bool set() const { return !files.empty(); }
  bool operator==(const DataPart&) const = default;
};

struct SplitConfig {  // by: ratio. A row's part is decided by a hash of (seed, file, offset).
  double valid = 0;
  double test = 0;
  int valid_fold = 0;  // which part of that size; no key of a file: tuning judges by several
  double train_part = 1;  // of the training rows, what is learnt; no key of a file: a search begins with few
  bool operator==(const SplitConfig&) const = default;
};

struct DataConfig {
  DataPart train, valid, test;
  DataFormat format = DataFormat::kLibsvm;
  bool header = false;                                 // csv, tsv
  std::vector<std::string> columns;                    // names when there is no header
  std::string quote = "\"";                            // csv; empty: no quoting
  std::vector<std::string> missing = {"", "NA", "?"};  // texts that mean "missing"
  int index_base = 1;                                  // libsvm: smallest legal index
  LabelConfig label;
  ColumnRef weight;  // importance weight column (csv, tsv)
  SplitConfig split;
  double keep_negatives = 1.0;  // negative down-sampling rate r, by row hash
  double max_bad_rows = 0.001;  // fraction of rows; above it the job stops, exit 3
  std::string cache;            // of trees: directory of binned rows; empty: none are kept
  bool operator==(const DataConfig&) const = default;
};

enum class FeatureOp { kNumeric, kBucket, kLog, kRaw, kHash, kCross, kIgnore, kRest, kTreeLeaves };

struct FeatureConfig {
  FeatureOp op = FeatureOp::kHash;
  ColumnRef column;           // all but cross, rest and tree_leaves
  std::vector<ColumnRef> of;  // cross
  int buckets = 32;           // bucket
  std::string model;          // tree_leaves: bundle directory
  bool operator==(const FeatureConfig&) const = default;
};

enum class OptimizerType { kFtrl, kAdaGrad, kSgd, kNewtonCg };

struct OptimizerConfig {
  OptimizerType type = OptimizerType::kFtrl;
  double alpha = 0.1;  // learning rate
  double beta = 0.5;
  double l1 = 0.0;
  std::optional<double> l2;  // unset: 0; newton_cg: 1
  double newton = 0.2;       // ftrl
  bool l2_evidence = false;  // newton_cg
  bool operator==(const OptimizerConfig&) const = default;
};

struct RefitConfig {
  double decay = 0.9;  // of a leaf's value, its own
  bool operator==(const RefitConfig&) const = default;
};

struct GbdtConfig {
  std::string objective = "logistic";  // or squared
  int trees = 100;
  double learning_rate = 0.1;
  bool level_wise = false;
  int max_leaves = 31;
  int max_depth = 0;  // 0: no limit
  int max_bins = 255;
  double min_hessian = 1;
  double l1 = 0;
  double l2 = 1;
  double min_gain = 0;
  double row_sample = 1;
  double column_sample = 1;
  double category_smooth = 10;
  bool absent_is_zero = false;  // libsvm; else an absent value is missing
  std::string distribution = "auto";  // on a cluster: auto, or what workers share, rows or columns
  bool target_encoding = true;  // columns of more categories than bins become numbers: auto
  std::vector<ColumnRef> target_columns;  // and these, whatever they are
  double target_smooth = 10;
  std::vector<ColumnRef> increasing, decreasing;  // as their values rise, predictions do not go the other way
  std::string base_model;  // bundle directory of a linear model whose margins trees add to; or empty
  std::optional<RefitConfig> refit;  // the trees of model.warm_start keep their splits and get new values
  bool operator==(const GbdtConfig&) const = default;
};

struct ModelConfig {
  std::string type = "lr";  // or gbdt
  bool tune = false;         // the optimiser's settings are found while training
  bool tune_all_rows = true;  // and then validation rows are learnt too, where they chose
  OptimizerConfig optimizer;  // unless tuned
  GbdtConfig gbdt;
  bool bias = true;
  int min_count = 1;       // a key enters the table on its min_count-th appearance
  std::string warm_start;  // bundle directory; empty: from zero
  bool operator==(const ModelConfig&) const = default;
};

struct EarlyStoppingConfig {
  int patience = 1;        // passes without improvement before stopping
  double min_delta = 0.0;  // of validation log loss
  bool operator==(const EarlyStoppingConfig&) const = default;
};

struct TrainConfig {
  int passes = 1;
  int batch_rows = 0;            // 0: auto
  std::optional<int> staleness;  // unset: row by row embedded, 4 in a cluster; -1: unbounded
  int threads = 0;               // 0: all that the container grants
  std::uint64_t seed = 1;
  std::optional<EarlyStoppingConfig> early_stopping;  // needs a validation part
  std::string row_cache;     // directory of the row cache; empty: the output directory
  int chunks_per_round = 8;  // G of staleness 0
  bool operator==(const TrainConfig&) const = default;
};

struct ScaleConfig {  // numbers of nodes that follow the job; 0 in a target: they stay
  double memory_per_server_gib = 0;
  double rows_per_s = 0;
  int min_servers = 1, max_servers = 0;
  int min_workers = 1, max_workers = 0;
  double every = 10;  // seconds
  bool operator==(const ScaleConfig&) const = default;
};

struct ClusterConfig {
  int servers = 0;  // 0: embedded
  int workers = 0;
  int replicas = 1;
  bool ack_primary = false;    // a push is acknowledged before its copies have it
  double failure_timeout = 0;  // seconds; 0: as replicas ask
  int slot_bits = 12;
  int lanes = 16;              // of a tuned job, at most, at once
  std::string values = "f32";  // on the wire: f32, bf16, int8
  std::string curve_key_file;  // empty: connections are neither encrypted nor checked
  std::string state;           // where the scheduler keeps what must outlive it; empty: nowhere
  std::string http;            // HOST:PORT of status and commands; empty: none
  std::optional<ScaleConfig> scale;
  bool operator==(const ClusterConfig&) const = default;
};

struct CheckpointConfig {
  std::string dir;       // or s3://BUCKET/PREFIX; empty: none are written
  std::string endpoint;  // of S3
  double every = 60;     // seconds
  int full_every = 10;
  int keep = 2;
  bool resume = true;  // from the newest that is there
  bool operator==(const CheckpointConfig&) const = default;
};

struct KubernetesConfig {  // for --render kubernetes
  std::string image;
  std::string name_space = "default";
  std::string server_cpu = "1", server_memory = "4Gi";
  std::string worker_cpu = "1", worker_memory = "2Gi";
  std::string scheduler_cpu = "1", scheduler_memory = "2Gi";
  int worker_gpus = 0;
  std::string data_claim, data_path = "/data";
  std::string output_claim;
  bool operator==(const KubernetesConfig&) const = default;
};

struct VariedKey {
  std::string key;                  // dotted
  std::vector<std::string> values;  // as YAML
  bool operator==(const VariedKey&) const = default;
};

struct SearchConfig {  // of whole jobs; budget, trials or both
  std::vector<VariedKey> vary;
  int trials = 0;
  double budget_seconds = 0;
  int parallel = 1;  // trials at once
  bool halving = false;  // trials begin on a part of the rows, and the better ones go on
  std::string metric;  // log_loss, auc, rmse; empty: log_loss, or rmse of numbers
  bool operator==(const SearchConfig&) const = default;
};

struct TuneConfig {  // of trees, one of the first two; of any job, search
  double budget_seconds = 0;
  int trainings = 0;
  std::optional<SearchConfig> search;
  bool operator==(const TuneConfig&) const = default;
};

struct OutputConfig {
  std::string dir = "out";
  bool operator==(const OutputConfig&) const = default;
};

struct JobConfig {
  std::string job = "job";
  std::string device = "auto";  // or cpu, cuda
  DataConfig data;
  std::vector<FeatureConfig> features;  // empty: every column, types inferred
  ModelConfig model;
  std::optional<TuneConfig> tune;
  TrainConfig train;
  ClusterConfig cluster;
  CheckpointConfig checkpoint;
  KubernetesConfig kubernetes;
  OutputConfig output;
  bool operator==(const JobConfig&) const = default;
};

}  // namespace ps
