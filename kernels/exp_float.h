// e^x of negative x, and log(1 + e), in single precision, plain and eight at a time: the same bits.
// Pure, any thread.
#pragma once

#include <immintrin.h>

#include <bit>
#include <cmath>
#include <cstdint>

namespace ps {

// e^x for x in [-87, 0] in single precision: x = k ln 2 + r and a polynomial of degree 6 in r;
// relative error about 1e-7.
struct ExpFloat {
  static constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr float kRound =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  static constexpr float kC[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  static constexpr float kLowest = -87.0f;
};

inline float ExpNegative(float x) {
  using E = ExpFloat;
  const float k = std::fma(x, E::kLog2E, E::kRound) - E::kRound;
  float r = std::fma(k, -E::kLn2High, x);
  r = std::fma(k, -E::kLn2Low, r);
  float p = E::kC[0];
  for (int i = 1; i < 7; ++i) p = std::fma(p, r, E::kC[i]);
  return p * std::bit_cast<float>((static_cast<std::int32_t>(k) + 127) << 23);
}

inline __m256 ExpNegative8(__m256 x) {
  using E = ExpFloat;
  const __m256 round = _mm256_set1_ps(E::kRound);
  const __m256 k = _mm256_sub_ps(_mm256_fmadd_ps(x, _mm256_set1_ps(E::kLog2E), round), round);
  __m256 r = _mm256_fmadd_ps(k, _mm256_set1_ps(-E::kLn2High), x);
  r = _mm256_fmadd_ps(k, _mm256_set1_ps(-E::kLn2Low), r);
  __m256 p = _mm256_set1_ps(E::kC[0]);
  for (int i = 1; i < 7; ++i) p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(E::kC[i]));
  const __m256i exponent =
      _mm256_slli_epi32(_mm256_add_epi32(_mm256_cvttps_epi32(k), _mm256_set1_epi32(127)), 23);
  return _mm256_mul_ps(p, _mm256_castsi256_ps(exponent));
}

// log(1 + e) for e in [0, 1] = 2 artanh(s), s = e / (2 + e) <= 1/3, by its series; relative error
// about 1e-7.
struct Log1pSeries {
  static constexpr float kC[] = {2.0f / 15, 2.0f / 13, 2.0f / 11, 2.0f / 9,
                                 2.0f / 7,  2.0f / 5,  2.0f / 3,  2.0f};
};

inline float Log1pFloat(float e) {
  const float s = e / (2.0f + e);
  const float square = s * s;
  float p = Log1pSeries::kC[0];
  for (int i = 1; i < 8; ++i) p = std::fma(p, square, Log1pSeries::kC[i]);
  return p * s;
}

inline __m256 Log1pFloat8(__m256 e) {
  const __m256 s = _mm256_div_ps(e, _mm256_add_ps(_mm256_set1_ps(2.0f), e));
  const __m256 square = _mm256_mul_ps(s, s);
  __m256 p = _mm256_set1_ps(Log1pSeries::kC[0]);
  for (int i = 1; i < 8; ++i) p = _mm256_fmadd_ps(p, square, _mm256_set1_ps(Log1pSeries::kC[i]));
  return _mm256_mul_ps(p, s);
}

}  // namespace ps
