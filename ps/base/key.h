// Keys: the 64-bit identity of a feature, and the slots that part the key space.
//
// A key is made by a bijective finaliser, so its bits are uniform and any of them may be used as a
// hash: the top k bits are the slot, the next ones choose the bucket inside the slot's table.
// Key 0 is reserved (an empty cell of a table); the functions here never return it.
// Everything in this header is pure and may be called from any thread.
#pragma once

#include <cstdint>
#include <cstring>
#include <string_view>

namespace ps {

using Key = std::uint64_t;
using SlotIndex = std::uint32_t;

inline constexpr Key kEmptyKey = 0;
inline constexpr int kDefaultSlotBits = 12;
inline constexpr int kMaxSlotBits = 16;

// The finaliser of splitmix64 (Steele et al., OOPSLA 2014): a bijection on 64-bit integers.
constexpr std::uint64_t Mix64(std::uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// The inverse of Mix64; lets a dump print the index behind a libsvm key.
constexpr std::uint64_t UnmixKey64(std::uint64_t x) {
  x = (x ^ (x >> 31) ^ (x >> 62)) * 0x319642b2d24d8ec3u;
  x = (x ^ (x >> 27) ^ (x >> 54)) * 0x96de1b173f119089u;
  x = x ^ (x >> 30) ^ (x >> 60);
  return x - 0x9e3779b97f4a7c15u;
}

// The one merge of two keys: an input that would give key 0 gives key 1 instead.
constexpr Key NonZeroKey(std::uint64_t mixed) { return mixed + (mixed == kEmptyKey); }

// libsvm and other inputs whose features are plain integers. Distinct indices give distinct keys.
constexpr Key IndexKey(std::uint64_t index) { return NonZeroKey(Mix64(index)); }

// The intercept of a linear model; an index no data set uses.
inline constexpr Key kBiasKey = IndexKey(0xb1a5b1a5b1a5b1a5u);

// Seed of a declared field, mixed into every key of that field: the field is part of the key.
std::uint64_t FieldSeed(std::string_view field_name);

// Key of a categorical value in a field. Up to eight bytes are packed and mixed, so that distinct
// short values of one length never collide; longer ones go through XXH3-64.
Key CategoryKey(std::uint64_t field_seed, std::string_view value);

// Key of a small integer in a field: a bucket, or a part of a cross.
constexpr Key BucketKey(std::uint64_t field_seed, std::uint64_t bucket) {
  return NonZeroKey(Mix64(field_seed ^ (bucket * 0xd6e8feb86659fd93u)));
}

// Key of a cross of two keys in a crossed field; order matters.
constexpr Key CrossKey(std::uint64_t field_seed, Key left, Key right) {
  return NonZeroKey(Mix64(Mix64(left ^ field_seed) + right));
}

constexpr SlotIndex SlotOf(Key key, int slot_bits) {
  return static_cast<SlotIndex>(key >> (64 - slot_bits));
}

}  // namespace ps
