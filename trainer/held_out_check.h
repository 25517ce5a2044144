// Files for validation and test, looked at before the training: a job that could not be judged by them is refused while
// nothing is lost. Blocking; one thread.
#pragma once

#include <functional>
#include <string_view>

#include "absl/status/status.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/data/row_block.h"
#include "models/data/row_parser.h"

namespace ps {

// The rows of a piece of text, good and bad, as the model reads them; valid until the next call.
using ReadRows = std::function<const RowBlock&(std::string_view text, TextOrigin origin)>;

// `part`: the key that names the files. InvalidArgument: they have no rows, or more malformed ones than data.max_bad_rows
// allows; files above some megabytes are read up to a good row only. Errors of reading that much.
absl::Status CheckHeldOutFiles(const char* part, const DataFiles& files, const ReadRows& read, const JobConfig& job);

}  // namespace ps
