// Counts the distinct ones of many 64-bit values; equal values are one. One thread.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ps {

class DistinctCount {
 public:
  // Reuses the memory of the last call.
  std::uint64_t Of(absl::Span<const std::uint64_t> values) {
    const int bits = std::bit_width(2 * values.size() + 2);
    table_.assign(std::size_t{1} << bits, 0);
    std::uint64_t count = 0;
    bool zero = false;
    const std::size_t mask = table_.size() - 1;
    for (const std::uint64_t value : values) {
      zero |= value == 0;  // which marks an empty place
      std::size_t at = value * 0x9e3779b97f4a7c15u >> (64 - bits);
      while (table_[at] != value && table_[at] != 0) at = (at + 1) & mask;
      count += table_[at] != value;
      table_[at] = value;
    }
    return count + zero;
  }

 private:
  std::vector<std::uint64_t> table_;
};

}  // namespace ps
