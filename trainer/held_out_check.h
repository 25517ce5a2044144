// Files for validation and test, looked at before the training: a job that could not be judged by them is refused while
// nothing is lost. Blocking; one thread.
#pragma once

#include "absl/status/status.h"
#include "models/config/job_config.h"
#include "models/data/data_files.h"
#include "models/data/row_parser.h"

namespace ps {

// `part`: the key that names the files. InvalidArgument: they have no rows, or more malformed ones than data.max_bad_rows
// allows; files above some megabytes are read up to a good row only. Errors of reading that much.
absl::Status CheckHeldOutFiles(const char* part, const DataFiles& files, const RowParser& parser, const JobConfig& job);

}  // namespace ps
