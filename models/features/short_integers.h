// Four short integers at a time: nearly all numbers of click logs. Pure; any thread.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace ps {

// Integers of at most eight characters, perhaps with a minus. `x`: each text's first eight bytes.
// Returns a bit for each text that is something else, whose number is then any; an empty text is
// among them.
[[gnu::always_inline]] inline std::uint32_t ParseShortIntegers(__m256i x, __m256i size,
                                                               double number[4]) {
  const auto repeat = [](long long value) { return _mm256_set1_epi64x(value); };
  const __m256i too_long = _mm256_cmpgt_epi64(size, repeat(8));
  // All ones is minus one, which takes the sign off the size.
  const __m256i negative = _mm256_cmpeq_epi64(_mm256_and_si256(x, repeat(0xff)), repeat('-'));
  size = _mm256_add_epi64(size, negative);
  x = _mm256_srlv_epi64(x, _mm256_and_si256(negative, repeat(8)));
  const __m256i none = _mm256_cmpgt_epi64(repeat(1), size);
  // Shifting puts zeros before the digits: the text's first character is the lowest byte.
  x = _mm256_xor_si256(x, _mm256_set1_epi8('0'));
  x = _mm256_sllv_epi64(x, _mm256_sub_epi64(repeat(64), _mm256_slli_epi64(size, 3)));
  const __m256i high = _mm256_and_si256(_mm256_or_si256(x, _mm256_add_epi8(x, _mm256_set1_epi8(6))),
                                        _mm256_set1_epi8('\xf0'));
  const __m256i digits = _mm256_cmpeq_epi64(high, _mm256_setzero_si256());
  const __m256i wrong =
      _mm256_or_si256(_mm256_or_si256(too_long, none), _mm256_xor_si256(digits, repeat(-1)));
  // Pairs of digits, then fours, then eight.
  x = _mm256_maddubs_epi16(x, _mm256_set1_epi16(0x010a));
  x = _mm256_madd_epi16(x, _mm256_set1_epi32(0x00010064));
  x = _mm256_add_epi64(_mm256_mul_epu32(x, repeat(10000)), _mm256_srli_epi64(x, 32));
  x = _mm256_sub_epi64(_mm256_xor_si256(x, negative), negative);
  const __m256i low_halves = _mm256_setr_epi32(0, 2, 4, 6, 0, 0, 0, 0);
  const __m128i integers = _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(x, low_halves));
  _mm256_storeu_pd(number, _mm256_cvtepi32_pd(integers));
  return static_cast<std::uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(wrong)));
}

}  // namespace ps
