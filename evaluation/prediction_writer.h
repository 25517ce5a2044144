// The predictions file: CSV with the columns row, label, margin, probability. Of a model of several
// classes: row, label, predicted, and a column for the probability of each class, called
// probability_NAME; label and predicted (the likeliest class, the first among equals) are names.
//
// Of a model of numbers: row, label, predicted. Of rows without labels there is no column label.
//
// row counts the well-formed rows of all files in order, from 0. Numbers have the fewest digits
// that read back as the same float. One thread at a time; the file takes its place at Close. Errors name the path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "evaluation/output_file.h"

namespace ps {

// What is predicted of a row.
struct PredictionColumns {
  std::vector<std::string> classes;  // names, of a model of several
  bool numbers = false;              // it predicts numbers
  bool labels = true;                // rows have them
};

class PredictionWriter {
 public:
  static absl::StatusOr<std::unique_ptr<PredictionWriter>> Create(const std::string& path, const PredictionColumns& columns);

  // A margin for each label, or one for each label and class, row by row. Labels are looked at where rows have them.
  absl::Status Append(absl::Span<const float> labels, absl::Span<const float> margins);
  absl::Status Close();  // as OutputFile::Finish

 private:
  explicit PredictionWriter(std::unique_ptr<OutputFile> file) : file_(std::move(file)) {}
  void AppendClasses(absl::Span<const float> labels, absl::Span<const float> margins);
  void AppendNumbers(absl::Span<const float> labels, absl::Span<const float> margins);

  const std::unique_ptr<OutputFile> file_;
  std::vector<std::string> classes_;  // as fields of CSV
  bool numbers_ = false;
  bool labels_ = true;
  std::uint64_t rows_ = 0;
  std::string text_;
};

}  // namespace ps
