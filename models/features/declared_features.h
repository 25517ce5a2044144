// From a job's declaration of features, and what is inferred of columns, to those of a plan.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "models/config/job_config.h"
#include "models/features/extractor.pb.h"
#include "models/features/table_columns.h"

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

// Appends the features to the plan, whose columns, label and weight are set. InvalidArgument names the configuration path
// at fault.
absl::Status SetDeclaredFeatures(const JobConfig& config, const TableColumns& columns, features::Plan* plan);

}  // namespace ps
