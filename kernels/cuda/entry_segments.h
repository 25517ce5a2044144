// Where the entry of an id lies: in segments that grow with their number, so that a model grows
// without being copied and wastes at most a fifth of its memory. Ids below kFirstIds are in segment
// 0; from there on each power of two has four segments alike. Pure, host and device.
#pragma once

#include <cstdint>

#include "kernels/host_device.h"

namespace ps {

struct EntrySegment {
  static constexpr int kFirstBits = 16;
  static constexpr std::uint64_t kFirstIds = std::uint64_t{1} << kFirstBits;
  static constexpr int kMost = 1 + 4 * (32 - kFirstBits);  // for ids of 32 bits

  std::uint32_t number = 0;
  std::uint32_t first_id = 0;

  // `top`: number of the id's highest set bit; anything for ids below kFirstIds.
  PS_HOST_DEVICE static EntrySegment Of(std::uint32_t id, int top) {
    if (id < kFirstIds) return {};
    const int shift = top - 2;
    const std::uint32_t quarter = id >> shift;  // 4 to 7
    return {static_cast<std::uint32_t>(4 * (top - kFirstBits)) + quarter - 3, quarter << shift};
  }

  // Ids in segments [0, number).
  PS_HOST_DEVICE static constexpr std::uint64_t Begin(std::uint32_t number) {
    if (number == 0) return 0;
    return std::uint64_t{4 + (number - 1) % 4} << (kFirstBits - 2 + (number - 1) / 4);
  }
};

}  // namespace ps
