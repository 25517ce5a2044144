// Times the kernels of trees one by one, beside the rates of this device. One caller.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "kernels/histogram.h"

namespace ps {

// Prints a line a kernel. `matrix` is in the memory of the host.
absl::Status PrintTreeKernels(const DenseBins& matrix, std::size_t rows, int processors);

}  // namespace ps
