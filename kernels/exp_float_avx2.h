// The functions of exp_float.h eight at a time: the same bits. Pure, any thread.
#pragma once

#include <immintrin.h>

#include "kernels/exp_float.h"

namespace ps {

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

inline __m256 Log1pFloat8(__m256 e) {
  const __m256 s = _mm256_div_ps(e, _mm256_add_ps(_mm256_set1_ps(2.0f), e));
  const __m256 square = _mm256_mul_ps(s, s);
  __m256 p = _mm256_set1_ps(Log1pSeries::kC[0]);
  for (int i = 1; i < 8; ++i) p = _mm256_fmadd_ps(p, square, _mm256_set1_ps(Log1pSeries::kC[i]));
  return _mm256_mul_ps(p, s);
}

}  // namespace ps
