// Criteo-shaped rows of a known truth: 13 counts and 26 categorical columns with Zipf ranks, and a
// label drawn from a logistic model whose weights are hashes of the values, so that no table of
// them is needed.
//
// The margin is a sum of non-linear effects of the counts, one weight a categorical value, and
// interactions of pairs of columns, which a linear model without crosses cannot see. It is scaled
// and shifted, once a truth, to a fixed spread and share of positives, so that every seed is about
// equally hard.
//
// Row i is a pure function of (options, i): any thread may make any row, in any order. Immutable.
#pragma once

#include <array>
#include <bit>
#include <cstdint>
#include <memory>

#include "ps/base/key.h"

namespace ps {

inline constexpr int kCountColumns = 13;
inline constexpr int kCategoryColumns = 26;
inline constexpr int kCriteoColumns = kCountColumns + kCategoryColumns;
inline constexpr std::int32_t kMissingCount = -1;

struct CriteoRow {
  int label = 0;
  float margin = 0;                                      // P(label = 1) = 1 / (1 + exp(-margin))
  std::array<std::int32_t, kCountColumns> count;         // kMissingCount: an empty field
  std::array<std::uint32_t, kCategoryColumns> category;  // printed as eight hexadecimal digits
  std::array<bool, kCategoryColumns> category_missing;   // printed as an empty field
};

// Buckets of a count, four to an octave: what the hashed formats use as the value of a count.
// kMissingCount has a bucket of its own.
inline constexpr int kCountBuckets = 128;
constexpr int CountBucket(std::int32_t count) {
  if (count < 0) return kCountBuckets - 1;
  const std::uint32_t x = static_cast<std::uint32_t>(count) + 1;
  const int octave = std::bit_width(x) - 1;
  return octave * 4 + (((static_cast<std::uint64_t>(x) << 2) >> octave) & 3);
}

// Identity of column `column`'s (counts first) value in the hashed formats: 1 .. 2^hash_bits. A
// category's value is its 32 bits, missing or not; a count's is its bucket.
constexpr std::uint64_t HashedFeature(int column, std::uint32_t value, int hash_bits) {
  const std::uint64_t identity = (static_cast<std::uint64_t>(column + 1) << 32) | value;
  return 1 + (Mix64(identity) >> (64 - hash_bits));
}

class CriteoTruth {
 public:
  struct Options {
    std::uint64_t seed = 1;
    double zipf = 1.05;  // exponent of the ranks, above 0
    double positive_rate = 0.25;
  };
  explicit CriteoTruth(const Options& options);
  ~CriteoTruth();

  void Generate(std::uint64_t index, CriteoRow* row) const;

 private:
  struct Tables;
  struct Drawn {
    double raw_margin;  // before scale and intercept
    double uniform;     // decides the label
  };
  Drawn Draw(std::uint64_t index, CriteoRow* row) const;  // sets all of *row but label and margin
  void Calibrate();

  Options options_;
  std::unique_ptr<const Tables> tables_;
  double scale_ = 1;
  double intercept_ = 0;
};

}  // namespace ps
