// Finds the settings of trees within a budget, on rows that are binned and in memory.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/columns.h"
#include "models/gbdt/tree.h"
#include "trainer/prepared_job.h"
#include "trainer/progress/progress_reporter.h"

namespace ps {

struct TreeTuningJob {
  const PreparedJob* job = nullptr;  // with the section tune
  const BinnedRows* train = nullptr;
  const BinnedRows* held_out = nullptr;
  const std::vector<BinColumn>* columns = nullptr;
  double offset = 0;
  std::uint32_t classes = 1;  // of softmax
  ProgressReporter* reporter = nullptr;
  const std::atomic<bool>* stop = nullptr;  // ends it with the best training so far
};

struct TunedTrees {
  GbdtConfig setting;       // with the number of trees that predict best
  std::vector<Tree> trees;  // what a job with that setting grows
  std::uint64_t grown = 0;  // by all trainings; of softmax, rounds
  std::string trace_json, setting_text, job_yaml;
};

// InvalidArgument: there are no held-out rows. OutOfRange: no training had a finite loss. Cancelled: a stop came
// before the first tree.
absl::StatusOr<TunedTrees> TuneTrees(const TreeTuningJob& job);

}  // namespace ps
