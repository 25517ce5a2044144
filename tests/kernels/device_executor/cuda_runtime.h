// Compiles kernels of a device as plain C++ and runs them in tests: the words of the language that
// kernels are written in, and launches. What it can and cannot
// show stands in block_executor.h.
#pragma once

#include <cuda_runtime_api.h>
#include <math.h>

#include <bit>
#include <cstring>
#include <functional>
#include <type_traits>

#include "tests/kernels/device_executor/block_executor.h"

#define __global__
#define __device__
#define __shared__ static  // blocks run one after the other
#define __launch_bounds__(...)

struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};
inline dim3 gridDim, blockDim, blockIdx, threadIdx;

struct alignas(16) ulonglong2 {
  unsigned long long x, y;
};

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  std::size_t dynamicSmemBytes = 0;
  cudaStream_t stream = nullptr;
};

// What a device refuses; of blocks only those whose warps are whole run here.
inline cudaError_t StartLaunch(const cudaLaunchConfig_t& config, const void* kernel) {
  const dim3 &grid = config.gridDim, &block = config.blockDim;
  if (grid.x == 0 || grid.x > 0x7fffffff || grid.y == 0 || grid.y > 65535 || grid.z != 1 ||
      block.x == 0 || block.x > 1024 || block.x % device_executor::kLanes != 0 || block.y != 1 ||
      block.z != 1) {
    return device_executor::Keep(cudaErrorInvalidConfiguration);
  }
  int& until_failure = device_executor::launches.until_failure;
  if (until_failure >= 0 && until_failure-- == 0)
    return device_executor::Keep(cudaErrorLaunchOutOfResources);
  return device_executor::LoadKernel(kernel);
}

template <typename... Parameters>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Parameters... arguments) {
  if (const cudaError_t error = StartLaunch(*config, reinterpret_cast<const void*>(kernel));
      error != cudaSuccess) {
    return error;
  }
  device_executor::Give(config->stream, [=, grid = config->gridDim, block = config->blockDim] {
    gridDim = grid;
    blockDim = block;
    for (unsigned y = 0; y < grid.y; ++y) {
      for (unsigned x = 0; x < grid.x; ++x) {
        blockIdx = dim3(x, y);
        device_executor::RunBlock(
            block.x, [](unsigned thread) { threadIdx = dim3(thread); },
            [&] { kernel(arguments...); });
      }
    }
  });
  return cudaSuccess;
}

inline void __syncthreads() { device_executor::Barrier(); }
inline void __syncwarp(unsigned = ~0u) { device_executor::ExchangeInWarp(0); }

template <typename T>
T __shfl_from(T value, unsigned lane_from) {
  std::uint64_t bits = 0;
  static_assert(sizeof(T) <= sizeof(bits));
  std::memcpy(&bits, &value, sizeof(T));
  bits = device_executor::ExchangeInWarp(bits)[lane_from];
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}
template <typename T>
T __shfl_up_sync(unsigned, T value, unsigned back) {
  const unsigned lane = threadIdx.x % 32;
  return __shfl_from(value, lane >= back ? lane - back : lane);
}
template <typename T>
T __shfl_down_sync(unsigned, T value, unsigned ahead) {
  const unsigned lane = threadIdx.x % 32;
  return __shfl_from(value, lane + ahead < 32 ? lane + ahead : lane);
}
template <typename T>
T __shfl_sync(unsigned, T value, unsigned lane) {
  return __shfl_from(value, lane);
}
inline unsigned __ballot_sync(unsigned, bool vote) {
  const auto& votes = device_executor::ExchangeInWarp(vote ? 1 : 0);
  unsigned ballot = 0;
  for (unsigned lane = 0; lane < 32; ++lane) ballot |= static_cast<unsigned>(votes[lane]) << lane;
  return ballot;
}
inline unsigned __match_any_sync(unsigned, unsigned value) {
  const auto& values = device_executor::ExchangeInWarp(value);
  unsigned same = 0;
  for (unsigned lane = 0; lane < 32; ++lane) same |= (values[lane] == value ? 1u : 0u) << lane;
  return same;
}
inline int __popc(unsigned bits) { return std::popcount(bits); }
inline unsigned long long __umul64hi(unsigned long long a, unsigned long long b) {
  __extension__ using Wide = unsigned __int128;
  return static_cast<unsigned long long>(static_cast<Wide>(a) * b >> 64);
}
inline int __clz(int bits) { return std::countl_zero(static_cast<unsigned>(bits)); }
inline int __float_as_int(float value) { return std::bit_cast<int>(value); }

template <typename T>
T atomicAdd(T* at, T value) {
  const T before = *at;
  *at = before + value;
  return before;
}
template <typename T>
T atomicExch(T* at, T value) {
  const T before = *at;
  *at = value;
  return before;
}
inline int atomicMax(int* at, int value) {
  const int before = *at;
  if (value > before) *at = value;
  return before;
}
template <typename T>
T atomicCAS(T* at, T expected, T value) {
  device_executor::Yield();
  const T before = *at;
  if (before == expected) *at = value;
  return before;
}
