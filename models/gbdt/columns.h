// How the values of columns become bins. Bin 0 is a missing value. Immutable after construction:
// any thread.
//
// A number x is in bin b when cut[b - 2] <= x < cut[b - 1]; so "bins 1..b" and "x < cut[b - 1]" say
// the same. A category is in the bin of its text, and in bin 0 when it was too rare, or is new.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/types/span.h"
#include "models/gbdt/tree.h"

namespace ps {

inline constexpr int kMostBins = 255;  // of values, beside the missing bin

struct BinColumn {
  std::string name;
  ColumnKind kind = ColumnKind::kNumber;
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

// Sorts `values` and counts equal ones.
std::vector<WeightedValue> CountValues(std::vector<float>* values);

// The bin of a number; a missing one is NaN.
inline std::uint8_t BinOf(const BinColumn& column, float value) {
  if (value != value) return 0;
  const float* base = column.cuts.data();
  std::size_t count = column.cuts.size();
  while (count > 0) {  // the number of cuts that are <= value, without branches to mispredict
    const std::size_t half = (count + 1) / 2;
    base = base[half - 1] <= value ? base + half : base;
    count -= half;
  }
  return static_cast<std::uint8_t>(base - column.cuts.data() + 1);
}

}  // namespace ps
