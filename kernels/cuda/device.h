// The device that kernels run on: the first CUDA device that this process sees. A build without a
// CUDA toolkit has the same functions, and they say so. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace ps {

struct DeviceInfo {
  std::string name;
  std::uint64_t memory_bytes = 0, free_bytes = 0;
  int processors = 0;  // multiprocessors
};

// Numbers of the CUDA devices that this process sees and this build has code for. Takes nothing of
// them: no context is made, so other processes can have them, exclusively even.
std::vector<int> UsableDevices();

// OK where the first of them is usable; else NotFound, with the reason. Takes nothing of it.
absl::Status CheckFirstDevice();

// The first, from here on in use by this process. NotFound, with the reason, where there is no
// device, no driver, or no CUDA in this build, or another process has it for itself;
// ResourceExhausted: its memory is full.
absl::StatusOr<DeviceInfo> FindDevice();

// Whether a start on a device failed of what the processor need not mind: the device is not there,
// cannot take the job, or is full. Anything else is an error of a device that is there.
inline bool IsWithoutDevice(const absl::Status& status) {
  return absl::IsNotFound(status) || absl::IsUnimplemented(status) ||
         absl::IsFailedPrecondition(status) || absl::IsResourceExhausted(status);
}

// Of a job that asks for a device which is not there, or cannot take it. What has failed of one that
// is there stays the error that it is.
inline absl::Status NoDeviceError(const absl::Status& reason) {
  if (!IsWithoutDevice(reason)) return reason;
  return absl::ResourceExhaustedError(
      absl::StrCat("device: cuda cannot be had: ", reason.message(), ". Set device: auto or cpu"));
}

// Which devices a job would use: the first, in this process or one like it; or any of them, each in
// a process that is shown one.
enum class DeviceChoice { kFirst, kAny };

// `wanted` is the job's: auto, cpu or cuda. NoDeviceError where it insists on a device, and there is
// none. One that is full is there.
inline absl::Status CheckDevice(const std::string& wanted, DeviceChoice choice) {
  if (wanted != "cuda") return absl::OkStatus();
  if (choice == DeviceChoice::kAny && !UsableDevices().empty()) return absl::OkStatus();
  const absl::Status first = CheckFirstDevice();
  return first.ok() ? first : NoDeviceError(first);
}

}  // namespace ps
