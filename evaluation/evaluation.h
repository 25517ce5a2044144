// Scores all rows of some files with a model: streaming, with several threads and constant memory.
//
// Threads parse and score blocks in parallel; metrics and predictions take the blocks in data
// order, so the results are the same bytes for any number of threads.
#pragma once

#include <cstdint>
#include <functional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "evaluation/prediction_writer.h"
#include "models/bundle/scorer.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"
#include "models/metrics/class_metrics.h"
#include "models/metrics/metrics.h"

namespace ps {

// Appends the rows of a piece of text to the block, which is empty, and replaces the margins by theirs, of a model of
// several classes one a class, row by row. Called from every thread.
using ScoreText = std::function<void(std::string_view, TextOrigin, RowBlock*, std::vector<float>*)>;

// Of a model of numbers instead of classes.
struct SquaredErrors {
  double sum = 0, weights = 0;  // of weighted squared differences
};

struct EvaluationOptions {
  int threads = 1;
  std::uint64_t block_bytes = 1 << 20;
  bool labels = true;  // rows have them; else there are no metrics
  PredictionWriter* predictions = nullptr;  // not owned; may be null
  SquaredErrors* errors = nullptr;          // set: errors are added up there, instead of metrics of two classes
  ClassMetricState* classes = nullptr;      // set: of several classes, there
};

// InvalidArgument: a table's header lacks a column that the model reads, or has it elsewhere. As a mere malformed row it
// would go unnoticed.
absl::Status CheckHeadersOf(const Bundle& bundle, const DataFiles& files);

// Errors: of the data (bad_rows judges malformed rows), and of writing predictions.
absl::StatusOr<MetricState> Evaluate(const ScoreText& score, const DataFiles& files, const EvaluationOptions& options,
                                     BadRows* bad_rows);

// `parser` may be that of the scorer's model or any other. Errors: of the data (bad_rows judges
// malformed rows), and of writing predictions.
absl::StatusOr<MetricState> Evaluate(const Scorer& scorer, const RowParser& parser,
                                     const DataFiles& files, const EvaluationOptions& options,
                                     BadRows* bad_rows);

}  // namespace ps
