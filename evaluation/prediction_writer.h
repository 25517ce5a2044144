// The predictions file: CSV with the columns row, label, margin, probability. Of a model of several
// classes: row, label, predicted, and a column for the probability of each class, called
// probability_NAME; label and predicted (the likeliest class, the first among equals) are names.
//
// row counts the well-formed rows of all files in order, from 0. Numbers have the fewest digits
// that read back as the same float. One thread at a time; owns the file. Errors name the path.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ps {

class PredictionWriter {
 public:
  // `classes`: names, of a model of several.
  static absl::StatusOr<std::unique_ptr<PredictionWriter>> Create(const std::string& path,
                                                                  const std::vector<std::string>& classes = {});
  ~PredictionWriter();
  PredictionWriter(const PredictionWriter&) = delete;
  PredictionWriter& operator=(const PredictionWriter&) = delete;

  // A margin for each label, or one for each label and class, row by row.
  absl::Status Append(absl::Span<const float> labels, absl::Span<const float> margins);
  absl::Status Close();  // reports what buffering has hidden so far

 private:
  PredictionWriter(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}
  void AppendClasses(absl::Span<const float> labels, absl::Span<const float> margins);

  const std::string path_;
  std::FILE* file_;
  std::vector<std::string> classes_;  // as fields of CSV
  std::uint64_t rows_ = 0;
  std::string text_;
};

}  // namespace ps
