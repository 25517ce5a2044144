// From a job's declaration and a sample of its training files to a plan.
#pragma once

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"

namespace ps {

// The buckets of `numeric`, finest last (at most four); measured on the public sets, see the .cc
// file.
inline constexpr int kNumericBuckets[] = {8, 32, 128};
// Buckets by which a number takes part in a cross when the column does not declare its own.
inline constexpr int kCrossBuckets = 32;
// A column whose type is not declared is a number when at least this part of its values are numbers
// ...
inline constexpr double kNumericShare = 0.99;
// ... and more than this many of them differ; otherwise it is a category.
inline constexpr int kNumericDistinct = 20;

// InvalidArgument names the configuration path at fault. Reads a sample of `train` for tables only.
absl::StatusOr<features::Plan> CompilePlan(const JobConfig& config, const DataFiles& train);

}  // namespace ps
