// The fixed structures of a slot file, as they lie. Little-endian; see docs/checkpoint_format.md.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

#include "ps/base/crc32c.h"

namespace ps {

static_assert(std::endian::native == std::endian::little);

inline constexpr char kSlotFileMagic[8] = {'H', 'P', 'S', 'L', 'O', 'T', 'S', '1'};
inline constexpr char kSlotFileEnd[8] = {'H', 'P', 'S', 'L', 'O', 'T', 'S', 'E'};
inline constexpr std::uint32_t kSlotFileVersion = 1;
inline constexpr std::uint64_t kMostBlockBytes = std::uint64_t{1} << 20;

struct SlotFileHead {
  char magic[8];
  std::uint32_t version;
  std::uint32_t slot_bits;
  std::uint64_t checkpoint;
  std::uint64_t incarnation;
  std::uint64_t gen;
  std::uint16_t lanes;
  std::uint16_t floats_per_lane;
  std::uint32_t optimizer;  // 0 FTRL, 1 AdaGrad, 2 SGD
  float alpha, beta, l1, l2;
  std::uint32_t min_count;
  std::uint8_t zero[56];
  std::uint32_t crc;  // of the 124 bytes before
};
static_assert(sizeof(SlotFileHead) == 128 && offsetof(SlotFileHead, crc) == 124);

struct SlotBlockHead {
  std::uint32_t slot;
  std::uint32_t bytes;  // 1 to kMostBlockBytes, which follow
  std::uint32_t bytes_crc;
  std::uint32_t crc;  // of the 12 bytes before
};
static_assert(sizeof(SlotBlockHead) == 16);

struct SlotIndexEntry {
  std::uint32_t slot;    // ascending
  std::uint32_t crc;     // of the image
  std::uint64_t offset;  // of the slot's first block; the others follow it
  std::uint64_t image_bytes;
  std::uint64_t term;
  std::uint64_t seq;
};
static_assert(sizeof(SlotIndexEntry) == 40);

struct SlotFileFoot {
  std::uint64_t index_offset;
  std::uint32_t slots;
  std::uint32_t index_crc;
  char magic[8];
  std::uint32_t zero;
  std::uint32_t crc;  // of the 28 bytes before
};
static_assert(sizeof(SlotFileFoot) == 32);

// The bytes of a structure.
template <typename T>
std::string_view BytesOf(const T& value) {
  return {reinterpret_cast<const char*>(&value), sizeof value};
}

// The checksum that is a structure's last field.
template <typename T>
std::uint32_t CrcOfAllButLast(const T& value) {
  return Crc32c(BytesOf(value).substr(0, sizeof value - 4));
}

}  // namespace ps
