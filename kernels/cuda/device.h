// The device that kernels run on: the first CUDA device of this machine. A build without a CUDA
// toolkit has the same functions, and they say so. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"

namespace ps {

struct DeviceInfo {
  std::string name;
  std::uint64_t memory_bytes = 0, free_bytes = 0;
  int processors = 0;  // multiprocessors
};

// NotFound, with the reason, where there is no device, no driver, or no CUDA in this build.
absl::StatusOr<DeviceInfo> FindDevice();

}  // namespace ps
