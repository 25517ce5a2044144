// Starting kernels on a stream, and what several of them have: shapes of blocks, atomic sums. Errors stay with the
// runtime, which tells them when the stream is asked next.
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
void Launch(void (*kernel)(Parameters...), Grid grid, unsigned threads, cudaStream_t stream,
            const Arguments&... arguments) {
  if (grid.x == 0 || grid.y == 0) return;  // nothing to do
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(grid.x, grid.y);
  config.blockDim = dim3(threads);
  config.stream = stream;
  cudaLaunchKernelEx(&config, kernel, Parameters(arguments)...);
}

}  // namespace ps
