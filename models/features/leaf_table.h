// Which leaf of a numeric column a number falls into, without a branch that data decide: the
// leading bits of the double choose a cell, the cell knows the first leaf in it, and the few cuts
// inside the cell are compared one by one. Immutable; any thread.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <limits>
#include <vector>

#include "absl/types/span.h"

namespace ps {

class LeafTable {
 public:
  // `cuts` are finite and ascend; leaf i holds cuts[i - 1] <= x < cuts[i].
  explicit LeafTable(absl::Span<const double> cuts) : cuts_(cuts.begin(), cuts.end()) {
    // Cells are fine near the origin, which therefore lies a little below the cuts.
    if (!cuts.empty() && cuts[0] <= 0) {
      constexpr double kFinite = 1e290;  // keeps the origin finite whatever the cuts
      origin_ = cuts[0] - (cuts.size() > 1 ? std::min(cuts[1] - cuts[0], kFinite) : 1.0);
    }
    if (!cuts.empty()) first_ = view().BitsOf(cuts[0]);
    const std::int64_t highest = cuts.empty() ? 0 : view().BitsOf(cuts.back());
    while (((highest >> shift_) - (first_ >> shift_)) + 3 > kMaxCells) ++shift_;
    first_ = (first_ >> shift_) - 1;
    last_ = (highest >> shift_) - first_ + 1;
    cells_.resize(static_cast<std::size_t>(last_) + 1);
    std::uint32_t leaf = 0;
    for (std::int64_t cell = 0; cell <= last_; ++cell) {
      cells_[static_cast<std::size_t>(cell)] = static_cast<std::uint16_t>(leaf);
      const std::uint32_t before = leaf;
      while (leaf < cuts_.size() && view().CellOf(cuts_[leaf]) <= cell) ++leaf;
      steps_ = std::max(steps_, leaf - before);
    }
    leaves_ = static_cast<std::uint32_t>(cuts_.size()) + 1;
    cuts_.insert(cuts_.end(), std::max(steps_, 2u), std::numeric_limits<double>::infinity());
  }

  std::uint32_t leaves() const { return leaves_; }

  std::uint32_t LeafOf(double x) const { return view().LeafOf(x); }

  // What a search reads, beside each other; valid as long as the table.
  struct View {
    const double* cuts;
    const std::uint16_t* cells;
    double origin;
    std::int64_t first;
    std::int64_t last;
    int shift;
    std::uint32_t steps;

    // Ascends with x above the origin, and is negative below it.
    std::int64_t BitsOf(double x) const { return std::bit_cast<std::int64_t>(x - origin); }
    std::int64_t CellOf(double x) const {
      return std::clamp((BitsOf(x) >> shift) - first, std::int64_t{0}, last);
    }
    // Any finite number.
    std::uint32_t LeafOf(double x) const {
      const std::uint32_t leaf = cells[CellOf(x)];
      const double* const near = cuts + leaf;
      if (steps > 2) [[unlikely]] {
        // The infinities behind the last cut stop the search.
        return static_cast<std::uint32_t>(std::upper_bound(near, near + steps, x) - cuts);
      }
      return leaf + (near[0] <= x) + (near[1] <= x);
    }
  };
  View view() const {
    return {cuts_.data(), cells_.data(), origin_, first_, last_, shift_, steps_};
  }

 private:
  static constexpr std::int64_t kMaxCells = 2048;

  std::vector<double> cuts_;          // and infinities
  std::vector<std::uint16_t> cells_;  // the leaf of the cell's least number
  double origin_ = 0;
  std::int64_t first_ = 0;  // leading bits of cell 0
  std::int64_t last_ = 0;   // the highest cell
  int shift_ = 40;
  std::uint32_t leaves_ = 0;
  std::uint32_t steps_ = 0;  // the most cuts in one cell
};

}  // namespace ps
