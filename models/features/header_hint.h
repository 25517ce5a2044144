// Whether data.header looks forgotten, or said of files that have no header. A hint for a person, never a decision:
// rows may look like names, and names like rows. Pure but for reading the front of a file.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"

namespace ps {

// The end of an error that no column has some name, or that two have one: ". If the files have a header, ..."; empty
// where that is most likely not why. `names`: of the columns, as they are taken.
std::string HeaderAdvice(const DataConfig& data, const std::vector<std::string>& names);

// One line, or empty: nothing to say, as always of text that is no csv or tsv. `files`: those of the plan. Looks at the
// first file that has text.
absl::StatusOr<std::string> DescribeDoubtfulHeader(const features::Plan& plan, const DataConfig& data,
                                                   const DataFiles& files);

}  // namespace ps
