// Runs of up to sixteen digits to integers with a few vector instructions. Pure functions, any
// thread. They read sixteen bytes whatever the length of the run: the caller sees to it that these
// are readable. SSE4.1.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

namespace ps {

// The sixteen bytes at kKeepLast + n keep the last n of sixteen, those at kKeepLast + 16 all.
alignas(32) inline constexpr std::uint8_t kKeepLast[32] = {
    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,    0,
    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

inline __m128i KeepLast(std::size_t count) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(kKeepLast + count));
}

// Bit i of the lower sixteen: the byte at text + i is a digit.
inline std::uint32_t DigitMask(const char* text) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  const __m128i values = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(values, _mm_set1_epi8(9)), values);
  return static_cast<std::uint32_t>(_mm_movemask_epi8(is_digit));
}

// The number whose sixteen digits (as 0 to 9, most significant first) are the bytes.
inline std::uint64_t NumberOf(__m128i digits) {
  const __m128i pairs = _mm_maddubs_epi16(digits, _mm_set1_epi16(0x010a));  // 10, 1
  const __m128i fours = _mm_madd_epi16(pairs, _mm_set1_epi32(0x00010064));  // 100, 1
  const __m128i packed = _mm_packus_epi32(fours, fours);
  const __m128i eights = _mm_madd_epi16(packed, _mm_set1_epi32(0x00012710));  // 10000, 1
  const auto both = static_cast<std::uint64_t>(_mm_cvtsi128_si64(eights));
  return (both & 0xffffffffu) * 100000000u + (both >> 32);
}

// The number written by the `count` digits (at most sixteen) in front of `end`.
inline std::uint64_t NumberBefore(const char* end, std::size_t count) {
  const __m128i text = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 16));
  return NumberOf(_mm_and_si128(_mm_sub_epi8(text, _mm_set1_epi8('0')), KeepLast(count)));
}

}  // namespace ps
