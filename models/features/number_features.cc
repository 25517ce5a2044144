#include "models/features/number_features.h"

#include <cmath>
#include <vector>

#include "models/features/quantile_cuts.h"

namespace ps {

using features::Feature;

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

Feature RawFeature(absl::Span<const double> sorted, std::uint32_t column) {
  double sum = 0;
  for (double x : sorted) sum += x;
  const auto count = static_cast<double>(sorted.size());
  const double mean = sorted.empty() ? 0 : sum / count;
  double squares = 0;
  for (double x : sorted) squares += (x - mean) * (x - mean);
  const double deviation = sorted.empty() ? 0 : std::sqrt(squares / count);
  const bool usable = std::isfinite(mean) && std::isfinite(deviation) && deviation > 0;
  Feature feature;
  feature.set_op(Feature::RAW);
  feature.set_column(column);
  feature.set_mean(usable ? mean : 0);
  feature.set_deviation(usable ? deviation : 1);
  return feature;
}

}  // namespace ps
