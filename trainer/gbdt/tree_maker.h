// Who has the training rows and grows trees on them: this process, or servers and workers. One
// thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/data/data_files.h"
#include "models/gbdt/gradient_rows.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"
#include "ps/base/crew.h"
#include "trainer/gbdt/bin_cache.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/gbdt/tree_progress.h"
#include "trainer/prepared_job.h"

namespace ps {

struct TrainRows {
  LabelSums sums;
  std::vector<double> base_scores;
  std::uint64_t dropped = 0, bad_rows = 0;
  std::string bad_row_text;
  std::string device_text;  // what trees will grow on and why, for people; empty: nothing to say
  std::string distribution_text;  // on a cluster: what workers share, and why, for people
};

struct TrainMetrics {
  Metrics metrics;
  double rmse = 0;       // of numbers
  ClassMetrics classes;  // of softmax
};

struct MadeOnCluster {
  std::uint64_t wire_bytes = 0;  // for the trees so far
  std::uint64_t steps = 0;
  std::uint32_t attempts = 0;  // above 1: work was begun anew because nodes were lost
  std::string distribution;    // what workers share, rows or columns
  // Bytes a tree, as they were estimated of both.
  double estimate_by_rows = 0, estimate_by_columns = 0;
};

class TreeMaker {
 public:
  virtual ~TreeMaker() = default;
  // Reads the training rows, and fills the held-out parts of `held_out`.
  virtual absl::StatusOr<TrainRows> Load(LoadedRows* held_out) = 0;
  virtual absl::StatusOr<Tree> GrowNext() = 0;
  // With the first `trees` trees: how the training rows are predicted.
  virtual absl::StatusOr<TrainMetrics> Judge(const std::vector<Tree>& trees) = 0;
  // The training rows, where they are in this process; else null.
  virtual const BinnedRows* rows() const { return nullptr; }
  // What the rows are on now: cpu, cuda, or "cuda at some workers".
  virtual std::string device() const = 0;
  virtual MadeOnCluster made() const { return {}; }
  // Another scheduler has the job: its nodes are told nothing.
  virtual void LeaveNodes() {}
};

// Metrics of predictions as the job reports them: `offset` is what negatives that were sampled away
// take from a margin.
Metrics MetricsOfRows(const BinnedRows& rows, std::vector<float> margins, double offset);
// Of margins as StartMargins lays them out.
ClassMetrics ClassMetricsOfRows(const BinnedRows& rows, const std::vector<float>& margins, std::uint32_t classes);
// Before the job's first tree.
std::vector<float> StartMargins(const BinnedRows& rows, const std::vector<double>& base_scores);

struct TreeJob {
  const PreparedJob* job = nullptr;
  const features::Plan* plan = nullptr;
  const BinPlan* bins = nullptr;
  BoostParams params;
  LoadOptions options;
  double offset = 0;
  Crew* crew = nullptr;
  const TreeModel* start = nullptr;  // trees to go on from, or to fit again; may be null
  const BinCache* cache = nullptr;
  const std::vector<Tree>* finished = nullptr;  // by a process before, to go on after
  TreeSession session;
};
// Of the model that the job's trees begin with; empty: it begins with none, and they are the labels'.
std::vector<double> StartScores(const TreeJob& job);
std::unique_ptr<TreeMaker> MakeEmbeddedTrees(const TreeJob& job);
// FailedPrecondition, with the reason, where a job's trees in one process are the processor's, whatever
// devices there are.
absl::Status CheckJobForDevice(const JobConfig& config);

}  // namespace ps
