// Which columns become numbers by the mean label of their categories, and the reading of all
// training rows that makes their tables. Starts its own threads; tables are the same for any number
// of them.
#pragma once

#include "absl/status/status.h"
#include "trainer/gbdt/row_loader.h"

namespace ps {

// The columns that the job names (model.gbdt.target_columns). InvalidArgument: there is none of
// that name, or trees to start from know it as something else.
absl::Status MarkTargetColumns(const LoadOptions& options, std::vector<ValueColumn>* sources);

// Of an automatic column in files of this many rows or fewer: with more it would not be taken.
std::size_t MostAutomaticCategories(const TargetOptions& targets, std::uint64_t rows);

// `distinct`: of each column, how many categories the sample has. Columns that have more of them
// than bins, if that is wished, and the columns that are marked are read for their tables, where
// they have none, and get cuts. Of the former those stay categories that have fewer than five
// training rows a category, and the largest of those whose tables take more than 16 MiB of a plan
// together: `bins->not_by_target` says which. `largest_label`: about, of numbers.
// ResourceExhausted: columns that the job names have too many categories.
absl::Status MakeTargetTables(const DataFiles& files, const features::Plan& plan,
                              const LoadOptions& options, const std::vector<std::size_t>& distinct,
                              float largest_label, BinPlan* bins);

// "COLUMN (1.5 MiB), ..." or empty: what their tables take of a plan.
std::string DescribeTargetSizes(const BinPlan& bins);

// "COLUMN (4,242 categories), ..." or empty.
std::string DescribeTargets(const BinPlan& bins);

}  // namespace ps
