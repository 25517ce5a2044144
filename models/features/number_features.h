// Features of a numeric column, fitted to a sample of its values. Pure; any thread.
#pragma once

#include <cstdint>

#include "absl/types/span.h"
#include "models/features/extractor.pb.h"

namespace ps {

// Quantile buckets: cuts for the last and finest of `buckets`, whose leaves the others merge. `op`
// is BUCKET or NUMERIC; `sorted` ascends and may be empty.
features::Feature BucketFeature(absl::Span<const double> sorted, std::uint32_t column,
                                features::Feature::Op op, absl::Span<const int> buckets);

// The standardised value; a column that does not vary is left as it is.
features::Feature RawFeature(absl::Span<const double> sorted, std::uint32_t column);

}  // namespace ps
