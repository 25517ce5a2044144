// The columns of model.gbdt.monotone, found in the data. Pure function, any thread.
#pragma once

#include "absl/status/status.h"
#include "models/config/job_config.h"
#include "trainer/gbdt/row_loader.h"

namespace ps {

// Gives the job's columns their directions. InvalidArgument, naming the key: a column that trees do
// not have, or of categories.
absl::Status SetDirections(const GbdtConfig& config, BinPlan* bins);

}  // namespace ps
