// Counts the distinct ones of many 64-bit values; equal values are one. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ps {

class DistinctCount {
 public:
  // Reuses the memory of the last call. The table starts small and doubles, so that few distinct
  // values, which are common, stay in the cache.
  std::uint64_t Of(absl::Span<const std::uint64_t> values) {
    shift_ = 64 - kFirstBits;
    table_.assign(std::size_t{1} << kFirstBits, 0);
    std::uint64_t count = 0;
    bool zero = false;
    for (const std::uint64_t value : values) {
      zero |= value == 0;
      if (value == 0 || !Insert(value)) continue;
      if (++count * 2 > table_.size()) Grow();
    }
    return count + zero;
  }

 private:
  static constexpr int kFirstBits = 10;

  // Whether the value is new. It is not 0, which marks an empty place.
  bool Insert(std::uint64_t value) {
    for (std::size_t at =
             (value * 0x9e3779b97f4a7c15u ^ value >> 29) * 0xbf58476d1ce4e5b9u >> shift_;
         ; at = (at + 1) & (table_.size() - 1)) {
      if (table_[at] == value) return false;
      if (table_[at] != 0) continue;
      table_[at] = value;
      return true;
    }
  }

  void Grow() {
    old_.swap(table_);
    table_.assign(old_.size() * 2, 0);
    --shift_;
    for (const std::uint64_t value : old_) {
      if (value != 0) Insert(value);
    }
  }

  int shift_ = 64 - kFirstBits;
  std::vector<std::uint64_t> table_;
  std::vector<std::uint64_t> old_;
};

}  // namespace ps
