// Times the kernels of trees one by one, beside what this device can do: its copies and its atomic sums, measured here.
// One caller.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "kernels/cuda/device.h"
#include "models/gbdt/binned_rows.h"

namespace ps {

// A line of a kernel beside the time that its bytes take.
void PrintKernel(const char* kernel, double ms, double bytes, double bytes_per_ms);

// Print a line a kernel. Rows are in the memory of the host.
absl::Status PrintDenseKernels(const BinnedRows& rows, const DeviceInfo& device);
absl::Status PrintSparseKernels(const BinnedRows& rows, const DeviceInfo& device);

}  // namespace ps
