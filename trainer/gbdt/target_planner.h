// Which columns become numbers by the mean label of their categories, and the reading of all training
// rows that makes their tables. Starts its own threads; tables are the same for any number of them.
#pragma once

#include "absl/status/status.h"
#include "trainer/gbdt/row_loader.h"

namespace ps {

// The columns that the job names (model.gbdt.target_columns). InvalidArgument: there is none of that
// name, or trees to start from know it as something else.
absl::Status MarkTargetColumns(const LoadOptions& options, std::vector<ValueColumn>* sources);

// `distinct`: of each column, how many categories the sample has. Marks columns that have more of them
// than bins, if that is wished, and have five training rows a category; then reads the files for the tables of all columns that have none, and
// chooses their cuts. `largest_label`: about, of numbers. ResourceExhausted: a column that the job names
// has more than kMostTargetCategories; others stay what they were.
absl::Status MakeTargetTables(const DataFiles& files, const features::Plan& plan,
                              const LoadOptions& options, const std::vector<std::size_t>& distinct,
                              float largest_label, BinPlan* bins);

// "COLUMN (4,242 categories), ..." or empty.
std::string DescribeTargets(const BinPlan& bins);

}  // namespace ps
