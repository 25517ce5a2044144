// Times batches of a worker of a cluster on a device (kernels/cuda/batch_gradients.h), beside the
// processor's. One caller.
#pragma once

#include <cstddef>

#include "absl/status/status.h"

namespace ps {

// Rows of 39 features out of `features`, in batches of `batch_rows`. Prints each kernel beside the
// time that its bytes take, of the batch in the device's memory; then whole calls, copies included.
// Internal: the device's keys or bits are not the processor's.
absl::Status PrintWorkerBatches(std::size_t features, std::size_t batch_rows);

}  // namespace ps
