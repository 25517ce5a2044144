// Columns and bins of libsvm text, chosen from a sample: a column for every index that the sample has.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "models/gbdt/value_rows.h"
#include "trainer/gbdt/row_loader.h"

namespace ps {

// What a thread has taken of its blocks of the sample.
struct TakenRows {
  std::vector<std::vector<float>> values;
  std::vector<std::vector<std::uint32_t>> index;
  std::vector<TextCounts> texts;
  TextCounts classes;
  std::vector<OddTexts> odd_texts;
  float largest_label = 0;
  std::uint64_t lines = 0, rows = 0;
  absl::Status status;
};

// Fills the columns of *bins, whose sample_rows are known; what it has used of `taken` is empty then. InvalidArgument:
// there is no column; ResourceExhausted: too many bins.
absl::Status ChooseLibsvmBins(const LoadOptions& options, int index_base, std::vector<TakenRows>* taken, BinPlan* bins);

}  // namespace ps
