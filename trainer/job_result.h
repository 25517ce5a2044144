// What a finished job reports: metrics.json, and the lines on standard output. Shared by the embedded trainer
// and the cluster's coordinator. Plain data and pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"

namespace ps {

// Of a model of several classes, in place of the metrics of two.
struct ClassResult {
  std::vector<std::string> names;  // of the classes, by number
  ClassMetrics train;
  std::optional<ClassMetrics> valid, test;
};

// What training trees adds to it.
struct TreesResult {
  int trees = 0;               // of the model
  int grown = 0;               // more where early stopping went back
  double load_seconds = 0;     // reading and binning
  double median_tree_ms = 0;
  // On a cluster: bytes sent for all trees, steps, and 1 + how often nodes were lost in mid-tree; else 0.
  std::uint64_t wire_bytes = 0, steps = 0, attempts = 0;
  std::string distribution;    // on a cluster: what workers share, rows or columns
  double estimate_by_rows = 0, estimate_by_columns = 0;  // bytes a tree, by the cost model
  bool squared = false;        // then errors stand for the metrics of classes
  double train_rmse = 0, valid_rmse = 0, test_rmse = 0;
  std::optional<ClassResult> classes;
};

inline constexpr char kTunedJobName[] = "tuned_job.yaml";  // in the bundle of a tuned job

// What tuning (model.tune, tune) adds to it.
struct TuningResult {
  std::string optimizer_yaml;  // lr: the chosen setting, as the value of model.optimizer
  std::string trace_json;      // tuning.json of the bundle
  std::string job_yaml;        // tuned_job.yaml of the bundle: the job with that setting, without tuning
  std::string setting_text;    // trees: the chosen setting, for people
  std::optional<int> all_rows_passes;  // lr: of job_yaml, which has the validation rows among those to learn
};

struct JobResult {
  Metrics train;                       // progressive, of the first pass
  std::optional<Metrics> valid, test;
  std::string test_missing;            // why there are no test metrics, of a job that has test rows; else empty
  std::uint64_t rows_read = 0;         // train rows over all passes; equals rows_learnt
  std::uint64_t rows_learnt = 0;
  std::uint64_t rows_valid = 0, rows_test = 0, rows_dropped = 0;
  std::uint64_t bad_rows = 0;
  int passes = 0;                      // completed
  int best_pass = 0;                   // whose weights the model has (early stopping); 0: the last one
  std::uint64_t features = 0;          // keys seen in training
  std::uint64_t nonzero_weights = 0;
  double wall_seconds = 0;
  double train_seconds = 0;            // passes only: without start, final evaluation and writing
  double last_pass_seconds = 0;
  std::uint64_t last_pass_rows = 0;
  std::int64_t peak_rss_bytes = 0;
  std::uint64_t table_bytes = 0;
  std::string device = "cpu";          // or cuda, or "cuda at some workers": what learnt
  bool progressive = true;             // `train` is of rows before they were learnt; of trees it never is
  bool complete = true;                // false: ended by SIGTERM
  std::optional<TuningResult> tuning;
  std::vector<std::string> warnings;   // of what the figures cannot tell, for people
  std::optional<TreesResult> trees;    // of model.type gbdt; `train` is then of the finished model
};

// The metrics of the test rows, or why there are none: a model that is trained is not given up for those.
void SetTest(const absl::StatusOr<Metrics>& test, JobResult* result);

std::string JobResultJson(const JobResult& result);

// The closing lines for a person: metrics beside the constant prediction, counts, where the model is.
std::string JobResultText(const JobResult& result, const std::string& bundle_dir,
                          std::uint64_t bundle_bytes);

}  // namespace ps
