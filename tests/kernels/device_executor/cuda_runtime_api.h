// The part of CUDA's runtime that this project calls, on memory of the host: so that what manages a
// device runs in tests without one. One thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <utility>

#include "tests/kernels/device_executor/streams.h"

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorMemoryAllocation = 2,
  cudaErrorInvalidConfiguration = 9,
  cudaErrorDevicesUnavailable = 46,
  cudaErrorNoDevice = 100,
  cudaErrorLaunchOutOfResources = 701
};
enum cudaMemcpyKind {
  cudaMemcpyHostToDevice = 1,
  cudaMemcpyDeviceToHost,
  cudaMemcpyDeviceToDevice
};
using cudaStream_t = struct CUstream_st*;
using cudaEvent_t = struct CUevent_st*;
inline constexpr unsigned cudaEventDisableTiming = 2;

struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
};

namespace device_executor {

struct Memory {
  bool has_device = true;
  int asks_left = -1;  // so many more that ask for a device find one; negative: all do
  int contexts = 0;    // made so far: by what takes something of a device
  bool pinned_is_full = false;
  std::size_t limit = std::size_t{1} << 30, used = 0;
  std::map<void*, std::size_t> allocated;
};
inline Memory memory;

// A kernel that is not loaded is loaded by its first launch, which takes memory.
struct Launches {
  static constexpr std::size_t kBytesToLoad = 4096;
  int until_failure = -1;  // so many more succeed, then one fails; negative: none does
  std::set<const void*> loaded;
};
inline Launches launches;

// The runtime keeps an error for the thread that met it, until that thread asks.
inline thread_local cudaError_t last_error = cudaSuccess;
inline cudaError_t Keep(cudaError_t error) {
  if (error != cudaSuccess) last_error = error;
  return error;
}
inline cudaError_t LoadKernel(const void* kernel) {
  if (launches.loaded.count(kernel) == 0 && memory.limit - memory.used < Launches::kBytesToLoad)
    return Keep(cudaErrorMemoryAllocation);
  launches.loaded.insert(kernel);
  return cudaSuccess;
}

}  // namespace device_executor

inline const char* cudaGetErrorString(cudaError_t error) {
  switch (error) {
    case cudaSuccess:
      return "no error";
    case cudaErrorMemoryAllocation:
      return "out of memory";
    case cudaErrorInvalidConfiguration:
      return "invalid configuration argument";
    case cudaErrorNoDevice:
      return "no CUDA-capable device is detected";
    default:
      return "too many resources requested for launch";
  }
}
inline cudaError_t cudaGetLastError() {
  return std::exchange(device_executor::last_error, cudaSuccess);
}
inline cudaError_t cudaGetDeviceCount(int* count) {
  auto& memory = device_executor::memory;
  *count = memory.has_device && memory.asks_left != 0 ? 1 : 0;
  if (memory.asks_left > 0) --memory.asks_left;
  return device_executor::Keep(*count == 0 ? cudaErrorNoDevice : cudaSuccess);
}
enum cudaLimit { cudaLimitMaxL2FetchGranularity = 5 };
inline cudaError_t cudaDeviceSetLimit(cudaLimit, std::size_t) { return cudaSuccess; }
struct cudaFuncAttributes {};
template <typename Kernel>
cudaError_t cudaFuncGetAttributes(cudaFuncAttributes*, Kernel* kernel) {
  return device_executor::LoadKernel(reinterpret_cast<const void*>(kernel));
}
enum cudaDeviceAttr { cudaDevAttrComputeCapabilityMajor = 75 };
inline cudaError_t cudaDeviceGetAttribute(int* value, cudaDeviceAttr, int) {
  *value = 9;
  return cudaSuccess;
}
inline cudaError_t cudaSetDevice(int) {
  ++device_executor::memory.contexts;
  return cudaSuccess;
}
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"executor on the host", 9, 0, 2};
  return cudaSuccess;
}
inline cudaError_t cudaMemGetInfo(std::size_t* free, std::size_t* all) {
  *all = device_executor::memory.limit;
  *free = *all - device_executor::memory.used;
  return cudaSuccess;
}

inline cudaError_t cudaMalloc(void** at, std::size_t bytes) {
  auto& memory = device_executor::memory;
  *at = nullptr;
  if (bytes > memory.limit - memory.used || posix_memalign(at, 256, bytes) != 0)
    return device_executor::Keep(cudaErrorMemoryAllocation);
  std::memset(*at, 0xa5, bytes);  // nothing relies on what it finds
  memory.used += memory.allocated[*at] = bytes;
  device_executor::Know(*at, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFree(void* at) {
  if (at == nullptr) return cudaSuccess;
  auto& memory = device_executor::memory;
  device_executor::FinishAll();
  const auto found = memory.allocated.find(at);
  if (found != memory.allocated.end()) {
    memory.used -= found->second;
    memory.allocated.erase(found);
  }
  device_executor::Forget(at);
  std::free(at);
  return cudaSuccess;
}
inline cudaError_t cudaMallocHost(void** at, std::size_t bytes) {
  *at = device_executor::memory.pinned_is_full ? nullptr : std::malloc(bytes);
  if (*at == nullptr) return device_executor::Keep(cudaErrorMemoryAllocation);
  device_executor::Know(*at, bytes);
  return cudaSuccess;
}
inline cudaError_t cudaFreeHost(void* at) {
  if (at == nullptr) return cudaSuccess;
  device_executor::FinishAll();
  device_executor::Forget(at);
  std::free(at);
  return cudaSuccess;
}

inline cudaError_t cudaStreamCreate(cudaStream_t* stream) {
  *stream = device_executor::NewStream();
  return cudaSuccess;
}
inline cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  device_executor::EndStream(stream);
  return cudaSuccess;
}
inline cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  device_executor::FinishStream(stream);
  return cudaSuccess;
}
inline cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned = 0) {
  device_executor::WaitFor(event, stream);
  return cudaSuccess;
}
inline cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}
inline cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  device_executor::Record(event, stream);
  return cudaSuccess;
}
inline cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  device_executor::FinishEvent(event);
  return cudaSuccess;
}
inline cudaError_t cudaEventDestroy(cudaEvent_t event) {
  device_executor::FinishAll();
  delete event;
  return cudaSuccess;
}
inline cudaError_t cudaMemcpyAsync(void* to, const void* from, std::size_t bytes, cudaMemcpyKind,
                                   cudaStream_t stream) {
  device_executor::Copy(to, from, bytes, stream);
  return cudaSuccess;
}
inline cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t stream) {
  device_executor::Give(stream, [=] {
    if (bytes > 0) std::memset(to, value, bytes);
  });
  return cudaSuccess;
}
