// Which leaf of a numeric column a number falls into: small integers by a table, others by a binary
// search without branches. Immutable; any thread.
#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"

namespace ps {

class LeafTable {
 public:
  // `cuts` ascend; leaf i holds cuts[i - 1] <= x < cuts[i].
  explicit LeafTable(absl::Span<const double> cuts) {
    std::size_t padded = 1;
    while (padded <= cuts.size()) padded *= 2;
    half_ = static_cast<std::uint32_t>(padded / 2);
    cuts_.assign(padded, std::numeric_limits<double>::infinity());
    std::copy(cuts.begin(), cuts.end(), cuts_.begin());
    small_.resize(kSmall);
    for (int i = 0; i < kSmall; ++i) {
      small_[static_cast<std::size_t>(i)] = static_cast<std::uint16_t>(Search(i - kNegative));
    }
  }

  // Any finite number.
  std::uint32_t Search(double x) const {
    const double* base = cuts_.data();
    for (std::uint32_t step = half_; step > 0; step /= 2) base += base[step - 1] <= x ? step : 0;
    return static_cast<std::uint32_t>(base - cuts_.data());
  }

  std::uint32_t OfInteger(std::int64_t x) const {
    const auto index = static_cast<std::uint64_t>(x + kNegative);
    return index < kSmall ? small_[index] : Search(static_cast<double>(x));
  }

 private:
  static constexpr int kNegative = 16;
  static constexpr int kSmall = 1024 + kNegative;

  std::vector<double> cuts_;  // padded by infinity to a power of two
  std::uint32_t half_ = 0;
  std::vector<std::uint16_t> small_;
};

}  // namespace ps
