// From a job file to a job ready to run: data opened, features compiled, resources checked. And the plan that
// --dry_run prints.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "models/config/load.h"
#include "trainer/embedded/embedded_trainer.h"

namespace ps {

absl::StatusOr<PreparedJob> PrepareJob(LoadedJob loaded);

struct JobPlan {
  std::uint64_t stored_bytes = 0;
  double rows = 0;               // of one pass, estimated from a sample
  double positives = 0;          // fraction, of the sample
  double features_per_row = 0;
  double features = 0;           // distinct, extrapolated
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_limit = 0;
  bool exact = false;            // the sample was all of the data
};

// Reads and parses at most a few tens of megabytes.
absl::StatusOr<JobPlan> PlanJob(const PreparedJob& job);
// For a person, several lines.
std::string DescribePlan(const PreparedJob& job, const JobPlan& plan);
// ResourceExhausted when the plan cannot fit.
absl::Status CheckPlan(const JobPlan& plan);

}  // namespace ps
