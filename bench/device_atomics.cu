#include "bench/device_atomics.h"

#include "kernels/cuda/launch.h"
#include "ps/base/key.h"

namespace ps {
namespace {

__global__ void AtomicsKernel(std::int64_t* cells, std::uint64_t count, std::uint64_t sums) {
  const std::uint64_t step = std::uint64_t{gridDim.x} * blockDim.x;
  for (std::uint64_t i = std::uint64_t{blockIdx.x} * blockDim.x + threadIdx.x; i < sums; i += step)
    AtomicAdd(cells + Mix64(i) % count, 1);
}

}  // namespace

cudaError_t LaunchAtomics(std::int64_t* cells, std::uint64_t count, std::uint64_t sums, cudaStream_t stream) {
  return Launch(AtomicsKernel, {BlocksFor(sums, kTileRows)}, kRowThreads, stream, cells, count, sums);
}

}  // namespace ps
