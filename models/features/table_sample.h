// The bounded, deterministic sample of a table from which a plan's open questions (column names,
// types, quantile cuts) are answered: all of small files; of larger ones, 64 pieces spread over the
// files, of a compressed file its head. One thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/data/data_files.h"
#include "models/features/split_row.h"

namespace ps {

struct DataConfig;

inline constexpr std::uint64_t kSamplePieceBytes = 128 << 10;
inline constexpr int kSamplePieces = 64;

struct SamplePiece {
  std::uint32_t file = 0;
  std::uint64_t offset = 0;
  std::string text;  // whole lines
};

absl::StatusOr<std::vector<SamplePiece>> ReadSamplePieces(const DataFiles& files);

struct ColumnSample {
  std::vector<double> numbers;  // ascending once TableSample is complete
  std::uint64_t texts = 0;      // values that are neither missing nor numbers
  std::uint64_t missing = 0;
  std::string first_text;      // of the texts
  std::uint64_t distinct = 0;  // texts of all values but missing ones, by their hashes
};

struct TableShape {
  TextLayout layout;
  bool header = false;
  std::vector<std::string> missing;
};
// As the job says.
TableShape ShapeOf(const DataConfig& data);

struct TableSample {
  std::vector<std::string> header;  // of the first file that has one; empty without
  std::size_t columns = 0;          // the commonest number of fields
  std::uint64_t rows = 0;           // of that many fields
  bool whole = true;                // small files: nothing was left out
  std::vector<ColumnSample> column;
};

// InvalidArgument when headers differ or are malformed. An empty sample has no rows.
absl::StatusOr<TableSample> SampleTable(const DataFiles& files, const TableShape& shape);

}  // namespace ps
