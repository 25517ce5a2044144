// The device that kernels run on: the first CUDA device of this machine. A build without a CUDA
// toolkit has the same functions, and they say so. Any thread.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace ps {

struct DeviceInfo {
  std::string name;
  std::uint64_t memory_bytes = 0, free_bytes = 0;
  int processors = 0;  // multiprocessors
};

// CUDA devices that this process sees, whatever they are. 0: none, or no CUDA in this build.
int DeviceCount();

// NotFound, with the reason, where there is no device, no driver, or no CUDA in this build.
absl::StatusOr<DeviceInfo> FindDevice();

// Of a job that asks for a device which is not there, or cannot take it.
inline absl::Status NoDeviceError(const absl::Status& reason) {
  return absl::ResourceExhaustedError(
      absl::StrCat("device: cuda cannot be had: ", reason.message(), ". Set device: auto or cpu"));
}

// `wanted` is the job's: auto, cpu or cuda. NoDeviceError where it insists on a device, and there is none.
inline absl::Status CheckDevice(const std::string& wanted) {
  if (wanted != "cuda") return absl::OkStatus();
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  return device.ok() ? absl::OkStatus() : NoDeviceError(device.status());
}

}  // namespace ps
