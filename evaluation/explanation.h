// Why a model predicts what it does, row by row: the work of ps_model explain.
//
// A row's margin is the base and the contributions of its features: of trees the Shapley values of
// their columns (models/gbdt/contributions.h), of linear models weight times value, of trees that add to
// one both; of several classes for each class. Rows are in the
// order of the data, and the text is the same bytes for any number of threads.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>

#include "absl/status/status.h"
#include "models/bundle/bundle.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"

namespace ps {

enum class ExplanationFormat {
  // An object a line: row, label, margin, base, and contributions by name, the largest in magnitude
  // first, without those that are 0. Of several classes: margin to contributions by class.
  kJsonLines,
  // Models of trees: row, label, margin, base, and all columns of the model; of several classes a line
  // for each, with its name behind the label; of a linear model that they add to the sum.
  kCsv,
};

struct ExplanationOptions {
  ExplanationFormat format = ExplanationFormat::kJsonLines;
  std::uint64_t top = 0;  // of JSON: only so many, and `others` is the sum of the rest; 0: all
  int threads = 1;
};

// Numbers have the fewest digits that read back as the same float. FailedPrecondition and DataLoss:
// as of the scorers; Unimplemented: what the format cannot say, or a tree that is too deep; other
// errors are of the data (bad_rows judges malformed rows) and of writing.
absl::Status ExplainRows(std::unique_ptr<const Bundle> bundle, const DataFiles& files,
                         const ExplanationOptions& options, BadRows* bad_rows, std::FILE* out);

}  // namespace ps
