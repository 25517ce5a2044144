// The first rows of the training files, looked at before the training: there a sample that is spread over large files
// has little, and there a training in the order of the data would end. Blocking; one thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "models/data/bad_rows.h"
#include "models/data/data_files.h"
#include "trainer/held_out_check.h"

namespace ps {

// What a linear model in one process reads at once.
inline constexpr std::uint64_t kLinearBlockBytes = 256 << 10;
// Of a file, for the line numbers of rows that are quoted while something waits: other nodes, or a model to be written.
inline constexpr std::uint64_t kMostDescribedBytes = std::uint64_t{4} << 30;

// Adds the rows of the first megabytes of text to *rows, in the blocks of a training in one process. InvalidArgument:
// there that would end, as more of them are malformed than may be. Errors of reading that much.
absl::Status CheckFront(const DataFiles& files, std::uint64_t block_bytes, const ReadRows& read, BadRows* rows);

// How many of the rows are malformed that were looked at, the first of them, and what as many among all rows would
// come to where `allowed` is the fraction that may be; several lines, for a person. Empty: none. `which`: of the data,
// e.g. "at the front". `whole`: they are all that there is. Costs reading the files up to what is quoted, but no far way.
std::string DescribeMalformed(const BadRows& rows, const char* which, bool whole, double allowed);

}  // namespace ps
