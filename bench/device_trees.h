// Times trees that are grown on a device: its kernels, then whole trees beside the processor's. Rows are made in
// memory. One caller.
#pragma once

#include <cstddef>

#include "absl/status/status.h"
#include "kernels/cuda/device.h"

namespace ps {

struct TreeBench {
  std::size_t rows = 0;
  int leaves = 2;   // of a tree
  int trees = 1;    // that are timed; two more come first
  int threads = 1;  // of the processor
};

// 28 columns of 255 bins, labels by a rule of several columns. Internal: the trees differ.
absl::Status PrintDenseTrees(const TreeBench& bench, const DeviceInfo& device);
// 100,000 columns of Zipf popularity, about 83 values a row, a bin for every 32 rows of a column, as jobs have.
absl::Status PrintSparseTrees(const TreeBench& bench, const DeviceInfo& device);

}  // namespace ps
