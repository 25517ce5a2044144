// Adds finished trees to the margins of rows that lie on a device, whoever keeps the rows: their bins, their margins and
// the stream are the caller's. One caller at a time.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/tree_margins.h"

namespace ps {

class DeviceTreeWalk {
 public:
  // Trees of so many leaves need no more memory than there is from now on. ResourceExhausted: there is none.
  absl::Status Reserve(std::size_t leaves);
  std::uint64_t memory_bytes() const { return nodes_.bytes() + leaf_values_.bytes(); }
  // As DeviceTreeMargins::Add, to one margin a row. `rows` and `margins` point into the device's memory. Waits for the
  // stream.
  absl::Status Add(const DeviceBinRows& rows, const std::vector<DeviceTreeNode>& nodes,
                   const std::vector<float>& leaf_values, float* margins, cudaStream_t stream);

 private:
  DeviceArray<DeviceTreeNode> nodes_;
  DeviceArray<float> leaf_values_;
};

}  // namespace ps
