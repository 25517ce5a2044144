// A bounded part of a job's data as text, and which part of all the text it is. Small data are read
// whole; of larger ones pieces are read, spread over the plain files and from the front of
// compressed ones, whose decompressed length is extrapolated from the stored bytes that the front
// took.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/data/data_files.h"

namespace ps {

struct DataSample {
  struct Piece {
    std::uint32_t file = 0;
    std::uint64_t offset = 0;  // of the first byte in the decompressed file
    std::string text;          // whole lines
  };

  std::vector<Piece> pieces;  // in data order
  double part = 1;            // bytes of the pieces by bytes of all the data, estimated
  bool whole = false;         // nothing was left out
};

inline constexpr std::uint64_t kSampledPieceBytes = 1 << 20;
inline constexpr int kSampledPieces = 24;

// Reads at most twice kSampledPieces pieces. DataLoss where a compressed file is damaged before the
// end of what is read.
absl::StatusOr<DataSample> SampleData(const DataFiles& files);

// Lines of all the text: exact where there are few, else estimated by the sample.
absl::StatusOr<double> EstimateLines(const DataFiles& files);

}  // namespace ps
