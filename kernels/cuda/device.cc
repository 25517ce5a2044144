#include "kernels/cuda/device.h"

#include <cuda_runtime_api.h>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/device_memory.h"

namespace ps {

int DeviceCount() {
  int devices = 0;
  if (cudaGetDeviceCount(&devices) == cudaSuccess) return devices;
  cudaGetLastError();
  return 0;
}

absl::StatusOr<DeviceInfo> FindDevice() {
  int devices = 0;
  const cudaError_t counted = cudaGetDeviceCount(&devices);
  if (counted != cudaSuccess) {
    cudaGetLastError();
    return absl::NotFoundError(absl::StrCat("CUDA finds no NVIDIA GPU on this machine (", cudaGetErrorString(counted), ")"));
  }
  if (devices == 0) return absl::NotFoundError("CUDA finds no NVIDIA GPU on this machine");
  cudaDeviceProp properties;
  cudaError_t error = cudaSetDevice(0);
  if (error == cudaSuccess) error = cudaGetDeviceProperties(&properties, 0);
  std::size_t free = 0, all = 0;
  if (error == cudaSuccess) error = cudaMemGetInfo(&free, &all);
  if (error != cudaSuccess) return DeviceStatus(error, "asked for its properties");
  if (properties.major < 9) {
    return absl::NotFoundError(
        absl::StrCat("the NVIDIA GPU of this machine, ", properties.name,
                     ", is older than compute capability 9.0, for which this build has code"));
  }
  DeviceInfo info;
  info.name = properties.name;
  info.memory_bytes = all;
  info.free_bytes = free;
  info.processors = properties.multiProcessorCount;
  return info;
}

}  // namespace ps
