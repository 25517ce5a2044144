// The choice among lanes and numbers of passes by several folds of validation rows: one fold of few rows
// decides by chance. Lanes of several passes all begin with the data, so lane k is the same setting in every
// fold. Pure.
#pragma once

#include <vector>

#include "absl/types/span.h"
#include "trainer/tuning/tuning_trace.h"

namespace ps {

// Lanes and passes that were judged in every fold, by the mean of their validation losses, the best first.
std::vector<TuningTrace::Candidate> RankOverFolds(absl::Span<const TuningTrace> folds);

// How many folds of `rows` validation rows to judge by, of at most `most` that there are: so many that they
// have enough rows together, which large data has in one.
int FoldsToJudgeBy(std::uint64_t rows, int most);

}  // namespace ps
