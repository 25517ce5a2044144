// From a job's declaration and a sample of its training files to a plan.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"

namespace ps {

// The buckets of `numeric`, coarse to fine (at most four levels). A bucket should hold some
// hundreds of rows, so there are fewer of them where all the data are less than kManyRows.
// Test log loss of one pass of FTRL, the best of seven learning rates:
//
//                    adult   telco   online_shoppers   criteo_raw_8k
//   train rows      32,561   5,635             9,864           6,400
//   32              .29300  .42673            .25437          .46517
//   4 + 16          .29728  .42219            .24836          .46280
//   8 + 32          .29062  .42174            .25164          .46278
//   8 + 32 + 128    .28708  .42290            .25364          .46596
inline constexpr int kNumericBuckets[] = {8, 32, 128};
inline constexpr int kNumericBucketsOfFewRows[] = {4, 16};
inline constexpr std::uint64_t kManyRows = 16384;
// An undeclared column of integers that repeat this often in the sample is hashed beside its
// buckets: whether such a number counts something or names something does not show. Adult: .28487
// with, .28708 without; amazon_access, whose columns are all names: .17532 with, .20420 without.
inline constexpr std::uint64_t kIntegerRepeats = 4;
// Buckets by which a number takes part in a cross when the column does not declare its own.
inline constexpr int kCrossBuckets = 32;
// A column of no declared type is a number when at least this part of its values are numbers and
// more than kNumericDistinct of them differ; otherwise it is a category.
inline constexpr double kNumericShare = 0.99;
inline constexpr int kNumericDistinct = 20;

// InvalidArgument names the configuration path at fault. Reads a sample of `train` for tables only.
absl::StatusOr<features::Plan> CompilePlan(const JobConfig& config, const DataFiles& train);

}  // namespace ps
