// Whether a file's header is that of the data a plan was made of. Pure but for reading the files' first lines.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "models/data/data_files.h"
#include "models/features/extractor.pb.h"
#include "models/features/split_row.h"

namespace ps {

// How a plan's tables are written.
TextLayout LayoutOf(const features::Plan& plan);

// Positions of the columns that the plan reads, label and weight among them; with trees in it any may be one of theirs.
// None of text that has no columns.
std::set<std::uint32_t> ColumnsRead(const features::Plan& plan);

// For a message: of many the first ones.
std::string ListNames(const std::vector<std::string>& names);

// Empty, or what is wrong with that line: which columns that the plan reads it lacks or has elsewhere, and what it has.
std::string HeaderProblem(const features::Plan& plan, std::string_view line, const TextLayout& layout);

// InvalidArgument: a file has no column of some name that the plan reads (a feature, the label, the weight), or has it
// elsewhere: its rows would be taken for others. Plans of data without headers, and empty files, are not looked at, nor
// are those for models that other tools have made.
absl::Status CheckHeaders(const features::Plan& plan, const DataFiles& files);

}  // namespace ps
