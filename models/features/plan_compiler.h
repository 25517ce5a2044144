// From a job's declaration and a sample of its training files to a plan.
#pragma once

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"

namespace ps {

// InvalidArgument names the configuration path at fault. Reads a sample of `train` for tables only.
absl::StatusOr<features::Plan> CompilePlan(const JobConfig& config, const DataFiles& train);
// With the features of `start`, a valid plan, on the columns of `train`, which have its names; columns that it does not
// have are left out. What is no feature (label, weight) is as the job says.
absl::StatusOr<features::Plan> CompilePlanAs(const features::Plan& start, const JobConfig& config, const DataFiles& train);

}  // namespace ps
