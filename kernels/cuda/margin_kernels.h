// The kernel that walks trees. Pointers are of the device; the launch returns at once.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/cuda/tree_margins.h"

namespace ps {

// Loads all of them (launch.h says why).
[[nodiscard]] cudaError_t LoadMarginKernels();

struct WalkWork {
  DeviceBinRows rows;
  const DeviceTreeNode* nodes = nullptr;
  bool has_nodes = false;  // else every row is in leaf 0
  const float* leaf_values = nullptr;
  float* margins = nullptr;
};
[[nodiscard]] cudaError_t LaunchWalk(const WalkWork& work, cudaStream_t stream);

}  // namespace ps
