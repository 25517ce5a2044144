// Keys of four decimal indices at once. Pure functions, any thread. AVX2.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "absl/base/attributes.h"
#include "models/data/digit_text.h"

namespace ps {

inline __m256i LoadPair(const void* low, const void* high) {
  return _mm256_inserti128_si256(
      _mm256_castsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(low))),
      _mm_loadu_si128(static_cast<const __m128i*>(high)), 1);
}

// The values of the bytes in front of two colons, `digits` of them and zeros before. A byte that is no digit
// has a value above 9.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline __m256i DigitsBefore(const char* text, const std::uint32_t* colon,
                                                         const std::uint32_t* digits) {
  const __m256i bytes = LoadPair(text + colon[0] - 16, text + colon[2] - 16);
  const __m256i keep = LoadPair(kKeepLast + digits[0], kKeepLast + digits[2]);
  return _mm256_and_si256(_mm256_sub_epi8(bytes, _mm256_set1_epi8('0')), keep);
}

// Four groups of four digits each: 8 x 32 bits.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline __m256i FourDigitGroups(__m256i digits) {
  const __m256i pairs = _mm256_maddubs_epi16(digits, _mm256_set1_epi16(0x010a));  // 10, 1
  return _mm256_madd_epi16(pairs, _mm256_set1_epi32(0x00010064));                 // 100, 1
}

// The numbers of two such pairs, in the order even[0], odd[0], even[1], odd[1].
ABSL_ATTRIBUTE_ALWAYS_INLINE inline __m256i FourNumbers(__m256i even_groups, __m256i odd_groups) {
  const __m256i eights = _mm256_madd_epi16(_mm256_packus_epi32(even_groups, odd_groups),
                                           _mm256_set1_epi32(0x00012710));
  return _mm256_add_epi64(_mm256_mul_epu32(eights, _mm256_set1_epi64x(100000000)),
                          _mm256_srli_epi64(eights, 32));
}

ABSL_ATTRIBUTE_ALWAYS_INLINE inline __m256i Multiply64(__m256i a, std::uint64_t by) {
  const __m256i low = _mm256_set1_epi64x(static_cast<std::int64_t>(by));
  const __m256i high = _mm256_set1_epi64x(static_cast<std::int64_t>(by >> 32));
  const __m256i cross =
      _mm256_add_epi64(_mm256_mul_epu32(_mm256_srli_epi64(a, 32), low), _mm256_mul_epu32(a, high));
  return _mm256_add_epi64(_mm256_mul_epu32(a, low), _mm256_slli_epi64(cross, 32));
}

// IndexKey of four indices.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline __m256i IndexKeys(__m256i x) {
  x = _mm256_add_epi64(x, _mm256_set1_epi64x(static_cast<std::int64_t>(0x9e3779b97f4a7c15u)));
  x = Multiply64(_mm256_xor_si256(x, _mm256_srli_epi64(x, 30)), 0xbf58476d1ce4e5b9u);
  x = Multiply64(_mm256_xor_si256(x, _mm256_srli_epi64(x, 27)), 0x94d049bb133111ebu);
  x = _mm256_xor_si256(x, _mm256_srli_epi64(x, 31));
  return _mm256_sub_epi64(x, _mm256_cmpeq_epi64(x, _mm256_setzero_si256()));
}

}  // namespace ps
