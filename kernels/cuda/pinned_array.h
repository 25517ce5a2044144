// Memory of the host that a device writes to without a detour. Owned by one object; any thread.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>

#include "absl/status/status.h"
#include "kernels/cuda/device_memory.h"

namespace ps {

template <typename T>
class PinnedArray {
 public:
  PinnedArray() = default;
  PinnedArray(const PinnedArray&) = delete;
  PinnedArray& operator=(const PinnedArray&) = delete;
  ~PinnedArray() { cudaFreeHost(data_); }

  // Once. Its contents are undefined.
  absl::Status Allocate(std::size_t size) {
    const cudaError_t error = cudaMallocHost(reinterpret_cast<void**>(&data_), size * sizeof(T) + 1);
    if (error != cudaSuccess) cudaGetLastError();  // told here, not again by the next call
    return DeviceStatus(error, "pinned memory of the host");
  }
  T* data() const { return data_; }
  T& operator[](std::size_t i) const { return data_[i]; }

 private:
  T* data_ = nullptr;
};

}  // namespace ps
