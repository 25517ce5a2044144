// A job resolved for a cluster: batch and chunk sizes from the size of the data, and the list of
// chunks. They depend on the job and its data only, never on how many nodes there are: the steps of
// staleness 0 are the same everywhere.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/optimizer.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "scheduler/scheduler_machine.h"

namespace ps {

struct ClusterJob {
  JobConfig config;
  std::string extractor;  // Extractor::Serialize
  DataFiles train;
  std::vector<OptimizerParams> lanes;  // of a tuned job; empty: what config.model.optimizer says
};

// Whether lanes of a tuned job go on into later passes, judged on validation rows after each.
bool LanesGoOn(const JobConfig& config);

struct DataEstimate {
  double row_bytes = 1;  // of text
  double rows = 0;
};
// Looks at the beginning of the first file with a row. Compressed files are decompressed once for
// their length.
absl::StatusOr<DataEstimate> EstimateData(const DataFiles& files);

// `config.train.batch_rows`, or what the data's size asks for: small enough to cost little quality,
// at least 64 rows (fewer are all overhead), at most 2,048. What matters is how many rows are
// learnt from the same weights: with staleness 0 a step, chunks_per_round batches; otherwise the
// few batches that are on their way at once.
std::uint32_t BatchRows(const TrainConfig& train, double rows);

// All but shards and workers (left at 1) and limits (at their defaults).
absl::StatusOr<SchedulerMachine::Options> PlanCluster(const ClusterJob& job);

}  // namespace ps
