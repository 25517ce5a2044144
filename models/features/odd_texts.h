// Texts in columns that a plan of other data takes for numbers. Reads a sample of the files.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"

namespace ps {

// One line for each column of numbers in which the sample has other texts that are no malformed rows, but values of
// their own: how many, and the first.
absl::StatusOr<std::vector<std::string>> DescribeOddTexts(const features::Plan& plan, const DataConfig& data,
                                                          const DataFiles& files);

}  // namespace ps
