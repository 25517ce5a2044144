// Four decimal numbers to float at once, correctly rounded, where each is ordinary: a minus sign or
// none, at most fifteen digits with one point or none, and perhaps an exponent of two digits with
// its sign, as printf writes it. Pure functions, any thread. They read sixteen bytes in front of a
// number's end. AVX2.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

#include "absl/base/attributes.h"
#include "models/data/digit_text.h"
#include "models/data/index_keys.h"
#include "models/data/short_float.h"

namespace ps {

// Divisors of a number by its digits behind the point; sixteen stand for no point.
inline constexpr std::array<double, 17> kDivisorOfFraction = [] {
  std::array<double, 17> divisors{};
  for (int i = 0; i < 16; ++i) divisors[i] = kPowerOfTen[i];
  divisors[16] = 1;
  return divisors;
}();

// 10^e as factor / divisor, one of which is 1: both are exact, and so the result is rounded once.
struct ExactPower {
  double factor, divisor;
};
inline constexpr std::array<ExactPower, 2 * kMostExactPower + 1> kExactPowers = [] {
  std::array<ExactPower, 2 * kMostExactPower + 1> powers{};
  for (int e = -kMostExactPower; e <= kMostExactPower; ++e) {
    powers[e + kMostExactPower] = {e > 0 ? kPowerOfTen[e] : 1, e < 0 ? kPowerOfTen[-e] : 1};
  }
  return powers;
}();

// Two of the numbers, each in a half: its digits' values at the end of its sixteen bytes, zeros in
// front.
struct TwoMantissas {
  __m256i digits;
  __m256i wrong;              // a byte that is not zero: not as above
  std::uint32_t fraction[2];  // digits behind the point; 16: no point
  std::uint32_t minus[2];     // 1 or 0
  std::uint32_t odd;          // not 0: not as above
};

// The texts end at begin + end[i] and have size[i] bytes, of which there is at least one.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline TwoMantissas ReadTwoMantissas(const char* begin,
                                                                  const std::uint32_t end[2],
                                                                  const std::uint32_t size[2]) {
  TwoMantissas two;
  const std::uint32_t kept[2] = {std::min(size[0], 16u), std::min(size[1], 16u)};
  const __m256i bytes = LoadPair(begin + end[0] - 16, begin + end[1] - 16);
  const __m256i keep = LoadPair(kKeepLast + kept[0], kKeepLast + kept[1]);
  const __m256i behind_first = LoadPair(kKeepLast + kept[0] - 1, kKeepLast + kept[1] - 1);
  const __m256i numbers = _mm256_sub_epi8(bytes, _mm256_set1_epi8('0'));
  const __m256i point = _mm256_and_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('.')), keep);
  const __m256i minus = _mm256_andnot_si256(
      behind_first, _mm256_and_si256(_mm256_cmpeq_epi8(bytes, _mm256_set1_epi8('-')), keep));
  const __m256i digits = _mm256_andnot_si256(minus, _mm256_and_si256(numbers, keep));
  // Above 9, and no point: 0 where all is well.
  two.wrong = _mm256_andnot_si256(point, _mm256_subs_epu8(digits, _mm256_set1_epi8(9)));
  const auto points = static_cast<std::uint32_t>(_mm256_movemask_epi8(point));
  const auto signs = static_cast<std::uint32_t>(_mm256_movemask_epi8(minus));
  const std::uint32_t mask[2] = {points << 16, points & 0xffff0000u};
  two.minus[0] = (signs & 0xffff) != 0;
  two.minus[1] = signs > 0xffff;
  two.odd = 0;
#pragma GCC unroll 2
  for (int i = 0; i < 2; ++i) {
    two.fraction[i] = _lzcnt_u32(mask[i] | 0x8000);
    const std::uint32_t count = size[i] - two.minus[i] - (mask[i] != 0);
    // Two points, no digit or too many, or bytes that were not looked at.
    two.odd |= (mask[i] & (mask[i] - 1)) | static_cast<std::uint32_t>(count - 1 > 14) |
               static_cast<std::uint32_t>(size[i] > 16);
  }
  // The digits behind the point stay where they are, those in front of it close up.
  const __m256i stay = LoadPair(kKeepLast + two.fraction[0], kKeepLast + two.fraction[1]);
  two.digits = _mm256_blendv_epi8(_mm256_slli_si256(digits, 1), digits, stay);
  return two;
}

// Whole numbers below 2^52.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline __m256d ToDouble(__m256i numbers) {
  const __m256i two_to_52 = _mm256_set1_epi64x(0x4330000000000000);
  return _mm256_sub_pd(_mm256_castsi256_pd(_mm256_or_si256(numbers, two_to_52)),
                       _mm256_castsi256_pd(two_to_52));
}

// Reads the numbers that fill begin + [colon[i] + 1, stop[i]), of one byte at least. False when not
// all are ordinary: `values` is undefined then. Exponents only where kExponents; it costs.
template <bool kExponents>
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool ReadFourFloats(const char* begin,
                                                        const std::uint32_t* colon,
                                                        const std::uint32_t* stop, float* values) {
  std::uint32_t end[4], size[4];
  int exponent[4] = {0, 0, 0, 0};
  std::uint32_t odd = 0;
#pragma GCC unroll 4
  for (int i = 0; i < 4; ++i) {
    end[i] = stop[i];
    size[i] = stop[i] - colon[i] - 1;
    if constexpr (kExponents) {
      std::uint32_t last;  // e+dd
      std::memcpy(&last, begin + stop[i] - 4, sizeof last);
      const bool has = size[i] > 4 && (last & 0xdf) == 'E';
      const std::uint32_t sign = last >> 8 & 0xff;
      const std::uint32_t tens = (last >> 16 & 0xff) - '0';
      const std::uint32_t ones = (last >> 24) - '0';
      odd |= static_cast<std::uint32_t>(has && ((sign != '-' && sign != '+') || tens > 9 || ones > 9));
      const int magnitude = has ? static_cast<int>(10 * tens + ones) : 0;
      exponent[i] = sign == '-' ? -magnitude : magnitude;
      end[i] -= has ? 4 : 0;
      size[i] -= has ? 4 : 0;
    }
  }
  const std::uint32_t even_end[2] = {end[0], end[2]}, even_size[2] = {size[0], size[2]};
  const std::uint32_t odd_end[2] = {end[1], end[3]}, odd_size[2] = {size[1], size[3]};
  const TwoMantissas evens = ReadTwoMantissas(begin, even_end, even_size);
  const TwoMantissas odds = ReadTwoMantissas(begin, odd_end, odd_size);
  const __m256i wrong = _mm256_or_si256(evens.wrong, odds.wrong);
  odd |= evens.odd | odds.odd;
  const std::uint32_t fraction[4] = {evens.fraction[0], odds.fraction[0], evens.fraction[1],
                                     odds.fraction[1]};
  __m256d scaled =
      ToDouble(FourNumbers(FourDigitGroups(evens.digits), FourDigitGroups(odds.digits)));
  if constexpr (kExponents) {
    const ExactPower* power[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; ++i) {
      const auto at = static_cast<std::uint32_t>(exponent[i] - static_cast<int>(fraction[i] & 15) +
                                                 kMostExactPower);
      odd |= static_cast<std::uint32_t>(at > 2 * kMostExactPower);
      power[i] = &kExactPowers[std::min<std::uint32_t>(at, 2 * kMostExactPower)];
    }
    scaled = _mm256_mul_pd(scaled, _mm256_setr_pd(power[0]->factor, power[1]->factor,
                                                  power[2]->factor, power[3]->factor));
    scaled = _mm256_div_pd(scaled, _mm256_setr_pd(power[0]->divisor, power[1]->divisor,
                                                  power[2]->divisor, power[3]->divisor));
  } else {
    scaled = _mm256_div_pd(
        scaled, _mm256_setr_pd(kDivisorOfFraction[fraction[0]], kDivisorOfFraction[fraction[1]],
                               kDivisorOfFraction[fraction[2]], kDivisorOfFraction[fraction[3]]));
  }
  // Rounding to float a second time does no harm but exactly between two floats (ScaleExactly).
  constexpr std::int64_t kBitsBelowFloat = (std::int64_t{1} << 29) - 1;
  constexpr std::int64_t kHalfway = std::int64_t{1} << 28;
  const __m256i halfway = _mm256_cmpeq_epi64(
      _mm256_and_si256(_mm256_castpd_si256(scaled), _mm256_set1_epi64x(kBitsBelowFloat)),
      _mm256_set1_epi64x(kHalfway));
  const __m256i not_ordinary = _mm256_or_si256(wrong, halfway);
  const __m128i sign = _mm_slli_epi32(
      _mm_setr_epi32(static_cast<int>(evens.minus[0]), static_cast<int>(odds.minus[0]),
                     static_cast<int>(evens.minus[1]), static_cast<int>(odds.minus[1])),
      31);
  _mm_storeu_ps(values, _mm_or_ps(_mm256_cvtpd_ps(scaled), _mm_castsi128_ps(sign)));
  return odd == 0 && _mm256_testz_si256(not_ordinary, not_ordinary) != 0;
}

}  // namespace ps
