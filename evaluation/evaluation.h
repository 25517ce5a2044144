// Scores all rows of some files with a model: streaming, with several threads and constant memory.
//
// Threads parse and score blocks in parallel; metrics and predictions take the blocks in data
// order, so the results are the same bytes for any number of threads.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "evaluation/prediction_writer.h"
#include "models/bundle/scorer.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"
#include "models/metrics/metrics.h"

namespace ps {

struct EvaluationOptions {
  int threads = 1;
  std::uint64_t block_bytes = 1 << 20;
  PredictionWriter* predictions = nullptr;  // not owned; may be null
};

// `parser` may be that of the scorer's model or any other. Errors: of the data (bad_rows judges
// malformed rows), and of writing predictions.
absl::StatusOr<MetricState> Evaluate(const Scorer& scorer, const RowParser& parser,
                                     const DataFiles& files, const EvaluationOptions& options,
                                     BadRows* bad_rows);

}  // namespace ps
