// Starting kernels on a stream, and what several of them have: shapes of blocks, atomic sums.
//
// A launch that fails is told by what Launch returns. The runtime keeps it, too, but for the thread
// that launched and no other, until that asks: whoever drops what is returned, as trees do, asks
// cudaGetLastError before the thread can be another one. What fails while it runs is told by the
// stream, whoever asks.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

namespace ps {

constexpr unsigned kWarp = 32, kAllLanes = 0xffffffffu;
constexpr unsigned kRowThreads = 256;  // of a block that goes over rows
constexpr unsigned kRoundsOfWarp = 8;
constexpr unsigned kTileRows = kRowThreads * kRoundsOfWarp;  // of such a block

// Exact, so in any order. Of numbers with a sign: unsigned ones wrap to the same bits.
__device__ inline void AtomicAdd(std::int64_t* at, std::int64_t value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}

inline unsigned BlocksFor(std::uint64_t items, unsigned of_block) {
  return static_cast<unsigned>((items + of_block - 1) / of_block);
}

struct Grid {
  unsigned x = 1, y = 1;
};

template <typename... Parameters, typename... Arguments>
cudaError_t Launch(void (*kernel)(Parameters...), Grid grid, unsigned threads, cudaStream_t stream,
                   const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0) return cudaSuccess;  // nothing to do
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(grid.x, grid.y);
  config.blockDim = dim3(threads);
  config.stream = stream;
  return cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

// Loads kernels, which their first launch would do: that takes memory of the device, and a model must
// be able to leave a device that is full.
template <typename... Kernels>
cudaError_t LoadKernels(Kernels*... kernels) {
  cudaFuncAttributes attributes;
  cudaError_t error = cudaSuccess;
  ((error = error != cudaSuccess ? error : cudaFuncGetAttributes(&attributes, kernels)), ...);
  return error;
}

}  // namespace ps
