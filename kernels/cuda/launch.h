// Starting kernels on a stream, and what several of them have: shapes of blocks, atomic sums.
//
// A launch that fails is told by what Launch returns, and nobody drops it: the runtime keeps it, too, but
// for the thread that launched and no other. What fails while it runs is told by the stream, whoever
// asks.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <cstdint>
#include <limits>

namespace ps {

constexpr unsigned kWarp = 32, kAllLanes = 0xffffffffu;
constexpr unsigned kRowThreads = 256;  // of a block that goes over rows
constexpr unsigned kRoundsOfWarp = 8;
constexpr unsigned kTileRows = kRowThreads * kRoundsOfWarp;  // of such a block

// Exact, so in any order. Of numbers with a sign: unsigned ones wrap to the same bits.
__device__ inline void AtomicAdd(std::int64_t* at, std::int64_t value) {
  atomicAdd(reinterpret_cast<unsigned long long*>(at), static_cast<unsigned long long>(value));
}

// More blocks than a number of 32 bits says are more than any device takes: their launch is refused.
constexpr unsigned BlocksFor(std::uint64_t items, unsigned of_block) {
  constexpr std::uint64_t kMost = std::numeric_limits<unsigned>::max();
  return static_cast<unsigned>(std::min(kMost, items / of_block + (items % of_block != 0)));
}
// Of a kernel whose blocks go on to further items: no more than the processors hold at once.
constexpr unsigned ResidentBlocksFor(std::uint64_t items, unsigned of_block, unsigned of_processor,
                                     int processors) {
  return std::min(BlocksFor(items, of_block), of_processor * static_cast<unsigned>(processors));
}

struct Grid {
  unsigned x = 1, y = 1;
};

template <typename... Parameters, typename... Arguments>
[[nodiscard]] cudaError_t Launch(void (*kernel)(Parameters...), Grid grid, unsigned threads,
                                 cudaStream_t stream, const Arguments&... arguments) {
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
[[nodiscard]] cudaError_t LoadKernels(Kernels*... kernels) {
  cudaFuncAttributes attributes;
  cudaError_t error = cudaSuccess;
  ((error = error != cudaSuccess ? error : cudaFuncGetAttributes(&attributes, kernels)), ...);
  return error;
}

}  // namespace ps
