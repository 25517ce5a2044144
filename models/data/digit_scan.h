// The fast way through `13:1 5678123:1 ...`: sixty-four bytes at a time, all features whose value
// is the single digit 1 and that a blank ends. Whatever else the text holds is left to the caller.
// Pure functions, any thread. AVX2.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

#include "ps/base/key.h"

namespace ps {

inline constexpr std::ptrdiff_t kDigitScanBytes = 64;   // readable from the scan's begin on
inline constexpr std::ptrdiff_t kDigitScanBefore = 16;  // readable in front of it
inline constexpr std::size_t kDigitScanFeatures = 16;   // a feature takes at least four bytes

struct DigitScan {
  std::size_t features = 0;  // keys written
  std::size_t bytes = 0;  // consumed: up to the begin of the next feature, or of what is left over
  std::uint64_t next_index = 0;  // the last index plus one
  bool unordered = false;        // an index was below the expected next one
  bool whole = false;            // nothing but the end of the sixty-four bytes stopped the scan
};

namespace digit_scan {

// Bit i: the byte at i is `wanted`.
inline std::uint64_t Equal(__m256i low, __m256i high, char wanted) {
  const __m256i all = _mm256_set1_epi8(wanted);
  const auto a = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, all)));
  const auto b = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, all)));
  return a | (std::uint64_t{b} << 32);
}

// Bit i: the byte at i is a digit.
inline std::uint64_t Digits(__m256i low, __m256i high) {
  const __m256i zero = _mm256_set1_epi8('0');
  const __m256i nine = _mm256_set1_epi8(9);
  low = _mm256_sub_epi8(low, zero);
  high = _mm256_sub_epi8(high, zero);
  const __m256i low_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(low, nine), low);
  const __m256i high_digit = _mm256_cmpeq_epi8(_mm256_min_epu8(high, nine), high);
  const auto a = static_cast<std::uint32_t>(_mm256_movemask_epi8(low_digit));
  const auto b = static_cast<std::uint32_t>(_mm256_movemask_epi8(high_digit));
  return a | (std::uint64_t{b} << 32);
}

// Bytes 16 - n to 15 of the table's window at n are set: keeps the last n digits.
alignas(32) inline constexpr std::uint8_t kKeepLast[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

// The number written by the `count` (1 to 16) digits in front of `end`.
inline std::uint64_t NumberBefore(const char* end, std::size_t count) {
  const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
  const __m128i keep = _mm_loadu_si128(reinterpret_cast<const __m128i*>(kKeepLast + count));
  const __m128i digits = _mm_and_si128(_mm_sub_epi8(text, _mm_set1_epi8('0')), keep);
  const __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));  // 10, 1
  const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));  // 100, 1
  const __m128i packed = _mm_packus_epi32(fours, fours);
  const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x00012710));  // 10000, 1
  const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
  return (both & 0xffffffffu) * 100000000u + (both >> 32);
}

}  // namespace digit_scan

// `text` is at the first byte of a feature. `keys` has room for kDigitScanFeatures.
inline DigitScan ScanOnes(const char* text, std::uint64_t next_index, Key* keys) {
  const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text));
  const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + 32));
  const std::uint64_t digits = digit_scan::Digits(low, high);
  const std::uint64_t colons = digit_scan::Equal(low, high, ':');
  const std::uint64_t ones = digit_scan::Equal(low, high, '1');
  const std::uint64_t blanks = digit_scan::Equal(low, high, ' ');
  // Runs of more than sixteen digits, by doubling; a bit is the begin of such a run or inside it.
  std::uint64_t run = digits & (digits >> 1);
  run &= run >> 2;
  run &= run >> 4;
  run &= run >> 8;
  run &= digits >> 16;
  // The first byte that is not as it is in `digits ':' '1' ' '`, repeated.
  const std::uint64_t expected_blanks = colons << 2;
  const std::uint64_t odd = (~digits ^ (colons | expected_blanks)) | (expected_blanks & ~blanks) |
                            ((colons << 1) & ~ones) | (colons & ((colons << 3) | 1)) | run;
  const auto regular = static_cast<unsigned>(_tzcnt_u64(odd));  // bytes; 64 when there is none
  // A colon counts when its value and its blank lie in the regular part.
  std::uint64_t left = colons & (_bzhi_u64(~std::uint64_t{0}, regular) >> 2);

  DigitScan scan;
  scan.whole = regular == 64;
  std::size_t begin = 0;
  while (left != 0) {
    const auto colon = static_cast<std::size_t>(_tzcnt_u64(left));
    left = _blsr_u64(left);
    const std::uint64_t index = digit_scan::NumberBefore(text + colon, colon - begin);
    keys[scan.features++] = IndexKey(index);
    scan.unordered |= index < next_index;
    next_index = index + 1;
    begin = colon + 3;
  }
  scan.bytes = begin;
  scan.next_index = next_index;
  return scan;
}

}  // namespace ps
