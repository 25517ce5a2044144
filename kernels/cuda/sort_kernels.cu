#include <cuda_runtime.h>

#include "kernels/cuda/launch.h"
#include "kernels/cuda/sort_kernels.h"

namespace ps {
namespace {

constexpr unsigned kWarps = SortTiles::kWarps, kThreads = kWarps * kWarp;
constexpr unsigned kDigits = SortTiles::kDigits;
static_assert(kThreads == kDigits, "a thread has a digit");

__device__ unsigned DigitOf(unsigned long long key, unsigned shift) {
  return static_cast<unsigned>(key >> shift) % kDigits;
}

__device__ std::uint64_t FirstOfTile(const SortTiles& tiles, std::uint32_t tile) {
  return std::uint64_t{tile} * tiles.of_warp * kWarps;
}

// The sum of the values of lower threads; *all: of all. All threads of the block come.
__device__ std::uint32_t SumBefore(std::uint32_t value, std::uint32_t* all) {
  __shared__ std::uint32_t of_warp[kWarps];
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  std::uint32_t sum = value;
#pragma unroll
  for (unsigned back = 1; back < kWarp; back *= 2) {
    const std::uint32_t lower = __shfl_up_sync(kAllLanes, sum, back);
    if (lane >= back) sum += lower;
  }
  if (lane == kWarp - 1) of_warp[warp] = sum;
  __syncthreads();
  std::uint32_t before = 0, total = 0;
#pragma unroll
  for (unsigned w = 0; w < kWarps; ++w) {
    if (w < warp) before += of_warp[w];
    total += of_warp[w];
  }
  __syncthreads();  // of_warp is free again
  *all = total;
  return before + sum - value;
}

__global__ void __launch_bounds__(kThreads)
    CountDigitsKernel(const unsigned long long* keys, SortTiles tiles, unsigned shift,
                      std::uint32_t* counts) {
  __shared__ std::uint32_t count[kDigits];
  count[threadIdx.x] = 0;
  __syncthreads();
  const std::uint64_t first = FirstOfTile(tiles, blockIdx.x);
  for (std::uint32_t i = threadIdx.x; i < tiles.of_warp * kWarps; i += kThreads) {
    if (first + i < tiles.size) atomicAdd(&count[DigitOf(keys[first + i], shift)], 1u);
  }
  __syncthreads();
  counts[std::uint64_t{blockIdx.x} * kDigits + threadIdx.x] = count[threadIdx.x];
}

__global__ void __launch_bounds__(kThreads)
    SortByDigitKernel(KeysWithOrder from, SortTiles tiles, unsigned shift,
                      const std::uint32_t* counts, KeysWithOrder to) {
  // Where the next key of a digit goes that a warp meets.
  __shared__ std::uint32_t next[kWarps][kDigits];
  const unsigned lane = threadIdx.x % kWarp, warp = threadIdx.x / kWarp;
  const std::uint64_t first = FirstOfTile(tiles, blockIdx.x) + std::uint64_t{warp} * tiles.of_warp;
  for (unsigned w = 0; w < kWarps; ++w) next[w][threadIdx.x] = 0;
  __syncthreads();
  for (std::uint32_t i = lane; i < tiles.of_warp; i += kWarp) {
    if (first + i < tiles.size) atomicAdd(&next[warp][DigitOf(from.keys[first + i], shift)], 1u);
  }
  // Of the thread's digit: before this tile, and in all tiles.
  std::uint32_t before = 0, all = 0;
  for (std::uint32_t tile = 0; tile < tiles.count; ++tile) {
    const std::uint32_t count = counts[std::uint64_t{tile} * kDigits + threadIdx.x];
    if (tile < blockIdx.x) before += count;
    all += count;
  }
  std::uint32_t unused;
  std::uint32_t at = SumBefore(all, &unused) + before;  // its barriers end the counting, too
  for (unsigned w = 0; w < kWarps; ++w) {
    const std::uint32_t count = next[w][threadIdx.x];
    next[w][threadIdx.x] = at;
    at += count;
  }
  __syncthreads();
  for (std::uint32_t i = lane; i < tiles.of_warp; i += kWarp) {
    const bool there = first + i < tiles.size;
    const unsigned long long key = there ? from.keys[first + i] : 0;
    const unsigned digit = there ? DigitOf(key, shift) : kDigits;
    const unsigned peers = __match_any_sync(kAllLanes, digit);
    const unsigned rank = static_cast<unsigned>(__popc(peers & ((1u << lane) - 1)));
    if (there) {
      const std::uint32_t place = next[warp][digit] + rank;
      to.keys[place] = key;
      to.order[place] =
          from.order != nullptr ? from.order[first + i] : static_cast<std::uint32_t>(first + i);
    }
    __syncwarp();
    if (there && rank == 0) next[warp][digit] += static_cast<unsigned>(__popc(peers));
    __syncwarp();
  }
}

__device__ bool IsHead(const unsigned long long* keys, std::uint64_t at, std::uint64_t size) {
  return at < size && (at == 0 || keys[at] != keys[at - 1]);
}

__global__ void __launch_bounds__(kThreads)
    CountHeadsKernel(const unsigned long long* keys, SortTiles tiles, std::uint32_t* heads) {
  const std::uint64_t first = FirstOfTile(tiles, blockIdx.x);
  std::uint32_t own = 0, all = 0;
  for (std::uint32_t i = threadIdx.x; i < tiles.of_warp * kWarps; i += kThreads)
    own += IsHead(keys, first + i, tiles.size) ? 1 : 0;
  SumBefore(own, &all);
  if (threadIdx.x == 0) heads[blockIdx.x] = all;
}

__global__ void __launch_bounds__(kThreads)
    NumberKeysKernel(KeysWithOrder sorted, SortTiles tiles, const std::uint32_t* heads,
                     DistinctKeysView to) {
  std::uint32_t own = 0, next_id = 0;
  for (std::uint32_t tile = threadIdx.x; tile < blockIdx.x; tile += kThreads) own += heads[tile];
  SumBefore(own, &next_id);
  const std::uint64_t first = FirstOfTile(tiles, blockIdx.x);
  for (std::uint32_t i = threadIdx.x; i < tiles.of_warp * kWarps; i += kThreads) {
    const std::uint64_t at = first + i;
    const bool is_head = IsHead(sorted.keys, at, tiles.size);
    std::uint32_t heads_of_round = 0;
    const std::uint32_t before = SumBefore(is_head ? 1 : 0, &heads_of_round);
    const std::uint32_t id = next_id + before - (is_head ? 0 : 1);
    next_id += heads_of_round;
    if (at >= tiles.size) continue;
    const std::uint32_t place = sorted.order[at];
    to.ids[place] = id;
    to.sorted[place] = static_cast<std::uint32_t>(at);
    if (is_head) {
      const unsigned long long key = sorted.keys[at];
      to.keys[id] = key;
      to.begin[id] = static_cast<std::uint32_t>(at);
      const std::uint64_t beyond = at + DistinctKeysView::kShort;
      if (beyond < tiles.size && sorted.keys[beyond] == key)
        to.long_ids[atomicAdd(&to.counts[1], 1u)] = id;
    }
    if (at + 1 == tiles.size) {
      to.counts[0] = id + 1;
      to.begin[id + 1] = static_cast<std::uint32_t>(tiles.size);
    }
  }
}

}  // namespace

cudaError_t LoadSortKernels() {
  return LoadKernels(CountDigitsKernel, SortByDigitKernel, CountHeadsKernel, NumberKeysKernel);
}

cudaError_t LaunchCountDigits(const unsigned long long* keys, const SortTiles& tiles,
                              unsigned shift, std::uint32_t* counts, cudaStream_t stream) {
  return Launch(CountDigitsKernel, {tiles.count}, kThreads, stream, keys, tiles, shift, counts);
}

cudaError_t LaunchSortByDigit(const KeysWithOrder& from, const SortTiles& tiles, unsigned shift,
                              const std::uint32_t* counts, const KeysWithOrder& to,
                              cudaStream_t stream) {
  return Launch(SortByDigitKernel, {tiles.count}, kThreads, stream, from, tiles, shift, counts, to);
}

cudaError_t LaunchCountHeads(const unsigned long long* keys, const SortTiles& tiles,
                             std::uint32_t* heads, cudaStream_t stream) {
  return Launch(CountHeadsKernel, {tiles.count}, kThreads, stream, keys, tiles, heads);
}

cudaError_t LaunchNumberKeys(const KeysWithOrder& sorted, const SortTiles& tiles,
                             const std::uint32_t* heads, const DistinctKeysView& to,
                             cudaStream_t stream) {
  return Launch(NumberKeysKernel, {tiles.count}, kThreads, stream, sorted, tiles, heads, to);
}

}  // namespace ps
