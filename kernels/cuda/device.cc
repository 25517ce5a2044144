#include "kernels/cuda/device.h"

#include <cuda_runtime_api.h>

#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/device_memory.h"

namespace ps {
namespace {

constexpr char kAsking[] = "asked for its properties";

// With what may hide them.
absl::Status NoneFound(const std::string& why) {
  const char* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return absl::NotFoundError(absl::StrCat("CUDA finds no NVIDIA GPU on this machine", why,
                                          visible == nullptr ? "" : ", with CUDA_VISIBLE_DEVICES=",
                                          visible == nullptr ? "" : visible));
}

absl::StatusOr<int> CountDevices() {
  int devices = 0;
  if (const cudaError_t error = cudaGetDeviceCount(&devices); error != cudaSuccess) {
    cudaGetLastError();
    return NoneFound(absl::StrCat(" (", cudaGetErrorString(error), ")"));
  }
  if (devices == 0) return NoneFound("");
  return devices;
}

bool HasCode(int device) {
  int major = 0;
  if (cudaDeviceGetAttribute(&major, cudaDevAttrComputeCapabilityMajor, device) == cudaSuccess) return major >= 9;
  cudaGetLastError();
  return false;
}

}  // namespace

std::vector<int> UsableDevices() {
  std::vector<int> usable;
  const absl::StatusOr<int> devices = CountDevices();
  for (int device = 0; device < devices.value_or(0); ++device) {
    if (HasCode(device)) usable.push_back(device);
  }
  return usable;
}

absl::Status CheckFirstDevice() {
  if (const absl::StatusOr<int> devices = CountDevices(); !devices.ok()) return devices.status();
  if (HasCode(0)) return absl::OkStatus();
  cudaDeviceProp properties;
  if (const cudaError_t error = cudaGetDeviceProperties(&properties, 0); error != cudaSuccess)
    return absl::NotFoundError(DeviceStatus(error, kAsking).message());
  return absl::NotFoundError(
      absl::StrCat("the NVIDIA GPU of this machine, ", properties.name,
                   ", is older than compute capability 9.0, for which this build has code"));
}

absl::StatusOr<DeviceInfo> FindDevice() {
  if (const absl::Status usable = CheckFirstDevice(); !usable.ok()) return usable;
  cudaDeviceProp properties;
  cudaError_t error = cudaSetDevice(0);
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&properties, 0);
  std::size_t free = 0, all = 0;
  if (error == cudaSuccess) error = cudaMemGetInfo(&free, &all);
  // Another process has it for itself: for this one it is not there.
  if (error == cudaErrorDevicesUnavailable) return absl::NotFoundError(DeviceStatus(error, kAsking).message());
  if (error != cudaSuccess) return DeviceStatus(error, kAsking);
  DeviceInfo info;
  info.name = properties.name;
  info.memory_bytes = all;
  info.free_bytes = free;
  info.processors = properties.multiProcessorCount;
  return info;
}

}  // namespace ps
