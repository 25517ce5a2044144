// What atomic sums cost on this device: as many as are asked for, at random places.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

namespace ps {

// Adds 1 to cells at places that follow from their number, `sums` times in all.
[[nodiscard]] cudaError_t LaunchAtomics(std::int64_t* cells, std::uint64_t count, std::uint64_t sums, cudaStream_t stream);

}  // namespace ps
