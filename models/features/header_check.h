// Whether a file's header is that of the data a plan was made of. Pure but for reading the files' first lines.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"
#include "models/features/split_row.h"

namespace ps {

// Empty, or what is wrong with that line: which columns that the plan reads it lacks or has elsewhere, and what it has.
std::string HeaderProblem(const features::Plan& plan, std::string_view line, const TextLayout& layout);

// InvalidArgument: a file has no column of some name that the plan reads (a feature, the label, the weight), or has it
// elsewhere: its rows would be taken for others. Plans of data without headers, and empty files, are not looked at, nor
// are those for models that other tools have made.
absl::Status CheckHeaders(const features::Plan& plan, const DataFiles& files);

}  // namespace ps
