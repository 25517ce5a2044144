// The columns of a job's table: what they are called, what a sample says of them, and which is the label. Plain data.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/features/table_sample.h"

namespace ps {

// A column of no declared type is a number when at least this part of its values are numbers and
// more than kNumericDistinct of them differ; otherwise it is a category.
inline constexpr double kNumericShare = 0.99;
inline constexpr int kNumericDistinct = 20;

struct TableColumns {
  const DataConfig& data;  // must outlive it
  TableSample sample;      // a column for each name
  std::vector<std::string> names;
  std::uint32_t label = 0;

  bool IsNumeric(std::size_t column) const;  // where the job does not say
  // The column that the job means. InvalidArgument names `path`, where it says so, and the columns that there are.
  absl::StatusOr<std::uint32_t> Resolve(const ColumnRef& ref, const std::string& path) const;
};

}  // namespace ps
