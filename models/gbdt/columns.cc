#include "models/gbdt/columns.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <limits>

namespace ps {
namespace {

// A number c with a < c <= b, as near the middle as floats allow.
float Between(float a, float b) {
  const float middle = static_cast<float>((static_cast<double>(a) + static_cast<double>(b)) / 2);
  return middle > a && middle <= b ? middle : b;
}

}  // namespace

CutTable::CutTable(const std::vector<float>& cuts) {
  std::fill(std::begin(pivots_), std::end(pivots_), std::numeric_limits<float>::quiet_NaN());
  std::fill(std::begin(cuts_), std::end(cuts_), std::numeric_limits<float>::quiet_NaN());
  std::copy(cuts.begin(), cuts.end(), cuts_);
  for (std::size_t i = 15; i < cuts.size(); i += 16) pivots_[i / 16] = cuts[i];
}

std::vector<WeightedValue> CountValues(std::vector<float>* values) {
  std::sort(values->begin(), values->end());
  std::vector<WeightedValue> counted;
  for (const float value : *values) {
    if (counted.empty() || counted.back().value != value) {
      counted.push_back({value, 1});
    } else {
      ++counted.back().count;
    }
  }
  return counted;
}

std::vector<float> ChooseCuts(absl::Span<const WeightedValue> values, int bins,
                              std::uint64_t min_rows) {
  std::vector<float> cuts;
  if (values.size() <= 1) return cuts;
  std::uint64_t left = 0;
  for (const WeightedValue& value : values) left += value.count;
  if (min_rows > 1) {
    const std::uint64_t most = std::max<std::uint64_t>(1, left / min_rows);
    bins = static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(bins), most));
  }
  if (values.size() <= static_cast<std::size_t>(bins)) {
    for (std::size_t i = 1; i < values.size(); ++i)
      cuts.push_back(Between(values[i - 1].value, values[i].value));
    return cuts;
  }
  // Values heavier than the mean bin get one of their own and leave the others a smaller mean.
  int bins_left = bins;
  std::vector<bool> heavy(values.size(), false);
  for (bool more = true; more && bins_left > 0;) {
    more = false;
    const double mean = static_cast<double>(left) / bins_left;
    for (std::size_t i = 0; i < values.size() && bins_left > 1; ++i) {
      if (heavy[i] || static_cast<double>(values[i].count) < mean) continue;
      heavy[i] = more = true;
      left -= values[i].count;
      --bins_left;
    }
  }
  double mean = static_cast<double>(left) / std::max(1, bins_left);
  std::uint64_t in_bin = 0;
  for (std::size_t i = 0; i + 1 < values.size() && cuts.size() + 1 < static_cast<std::size_t>(bins);
       ++i) {
    in_bin += values[i].count;
    if (!heavy[i]) left -= values[i].count;
    const bool full =
        heavy[i] || heavy[i + 1] ||
        static_cast<double>(in_bin) + 0.5 * static_cast<double>(values[i + 1].count) >= mean;
    if (!full) continue;
    cuts.push_back(Between(values[i].value, values[i + 1].value));
    if (!heavy[i]) mean = static_cast<double>(left) / std::max(1, --bins_left);
    in_bin = 0;
  }
  return cuts;
}

std::vector<float> ChooseCutsAroundZero(absl::Span<const WeightedValue> values, int bins,
                                        std::uint64_t min_rows) {
  const auto middle = static_cast<std::size_t>(
      std::partition_point(values.begin(), values.end(),
                           [](const WeightedValue& value) { return value.value < 0; }) -
      values.begin());
  const absl::Span<const WeightedValue> below = values.subspan(0, middle),
                                        above = values.subspan(middle);
  const auto mass = [](absl::Span<const WeightedValue> side) {
    std::uint64_t sum = 0;
    for (const WeightedValue& value : side) sum += value.count;
    return sum;
  };
  const std::uint64_t mass_below = mass(below), all = mass_below + mass(above);
  // Bins of the side below, of `bins` - 1: by mass, at least one, and no more than it has values
  // where the other side can use them.
  const int others = bins - 1;
  int of_below = 0;
  if (others == 1) {
    of_below = 2 * mass_below > all ? 1 : 0;
  } else if (!below.empty()) {
    const double share = static_cast<double>(mass_below) / static_cast<double>(all);
    const auto limit = [&](std::size_t values_of_side) {
      return static_cast<int>(std::min(values_of_side, static_cast<std::size_t>(others)));
    };
    const int most = above.empty() ? others : others - 1;
    of_below = std::clamp(static_cast<int>(std::lround(share * others)), 1, most);
    of_below = std::max(of_below, std::min(most, others - limit(above.size())));
    of_below = std::min(of_below, limit(below.size()));
  }
  std::vector<float> cuts;
  if (of_below > 0) {
    cuts = ChooseCuts(below, of_below, min_rows);
    cuts.push_back(Between(below.back().value, 0));
  }
  if (others - of_below > 0 && !above.empty()) {
    cuts.push_back(Between(0, above.front().value));
    const std::vector<float> more = ChooseCuts(above, others - of_below, min_rows);
    cuts.insert(cuts.end(), more.begin(), more.end());
  }
  return cuts;
}

}  // namespace ps
