// Scores the rows of one part of some files with finished models. Starts its own threads.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
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

// Margins of rows x scorers, a row's side by side; there may be none. Called in the order of the data, once at a time.
using TakeScored = std::function<void(absl::Span<const float> margins, const RowBlock& rows)>;
// InvalidArgument: more rows of the files are malformed than may be; it ends at the first block, in the order of the data,
// that shows it beyond chance. *malformed: the first of those that may be, for a person; null: nobody asks. `stop`: set
// from anywhere, no further block is begun, and the answer is Cancelled; null: nobody stops it.
absl::Status ScoreHeldOut(const HeldOutRows& rows, const RowParser& parser, absl::Span<const Scorer* const> scorers,
                          double max_bad_rows, int threads, const TakeScored& take, std::string* malformed = nullptr,
                          const std::atomic<bool>* stop = nullptr);

// Metrics are added in the order of the data: the same bits for any number of threads.
absl::StatusOr<Metrics> EvaluateHeldOut(const HeldOutRows& rows, const RowParser& parser,
                                        const Scorer& scorer, double max_bad_rows, int threads,
                                        std::string* malformed = nullptr);

}  // namespace ps
