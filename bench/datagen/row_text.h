// Writes generated rows as text, in the formats that the trainer and its peers read.
//
//   libsvm   0|1 id:1 ...    ids ascending and distinct, 1 .. 2^hash_bits; counts as buckets
//   vw       -1|1 | id ...   the same ids
//   criteo   label, 13 counts, 26 categories, tab-separated, missing ones empty, no header
//   csv      the same with commas and a header
//
// A RowWriter is immutable: any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "bench/datagen/criteo_truth.h"

namespace ps {

enum class RowFormat { kLibsvm, kVw, kCriteo, kCsv };

std::optional<RowFormat> ParseRowFormat(std::string_view name);

inline constexpr int kMinHashBits = 8;
inline constexpr int kMaxHashBits = 48;

class RowWriter {
 public:
  // hash_bits: kMinHashBits .. kMaxHashBits, for libsvm and vw.
  RowWriter(RowFormat format, int hash_bits) : format_(format), hash_bits_(hash_bits) {}

  // What stands before the first row; empty for all but csv.
  std::string Header() const;
  // Appends the row's line.
  void Append(const CriteoRow& row, std::string* text) const;

 private:
  char* WriteHashed(const CriteoRow& row, char* out) const;
  char* WriteColumns(const CriteoRow& row, char separator, char* out) const;

  RowFormat format_;
  int hash_bits_;
};

// The distinct hashed features of a row in ascending order; returns how many. `ids` has room for
// kCriteoColumns.
int HashedFeatures(const CriteoRow& row, int hash_bits, std::uint64_t* ids);

}  // namespace ps
