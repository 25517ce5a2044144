#include "models/features/number_features.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <vector>

#include "models/features/plan.h"
#include "models/features/quantile_cuts.h"

namespace ps {

using features::Feature;

namespace {

// An undeclared column of numbers is hashed beside its buckets when they repeat this often, and
// their counts are this uneven (0: smooth, 1: all mass on single values).
constexpr double kNameRepeats = 4;
constexpr double kNameUnevenness = 0.3;

// Where the median magnitude lies in the grid: as a little more than 1, so that whole multiples of
// it up to 16 have a cell each; and no fraction, so that multiples of it never meet an edge, where
// rounding would decide.
constexpr double kGridPlace = 0.96173285;

// How often each value of a column occurs, in ascending order of the values.
std::vector<double> Counts(absl::Span<const double> sorted) {
  std::vector<double> counts;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i == 0 || sorted[i] != sorted[i - 1]) counts.push_back(0);
    ++counts.back();
  }
  return counts;
}

}  // namespace

bool MayBeNames(absl::Span<const double> sorted) {
  std::vector<double> counts = Counts(sorted);
  if (counts.size() < 2) return false;
  // An amount, too, is often nothing. So the commonest value does not speak.
  const auto most = std::max_element(counts.begin(), counts.end());
  const double rest = static_cast<double>(sorted.size()) - *most;
  counts.erase(most);
  if (rest < kNameRepeats * static_cast<double>(counts.size())) return false;
  // Neighbours a and b out of a smooth distribution differ by chance alone: (a - b)^2 is a + b on
  // average. What is beyond that, by what it would be if one of the two were nothing:
  double differences = 0, squares = 0;
  for (std::size_t i = 1; i < counts.size(); ++i) {
    const double a = counts[i - 1], b = counts[i];
    differences += (a - b) * (a - b) - (a + b);
    squares += a * a + b * b - (a + b);
  }
  return differences > kNameUnevenness * squares;
}

Feature BucketFeature(absl::Span<const double> sorted, std::uint32_t column, Feature::Op op,
                      absl::Span<const int> buckets) {
  Feature feature;
  feature.set_op(op);
  feature.set_column(column);
  const std::vector<double> cuts = QuantileCuts(sorted, buckets.back());
  feature.mutable_cut()->Add(cuts.begin(), cuts.end());
  const std::vector<std::uint64_t> masses = LeafMasses(sorted, cuts);
  for (int count : buckets) {
    features::Level* level = feature.add_level();
    if (count == buckets.back()) {
      for (std::uint32_t leaf = 0; leaf <= cuts.size(); ++leaf) level->add_first_leaf(leaf);
      continue;
    }
    for (std::uint32_t first : EqualMassRuns(masses, count)) level->add_first_leaf(first);
  }
  return feature;
}

Feature LogFeature(absl::Span<const double> sorted, std::uint32_t column) {
  std::vector<double> magnitudes;
  for (double x : sorted) {
    if (x != 0) magnitudes.push_back(std::abs(x));
  }
  double median = 1;
  if (!magnitudes.empty()) {
    const auto middle = magnitudes.begin() + static_cast<std::ptrdiff_t>(magnitudes.size() / 2);
    std::nth_element(magnitudes.begin(), middle, magnitudes.end());
    median = *middle;
  }
  Feature feature;
  feature.set_op(Feature::LOG);
  feature.set_column(column);
  const double scale = median * kGridPlace;
  feature.set_scale(IsLogScale(scale) ? scale : 1);
  return feature;
}

Feature RawFeature(absl::Span<const double> sorted, std::uint32_t column) {
  // In parts of the largest magnitude, so that no sum leaves the range of numbers.
  const double unit =
      sorted.empty() ? 0 : std::max(std::abs(sorted.front()), std::abs(sorted.back()));
  double mean = 0;
  double deviation = unit;
  if (!sorted.empty() && sorted.front() == sorted.back()) {
    mean = sorted.front();  // exactly: a sum's rounding would pass for deviations
  } else if (!sorted.empty()) {
    const auto count = static_cast<double>(sorted.size());
    for (double x : sorted) mean += x / unit;
    mean /= count;
    double squares = 0;
    for (double x : sorted) squares += (x / unit - mean) * (x / unit - mean);
    mean *= unit;
    deviation = std::sqrt(squares / count) * unit;
  }
  Feature feature;
  feature.set_op(Feature::RAW);
  feature.set_column(column);
  feature.set_mean(mean);
  feature.set_deviation(std::isnormal(deviation) ? deviation : 1);
  return feature;
}

}  // namespace ps
