// From a job's declaration and a sample of its training files to a plan.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"

namespace ps {

// The buckets of `numeric`, coarse to fine (at most four levels). A bucket should hold some hundreds of
// rows, so there are fewer of them where all the data are less than kManyRows.
// One pass of FTRL, best of seven learning rates, test log loss:
//                    adult (32,561 rows)  telco (5,635)  online_shoppers (9,864)  criteo_raw_8k
//                    (6,400)
//   32                            .29300         .42673                   .25437 .46517 4 + 16
//   .29728         .42219                   .24836                 .46280 8 + 32 .29062 .42174
//   .25164                 .46278 8 + 32 + 128                  .28708         .42290 .25364 .46596
inline constexpr int kNumericBuckets[] = {8, 32, 128};
inline constexpr int kNumericBucketsOfFewRows[] = {4, 16};
inline constexpr std::uint64_t kManyRows = 16384;
// An undeclared column of integers that repeat this often in the sample is hashed beside its
// buckets: whether such a number counts something or names something does not show. Adult: .28487
// with, .28708 without; amazon_access, whose columns are all names: .17532 with, .20420 without.
inline constexpr std::uint64_t kIntegerRepeats = 4;
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
