#include <immintrin.h>

#include <vector>

#include "kernels/ftrl_avx2.h"
#include "kernels/logistic.h"
#include "kernels/row_learner.h"

namespace ps {
namespace {

// State pairs {z, root} of eight features, in an order that Scatter undoes.
inline FtrlVector::State Gather(const float* state, const std::uint32_t* ids) {
  const auto pair = [state, ids](int low, int high) {
    const __m128 first = _mm_castpd_ps(
        _mm_load_sd(reinterpret_cast<const double*>(state + std::size_t{ids[low]} * 2)));
    return _mm_loadh_pi(first,
                        reinterpret_cast<const __m64*>(state + std::size_t{ids[high]} * 2));
  };
  const __m256 a = _mm256_set_m128(pair(4, 5), pair(0, 1));
  const __m256 b = _mm256_set_m128(pair(6, 7), pair(2, 3));
  return {_mm256_shuffle_ps(a, b, 0x88), _mm256_shuffle_ps(a, b, 0xdd)};
}

inline void Scatter(FtrlVector::State both, float* state, const std::uint32_t* ids) {
  const auto store = [state, ids](__m128 pairs, int low, int high) {
    _mm_storel_pi(reinterpret_cast<__m64*>(state + std::size_t{ids[low]} * 2), pairs);
    _mm_storeh_pi(reinterpret_cast<__m64*>(state + std::size_t{ids[high]} * 2), pairs);
  };
  const __m256 a = _mm256_unpacklo_ps(both.z, both.root);
  const __m256 b = _mm256_unpackhi_ps(both.z, both.root);
  store(_mm256_castps256_ps128(a), 0, 1);
  store(_mm256_castps256_ps128(b), 2, 3);
  store(_mm256_extractf128_ps(a, 1), 4, 5);
  store(_mm256_extractf128_ps(b, 1), 6, 7);
}

inline float Fold(__m256 partial) {
  const __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(partial), _mm256_extractf128_ps(partial, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// What the prediction of a group leaves for its update.
struct Remembered {
  FtrlVector::State state;
  __m256 weight, value;
};

void FtrlMargins(const OptimizerParams& params, const ResolvedRows& rows, const float* state,
                 float* margins) {
  const FtrlVector ftrl(params);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    PrefetchRow<2>(rows, r + kRowsAhead, state);
    __m256 partial = _mm256_setzero_ps();
    for (std::uint32_t at = rows.row_begin[r]; at < rows.row_begin[r + 1]; at += kGroup) {
      const __m256 weight = ftrl.Weight(Gather(state, rows.ids + at));
      partial = _mm256_fmadd_ps(weight, GroupValues(rows, at), partial);
    }
    margins[r] = Fold(partial);
  }
}

void LearnFtrl(const OptimizerParams& params, const ResolvedRows& rows, float* state,
               float* margins) {
  const FtrlVector ftrl(params);
  std::vector<Remembered> remembered(8);
  const std::uint32_t* begin = rows.row_begin;
  for (std::size_t r = 0; r < rows.rows; ++r) {
    PrefetchRow<2>(rows, r + kRowsAhead, state);
    const std::size_t groups = (begin[r + 1] - begin[r]) / kGroup;
    if (groups > remembered.size()) remembered.resize(groups);
    const std::uint32_t* ids = rows.ids + begin[r];
    __m256 partial = _mm256_setzero_ps();
    for (std::size_t g = 0; g < groups; ++g) {
      Remembered& kept = remembered[g];
      kept.state = Gather(state, ids + g * kGroup);
      kept.weight = ftrl.Weight(kept.state);
      kept.value = GroupValues(rows, begin[r] + g * kGroup);
      partial = _mm256_fmadd_ps(kept.weight, kept.value, partial);
    }
    margins[r] = Fold(partial);
    const float weight = rows.weights != nullptr ? rows.weights[r] : 1.0f;
    const float probability = Logistic(margins[r]);
    const float row_gradient = (probability - rows.labels[r]) * weight;
    const __m256 gradient = _mm256_set1_ps(row_gradient);
    const __m256 curvature = _mm256_set1_ps(RowCurvature(probability, weight, row_gradient));
    for (std::size_t g = 0; g < groups; ++g) {
      const Remembered& kept = remembered[g];
      const __m256 step = _mm256_mul_ps(gradient, kept.value);
      const __m256 added = _mm256_mul_ps(curvature, _mm256_mul_ps(kept.value, kept.value));
      Scatter(ftrl.Apply(kept.state, kept.weight, step, added), state, ids + g * kGroup);
    }
  }
}

}  // namespace

void RowMargins(const OptimizerParams& params, const ResolvedRows& rows, const float* state,
                float* margins) {
  if (params.type == Optimizer::kFtrl) {
    FtrlMargins(params, rows, state, margins);
  } else {
    RowMarginsPlain(params, rows, state, margins);
  }
}

void LearnRows(const OptimizerParams& params, const ResolvedRows& rows, float* state,
               float* margins) {
  if (params.type == Optimizer::kFtrl) {
    LearnFtrl(params, rows, state, margins);
  } else {
    LearnRowsPlain(params, rows, state, margins);
  }
}

}  // namespace ps
