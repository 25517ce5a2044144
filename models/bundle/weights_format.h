// The layout of weights.bin; docs/bundle_format.md is the normative description.
//
//   header (128 bytes) | keys | weights | slot index
//
// Sections begin at multiples of 64 bytes, the gaps are zero. All numbers are little-endian, so
// that a mapped file is used as it lies. Plain data.
#pragma once

#include <bit>
#include <cstdint>

namespace ps {

static_assert(std::endian::native == std::endian::little, "weights.bin is mapped as it lies");

inline constexpr char kWeightsMagic[8] = {'P', 'S', 'W', 'E', 'I', 'G', 'H', 'T'};
inline constexpr std::uint32_t kWeightsVersion = 1;
inline constexpr std::uint64_t kSectionAlignment = 64;
inline constexpr int kMaxIndexBits = 28;
// A slot of the index holds between half and all of this many keys on average: its keys are two or
// three cache lines, and the index adds less than a byte to a feature's twelve.
inline constexpr std::uint64_t kKeysPerIndexSlot = 16;

struct WeightsSection {
  std::uint64_t offset = 0;  // in the file
  std::uint64_t bytes = 0;
  std::uint32_t crc32c = 0;
  std::uint32_t zero = 0;
};
static_assert(sizeof(WeightsSection) == 24);

struct WeightsHeader {
  char magic[8] = {};
  std::uint32_t version = 0;
  std::uint32_t index_bits = 0;  // k: the slot index has 2^k + 1 elements
  std::uint64_t count = 0;       // of keys, and of weights
  std::uint64_t file_bytes = 0;
  WeightsSection keys;     // u64, strictly ascending, neither 0 nor the bias key
  WeightsSection weights;  // f32, finite
  WeightsSection index;    // u64: element s is the number of keys whose top k bits are below s
  std::uint8_t zero[20] = {};
  std::uint32_t header_crc32c = 0;  // of the 124 bytes before it
};
static_assert(sizeof(WeightsHeader) == 128);

constexpr std::uint64_t AlignSection(std::uint64_t offset) {
  return (offset + kSectionAlignment - 1) / kSectionAlignment * kSectionAlignment;
}

constexpr int IndexBits(std::uint64_t count) {
  int bits = 0;
  while (bits < kMaxIndexBits && (count >> bits) > kKeysPerIndexSlot) ++bits;
  return bits;
}

// The top `index_bits` bits of a key; all keys are in slot 0 of an index of 0 bits.
constexpr std::uint64_t IndexSlot(std::uint64_t key, int index_bits) {
  return (key >> 1) >> (63 - index_bits);
}

}  // namespace ps
