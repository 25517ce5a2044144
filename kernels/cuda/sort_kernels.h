// Kernels of DeviceKeySort. Pointers are of the device; launches return at once, with an error
// where nothing was launched.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <cstdint>

namespace ps {

// How an array is parted: a block has a tile, each of its warps a stretch of the tile. Stretches
// are in the order of the array, so that what a warp finds first stays first.
struct SortTiles {
  static constexpr unsigned kWarps = 8, kDigits = 256;
  static constexpr std::uint32_t kMost = 512;  // each block reads the counts of all tiles

  std::uint64_t size = 0;
  std::uint32_t of_warp = 0;  // a multiple of 32
  std::uint32_t count = 0;

  static SortTiles Of(std::uint64_t size) {
    constexpr std::uint64_t kLeast = 128, kRound = 32;
    const std::uint64_t share = (size + kMost * kWarps - 1) / (kMost * kWarps);
    SortTiles tiles;
    tiles.size = size;
    tiles.of_warp =
        static_cast<std::uint32_t>(std::max(kLeast, (share + kRound - 1) / kRound * kRound));
    const std::uint64_t of_block = std::uint64_t{tiles.of_warp} * kWarps;
    tiles.count = static_cast<std::uint32_t>((size + of_block - 1) / of_block);
    return tiles;
  }
};

// Keys and what they stand at, place by place.
struct KeysWithOrder {
  unsigned long long* keys = nullptr;
  std::uint32_t* order = nullptr;  // to be read and null: 0, 1, 2, ...
};

// Of sorted keys: each once, and where which of them stand.
struct DistinctKeysView {
  // A key that stands at more places than that is in the list of long ones.
  static constexpr std::uint32_t kShort = 32;

  std::uint32_t* counts = nullptr;     // 2: of distinct keys; of long ones, 0 before
  unsigned long long* keys = nullptr;  // ascending
  std::uint32_t* begin = nullptr;      // key i: sorted places [begin[i], begin[i + 1])
  std::uint32_t* ids = nullptr;        // of each place as the keys came: which distinct key
  std::uint32_t* sorted = nullptr;     // likewise: its sorted place
  std::uint32_t* long_ids = nullptr;   // in any order
};

cudaError_t LoadSortKernels();

// counts[tile * kDigits + digit]: keys of the tile whose bits [shift, shift + 8) are the digit.
[[nodiscard]] cudaError_t LaunchCountDigits(const unsigned long long* keys, const SortTiles& tiles,
                                            unsigned shift, std::uint32_t* counts,
                                            cudaStream_t stream);
// Sorts by that digit; equal digits stay in their order.
[[nodiscard]] cudaError_t LaunchSortByDigit(const KeysWithOrder& from, const SortTiles& tiles,
                                            unsigned shift, const std::uint32_t* counts,
                                            const KeysWithOrder& to, cudaStream_t stream);
// heads[tile]: keys of the tile that are not the one before.
[[nodiscard]] cudaError_t LaunchCountHeads(const unsigned long long* keys, const SortTiles& tiles,
                                           std::uint32_t* heads, cudaStream_t stream);
[[nodiscard]] cudaError_t LaunchNumberKeys(const KeysWithOrder& sorted, const SortTiles& tiles,
                                           const std::uint32_t* heads, const DistinctKeysView& to,
                                           cudaStream_t stream);

}  // namespace ps
