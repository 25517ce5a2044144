// Buckets of about equal mass, where a value that alone has a bucket's mass gets a bucket of its
// own. Pure; any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/types/span.h"

namespace ps {

// Parts items, given by mass in order, into about `buckets` runs; returns the first item of each
// run. An item of at least 1/buckets of the mass is a run of its own, so there may be up to twice
// as many runs where such items alternate with light ones; there are fewer where items are few.
std::vector<std::uint32_t> EqualMassRuns(absl::Span<const std::uint64_t> mass, int buckets);

// Ascending cuts of ascending values: bucket i holds cut[i - 1] <= x < cut[i]. Cuts lie about
// midway between neighbouring values of the sample, in the same place whatever the unit.
std::vector<double> QuantileCuts(absl::Span<const double> sorted, int buckets);

// Number of values in each leaf of the cuts.
std::vector<std::uint64_t> LeafMasses(absl::Span<const double> sorted,
                                      absl::Span<const double> cuts);

}  // namespace ps
