// Generates a range of rows with several threads and writes them in order, in bounded memory.
// Output does not depend on the number of threads.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "bench/datagen/criteo_truth.h"
#include "bench/datagen/row_text.h"
#include "models/metrics/metrics.h"

namespace ps {

struct RowStreamOptions {
  std::uint64_t first_row = 0;
  std::uint64_t rows = 0;
  int threads = 1;
  bool score_truth = false;  // fill RowStreamResult::truth
};

struct RowStreamResult {
  std::uint64_t bytes = 0;
  std::uint64_t positives = 0;
  Metrics truth;  // of the truth's own probabilities on these rows
};

// Writes to the open descriptor `file`, a regular file or a pipe; the caller closes it.
// Unavailable with the system's reason when a write fails.
absl::StatusOr<RowStreamResult> StreamRows(const CriteoTruth& truth, const RowWriter& writer,
                                           const RowStreamOptions& options, int file);

}  // namespace ps
