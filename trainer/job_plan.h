// What a job will need, estimated from a sample of its data: what --dry_run prints, and what is checked before
// anything large begins.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "trainer/prepared_job.h"

namespace ps {

struct JobPlan {
  std::uint64_t stored_bytes = 0;
  double rows = 0;               // of one pass, estimated from a sample
  double positives = 0;          // fraction, of the sample
  double features_per_row = 0;
  double features = 0;           // distinct, extrapolated
  std::uint64_t memory_bytes = 0;
  std::uint64_t memory_limit = 0;
  bool keeps_rows = false;       // in memory, all of them
  bool exact = false;            // the sample was all of the data
  std::string bad_rows;          // that were seen, for a person; empty: none
  bool one_label = false;        // all rows that were seen have the same
  // InvalidArgument: where the rows are learnt in the order of the data, the job ends at their front (front_check.h).
  absl::Status front;
};

// Reads and parses at most a few tens of megabytes, of compressed files too.
absl::StatusOr<JobPlan> PlanJob(const PreparedJob& job);
// Whether data of this size could hold more features than memory takes; otherwise no plan is needed.
bool MayExceedMemory(const PreparedJob& job);
// What was understood of the job without reading its rows: how it runs, its data, its columns. Several lines.
std::string DescribeJob(const PreparedJob& job);
// The same and the plan's estimates.
std::string DescribePlan(const PreparedJob& job, const JobPlan& plan);
// ResourceExhausted when the plan cannot fit.
absl::Status CheckPlan(const JobPlan& plan);

}  // namespace ps
