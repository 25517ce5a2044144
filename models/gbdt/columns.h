// How the values of columns become bins. Bin 0 is a missing value. Immutable after construction:
// any thread.
//
// A number x is in bin b when cut[b - 2] <= x < cut[b - 1]; so "bins 1..b" and "x < cut[b - 1]" say
// the same. A category is in the bin of its text, and in bin 0 when it was too rare, or is new.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "kernels/bounded_split.h"
#include "models/gbdt/tree.h"

namespace ps {

inline constexpr int kMostBins = 255;  // of values, beside the missing bin

struct BinColumn {
  std::string name;
  ColumnKind kind = ColumnKind::kNumber;
  Direction direction = Direction::kFree;  // numbers: of predictions, as values rise
  std::vector<float> cuts;              // numbers: ascending
  std::vector<std::string> categories;  // categories: of bins 1, 2, ...
  int bins() const {
    return kind == ColumnKind::kNumber ? static_cast<int>(cuts.size()) + 1
                                       : static_cast<int>(categories.size());
  }
};

// A value that occurs, and how often.
struct WeightedValue {
  float value = 0;
  std::uint64_t count = 0;
};

// At most `bins` - 1 cuts of ascending distinct values: at most `bins` values have a bin each,
// heavy values have one of their own, the others share bins of about equal mass, of at least
// `min_rows` where that is possible. Cuts lie midway between neighbours.
std::vector<float> ChooseCuts(absl::Span<const WeightedValue> values, int bins,
                              std::uint64_t min_rows);

// The same where 0 is what an absent value stands for, and `values`, ascending and without 0, are
// those that are not: 0 has a bin of its own whatever its mass, the values on either side share
// the others. With two bins in all, 0 is cut off the heavier side.
std::vector<float> ChooseCutsAroundZero(absl::Span<const WeightedValue> values, int bins,
                                        std::uint64_t min_rows);

// Sorts `values` and counts equal ones.
std::vector<WeightedValue> CountValues(std::vector<float>* values);

// The number of `cuts` that are <= value, without branches to mispredict.
inline std::size_t CutsUpTo(const float* cuts, std::size_t count, float value) {
  const float* base = cuts;
  while (count > 0) {
    const std::size_t half = (count + 1) / 2;
    base += static_cast<std::size_t>(base[half - 1] <= value) * half;
    count -= half;
  }
  return static_cast<std::size_t>(base - cuts);
}

// The bin of a number; a missing one is NaN.
inline std::uint8_t BinOf(const BinColumn& column, float value) {
  if (value != value) return 0;
  return static_cast<std::uint8_t>(CutsUpTo(column.cuts.data(), column.cuts.size(), value) + 1);
}

// The same for many numbers of one column: sixteen cuts at a time, twice.
class CutTable {
 public:
  explicit CutTable(const std::vector<float>& cuts);

  std::uint8_t BinOf(float value) const {
    const std::size_t group = CountUpTo(pivots_, value);
    const std::size_t bin = 16 * group + CountUpTo(cuts_ + 16 * group, value) + 1;
    return static_cast<std::uint8_t>(value == value ? bin : 0);
  }

 private:
  static std::size_t CountUpTo(const float* sixteen, float value) {
    const __m256 x = _mm256_set1_ps(value);
    const auto low = static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(sixteen), x, _CMP_LE_OQ)));
    const auto high = static_cast<unsigned>(
        _mm256_movemask_ps(_mm256_cmp_ps(_mm256_loadu_ps(sixteen + 8), x, _CMP_LE_OQ)));
    return static_cast<std::size_t>(_mm_popcnt_u32(low | high << 8));
  }

  float pivots_[16];  // the last cut of each sixteen; NaN, which is below nothing, where there is
                      // none
  float cuts_[256];
};

}  // namespace ps
