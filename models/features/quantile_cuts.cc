#include "models/features/quantile_cuts.h"

#include <algorithm>
#include <numeric>

namespace ps {
namespace {

// How far from the lower value to the upper one a cut lies. About the middle, but no fraction:
// between values of few digits, where the middle is often a value that other rows have, rounding
// would decide on which side those fall, and would decide otherwise in other units.
constexpr double kCutPlace = 0.48712935;

}  // namespace

std::vector<std::uint32_t> EqualMassRuns(absl::Span<const std::uint64_t> mass, int buckets) {
  const auto total =
      static_cast<double>(std::accumulate(mass.begin(), mass.end(), std::uint64_t{0}));
  const double heavy = total / buckets;
  int heavy_items = 0;
  double light_mass = 0;
  for (std::uint64_t m : mass) {
    if (static_cast<double>(m) >= heavy) {
      ++heavy_items;
    } else {
      light_mass += static_cast<double>(m);
    }
  }
  const double target = light_mass / std::max(1, buckets - heavy_items);
  std::vector<std::uint32_t> first;
  double open = 0;       // mass of the run being filled
  bool is_open = false;  // false: the next item begins a run
  for (std::uint32_t i = 0; i < mass.size(); ++i) {
    const auto m = static_cast<double>(mass[i]);
    // An item goes with the side on which it leaves the run nearer to its target.
    if (is_open && (m >= heavy || open + m / 2 > target)) is_open = false;
    if (!is_open) {
      first.push_back(i);
      open = 0;
    }
    open += m;
    is_open = m < heavy && open < target;
  }
  return first;
}

std::vector<double> QuantileCuts(absl::Span<const double> sorted, int buckets) {
  std::vector<double> value;
  std::vector<std::uint64_t> count;
  for (double x : sorted) {
    if (value.empty() || value.back() != x) {
      value.push_back(x);
      count.push_back(0);
    }
    ++count.back();
  }
  std::vector<double> cuts;
  for (std::uint32_t first : EqualMassRuns(count, buckets)) {
    if (first == 0) continue;
    const double low = value[first - 1];
    const double high = value[first];
    const double cut = low * (1 - kCutPlace) + high * kCutPlace;
    // Between neighbouring doubles there is no other: then the upper one is the cut.
    cuts.push_back(cut > low && cut < high ? cut : high);
  }
  return cuts;
}

std::vector<std::uint64_t> LeafMasses(absl::Span<const double> sorted,
                                      absl::Span<const double> cuts) {
  std::vector<std::uint64_t> mass(cuts.size() + 1, 0);
  std::size_t leaf = 0;
  for (double x : sorted) {
    while (leaf < cuts.size() && cuts[leaf] <= x) ++leaf;
    ++mass[leaf];
  }
  return mass;
}

}  // namespace ps
