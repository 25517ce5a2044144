// Scores the rows of one part of some files with a finished model. Starts its own threads.
#pragma once

#include "absl/status/statusor.h"
#include "models/bundle/scorer.h"
#include "models/data/data_files.h"
#include "models/data/row_split.h"
#include "models/metrics/metrics.h"

namespace ps {

struct HeldOutRows {
  const DataFiles* files = nullptr;
  const RowSplit* split = nullptr;   // null: all rows
  Part part = Part::kTrain;          // of the split
};

// Metrics are added in the order of the data: the same bits for any number of threads.
absl::StatusOr<Metrics> EvaluateHeldOut(const HeldOutRows& rows, const RowParser& parser,
                                        const Scorer& scorer, double max_bad_rows, int threads);

}  // namespace ps
