// Losses of the validation rows one by one, as a file that a training leaves: two trainings that held
// out the same rows are compared row by row, which tells far more than two means do (most of the
// noise of a row is common to both). Neither writing nor comparing holds rows in memory.
//
// One thread at a time.
#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"

namespace ps {

class RowLossFile {
 public:
  // Replaces what is there. Errors are of the disk, here and below.
  static absl::StatusOr<RowLossFile> Create(const std::string& path);

  // Rows in the order of the data; weights may be empty: all 1.
  void Add(absl::Span<const float> losses, absl::Span<const float> labels, absl::Span<const float> weights);
  // The same, by log loss of these margins.
  void AddMargins(absl::Span<const float> margins, absl::Span<const float> labels, absl::Span<const float> weights);
  // Until then nobody takes the file for a whole one.
  absl::Status Finish();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  RowLossFile(std::string path, std::FILE* file) : path_(std::move(path)), file_(file) {}

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t rows_ = 0;
  std::uint64_t digest_ = 0;  // of labels and weights: says whether two files have the same rows
  int error_ = 0;
};

// For who goes on without it: nothing but the error of a comparison depends on such a file.
std::string LossesNotKept(const absl::Status& status);

// A file, and what its losses are multiplied with.
struct ScaledLosses {
  std::string path;
  double scale = 1;
};
struct LossGap {
  double mean = 0;   // of the one less the other, rows weighted
  double error = 0;  // standard error of it
};
// Nothing where there is nothing to say: a file is not there or not whole, the two are not of the same
// rows, or a loss is no number.
std::optional<LossGap> CompareRowLosses(const ScaledLosses& one, const ScaledLosses& other);

}  // namespace ps
