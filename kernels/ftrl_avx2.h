// FTRL on vectors of eight coordinates, and what learners row by row share: for the kernels of this
// directory only. Pure, any thread.
#pragma once

#include <immintrin.h>

#include <array>

#include "kernels/row_learner.h"

namespace ps {

// Rows between prefetching a row's state and learning it: about the latency of a miss.
inline constexpr std::size_t kRowsAhead = 4;

struct FtrlVector {
  struct State {
    __m256 z, root;
  };

  // One setting for all eight coordinates, or one for each.
  explicit FtrlVector(const OptimizerParams& p)
      : base(_mm256_set1_ps(FtrlDenominator(p, 0))),
        inverse_alpha(_mm256_set1_ps(1.0f / p.alpha)),
        newton(_mm256_set1_ps(p.newton)),
        l1(_mm256_set1_ps(p.l1)) {}
  explicit FtrlVector(const std::array<OptimizerParams, 8>& p) {
    const auto each = [&p](auto of) {
      return _mm256_setr_ps(of(p[0]), of(p[1]), of(p[2]), of(p[3]), of(p[4]), of(p[5]), of(p[6]),
                            of(p[7]));
    };
    base = each([](const OptimizerParams& one) { return FtrlDenominator(one, 0); });
    inverse_alpha = each([](const OptimizerParams& one) { return 1.0f / one.alpha; });
    newton = each([](const OptimizerParams& one) { return one.newton; });
    l1 = each([](const OptimizerParams& one) { return one.l1; });
  }

  // FtrlWeight.
  __m256 Weight(State state) const {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 magnitude = _mm256_andnot_ps(sign, state.z);
    const __m256 shrunk = _mm256_sub_ps(state.z, _mm256_or_ps(_mm256_and_ps(sign, state.z), l1));
    const __m256 denominator =
        _mm256_fmadd_ps(state.root, _mm256_fmadd_ps(state.root, newton, inverse_alpha), base);
    const __m256 weight = _mm256_div_ps(_mm256_xor_ps(shrunk, sign), denominator);
    return _mm256_and_ps(weight, _mm256_cmp_ps(magnitude, l1, _CMP_GT_OQ));
  }

  // ApplyFtrl, with the weight that was the prediction's.
  State Apply(State state, __m256 weight, __m256 step, __m256 added) const {
    const __m256 root = _mm256_sqrt_ps(_mm256_fmadd_ps(state.root, state.root, added));
    const __m256 slope = _mm256_fmadd_ps(newton, _mm256_add_ps(root, state.root), inverse_alpha);
    const __m256 sigma = _mm256_mul_ps(_mm256_sub_ps(root, state.root), slope);
    return {_mm256_fnmadd_ps(sigma, weight, _mm256_add_ps(state.z, step)), root};
  }

  __m256 base;  // FtrlDenominator without history
  __m256 inverse_alpha, newton, l1;
};

// A bit for each feature of a group that is not padding.
inline unsigned FeatureMask(const std::uint32_t* ids) {
  const __m256i padding = _mm256_cmpeq_epi32(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ids)), _mm256_setzero_si256());
  return ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(padding))) & 0xff;
}

// 1 for features, 0 for padding.
inline __m256 OneWhereFeature(const std::uint32_t* ids) {
  const __m256i padding = _mm256_cmpeq_epi32(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ids)), _mm256_setzero_si256());
  return _mm256_andnot_ps(_mm256_castsi256_ps(padding), _mm256_set1_ps(1.0f));
}

inline __m256 GroupValues(const ResolvedRows& rows, std::uint32_t at) {
  return rows.values != nullptr ? _mm256_loadu_ps(rows.values + at)
                                : OneWhereFeature(rows.ids + at);
}

// One feature after the other by a mask of those that are not padding: the dependent steps space
// the prefetches out between the arithmetic of the row being learnt. Eight at once fill the queue
// of outstanding misses and stall it (measured: 140 ns a row of 40 features instead of 83).
template <int kFloats>  // of state a feature
inline void PrefetchRow(const ResolvedRows& rows, std::size_t row, const float* state) {
  if (row >= rows.rows) return;
  for (std::uint32_t at = rows.row_begin[row]; at < rows.row_begin[row + 1]; at += kGroup) {
    for (unsigned features = FeatureMask(rows.ids + at); features != 0; features &= features - 1) {
      const std::uint32_t id = rows.ids[at + static_cast<unsigned>(__builtin_ctz(features))];
      __builtin_prefetch(state + std::size_t{id} * kFloats, 1);
      if (kFloats > 16) __builtin_prefetch(state + std::size_t{id} * kFloats + 16, 1);
    }
  }
}

}  // namespace ps
