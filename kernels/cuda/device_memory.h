// Memory of a device, and errors of its runtime as absl::Status. An array is owned by one object;
// any thread.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace ps {

inline absl::Status DeviceStatus(cudaError_t error, const char* doing) {
  if (error == cudaSuccess) return absl::OkStatus();
  cudaGetLastError();  // told here, not again by the next call of this thread
  const std::string text = absl::StrCat("device: ", doing, ": ", cudaGetErrorString(error));
  if (error == cudaErrorMemoryAllocation) return absl::ResourceExhaustedError(text);
  return absl::InternalError(text);
}

// Leaves the function with a status where a call of the runtime, or a launch, has failed: `doing` says
// to a person what was being done.
#define PS_DEVICE_OK(call, doing)                                             \
  do {                                                                        \
    if (const cudaError_t device_error = (call); device_error != cudaSuccess) \
      return ::ps::DeviceStatus(device_error, doing);                         \
  } while (false)

// For people: whole MiB, or of less KiB, rounded up.
inline std::string SizeText(std::size_t bytes) {
  if (bytes >> 20 > 0) return absl::StrCat(bytes >> 20, " MiB");
  return absl::StrCat((bytes + 1023) >> 10, " KiB");
}

template <typename T>
class DeviceArray {
 public:
  DeviceArray() = default;
  DeviceArray(DeviceArray&& other) noexcept { *this = std::move(other); }
  DeviceArray& operator=(DeviceArray&& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~DeviceArray() { cudaFree(data_); }

  // Replaces what it has by memory whose contents are undefined. ResourceExhausted names what did
  // not fit; then it has none.
  absl::Status Allocate(std::size_t size, const char* what) {
    cudaFree(std::exchange(data_, nullptr));
    size_ = 0;
    // None would have no address. Not a byte more than asked for: the device gives whole pieces of
    // 2 MiB.
    const std::size_t bytes = std::max<std::size_t>(size * sizeof(T), 1);
    void* memory = nullptr;
    if (const cudaError_t error = cudaMalloc(&memory, bytes); error != cudaSuccess)
      return DeviceStatus(error, absl::StrCat("no ", SizeText(bytes), " for ", what).c_str());
    data_ = static_cast<T*>(memory);
    size_ = size;
    return absl::OkStatus();
  }

  T* data() const { return data_; }
  std::size_t size() const { return size_; }
  std::size_t bytes() const { return size_ * sizeof(T); }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

// A number of values between host and device, on a stream.
template <typename T>
cudaError_t CopyToDevice(T* to, const T* from, std::size_t count, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyHostToDevice, stream);
}
template <typename T>
cudaError_t CopyToHost(T* to, const T* from, std::size_t count, cudaStream_t stream) {
  return cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyDeviceToHost, stream);
}

// Takes so many bytes of a buffer from *end on, and says where they begin: what lies in one buffer is
// copied at once. For values of up to 16 bytes.
inline std::size_t TakeBytes(std::size_t bytes, std::size_t* end) {
  constexpr std::size_t kAlignment = 16;
  const std::size_t begin = *end;
  *end = (begin + bytes + kAlignment - 1) / kAlignment * kAlignment;
  return begin;
}

// Memory of the host that a device copies from and to by itself, while the host does other things.
class PinnedBytes {
 public:
  PinnedBytes() = default;
  PinnedBytes(const PinnedBytes&) = delete;
  PinnedBytes& operator=(const PinnedBytes&) = delete;
  ~PinnedBytes() { cudaFreeHost(data_); }

  // At least `size` bytes; the contents are lost. ResourceExhausted: there are no more than before.
  absl::Status Room(std::size_t size) {
    if (size <= size_) return absl::OkStatus();
    unsigned char* more = nullptr;
    const cudaError_t error = cudaMallocHost(reinterpret_cast<void**>(&more), size);
    if (error != cudaSuccess) return DeviceStatus(error, "no memory that it can copy from");
    cudaFreeHost(std::exchange(data_, more));
    size_ = size;
    return absl::OkStatus();
  }
  unsigned char* data() const { return data_; }
  std::size_t size() const { return size_; }

 private:
  unsigned char* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace ps
