// Whether a job can write where it is to write, tried before the work. Blocking; one thread.
#pragma once

#include "absl/status/status.h"
#include "models/config/job_config.h"

namespace ps {

// Begins to write the bundle of output.dir as a job does. Errors as of BundleWriter::Create. Nothing is left, not even
// directories that were made for it.
absl::Status TryOutput(const OutputConfig& output);

// Writes an object to checkpoint.dir and removes it; does nothing for a job without checkpoints. The second removes
// directories that were made for it, too: not where others may be about to use them.
absl::Status TryCheckpoints(const CheckpointConfig& checkpoint);
absl::Status TryCheckpointsLeavingNothing(const CheckpointConfig& checkpoint);

}  // namespace ps
