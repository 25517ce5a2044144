#include <immintrin.h>

#include <vector>

#include "kernels/logistic.h"
#include "kernels/row_learner.h"

namespace ps {
namespace {

// Rows between prefetching a row's state and learning it: about the latency of a miss.
constexpr std::size_t kRowsAhead = 4;

struct Lanes {
  __m256 z, root;
};

// State pairs {z, root} of eight features, in an order that Scatter undoes.
inline Lanes Gather(const float* state, const std::uint32_t* ids) {
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

inline void Scatter(Lanes lanes, float* state, const std::uint32_t* ids) {
  const auto store = [state, ids](__m128 both, int low, int high) {
    _mm_storel_pi(reinterpret_cast<__m64*>(state + std::size_t{ids[low]} * 2), both);
    _mm_storeh_pi(reinterpret_cast<__m64*>(state + std::size_t{ids[high]} * 2), both);
  };
  const __m256 a = _mm256_unpacklo_ps(lanes.z, lanes.root);
  const __m256 b = _mm256_unpackhi_ps(lanes.z, lanes.root);
  store(_mm256_castps256_ps128(a), 0, 1);
  store(_mm256_castps256_ps128(b), 2, 3);
  store(_mm256_extractf128_ps(a, 1), 4, 5);
  store(_mm256_extractf128_ps(b, 1), 6, 7);
}

struct FtrlVector {
  explicit FtrlVector(const OptimizerParams& p)
      : base(_mm256_set1_ps(FtrlDenominator(p, 0))),
        inverse_alpha(_mm256_set1_ps(1.0f / p.alpha)),
        newton(_mm256_set1_ps(p.newton)),
        l1(_mm256_set1_ps(p.l1)) {}

  // FtrlWeight of eight features.
  __m256 Weight(__m256 z, __m256 root) const {
    const __m256 sign = _mm256_set1_ps(-0.0f);
    const __m256 magnitude = _mm256_andnot_ps(sign, z);
    const __m256 shrunk = _mm256_sub_ps(z, _mm256_or_ps(_mm256_and_ps(sign, z), l1));
    const __m256 denominator =
        _mm256_fmadd_ps(root, _mm256_fmadd_ps(root, newton, inverse_alpha), base);
    const __m256 weight = _mm256_div_ps(_mm256_xor_ps(shrunk, sign), denominator);
    return _mm256_and_ps(weight, _mm256_cmp_ps(magnitude, l1, _CMP_GT_OQ));
  }

  __m256 base;  // FtrlDenominator without history
  __m256 inverse_alpha, newton, l1;
};

inline float Fold(__m256 partial) {
  const __m128 four =
      _mm_add_ps(_mm256_castps256_ps128(partial), _mm256_extractf128_ps(partial, 1));
  const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
  return _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps(two, two, 1)));
}

// 1 for features, 0 for padding.
inline __m256 OneWhereFeature(const std::uint32_t* ids) {
  const __m256i padding = _mm256_cmpeq_epi32(
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(ids)), _mm256_setzero_si256());
  return _mm256_andnot_ps(_mm256_castsi256_ps(padding), _mm256_set1_ps(1.0f));
}

// What the prediction of a group leaves for its update.
struct Remembered {
  Lanes lanes;
  __m256 weight, value;
};

// One feature after the other by a mask of those that are not padding: the dependent steps space the prefetches
// out between the arithmetic of the row being learnt. Eight at once fill the queue of outstanding misses and stall
// it (measured: 140 ns a row of 40 features instead of 83).
inline void PrefetchRow(const ResolvedRows& rows, std::size_t row, const float* state) {
  if (row >= rows.rows) return;
  for (std::uint32_t at = rows.row_begin[row]; at < rows.row_begin[row + 1]; at += kGroup) {
    const __m256i padding = _mm256_cmpeq_epi32(
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(rows.ids + at)), _mm256_setzero_si256());
    unsigned features = ~static_cast<unsigned>(_mm256_movemask_ps(_mm256_castsi256_ps(padding))) & 0xff;
    for (; features != 0; features &= features - 1) {
      const std::uint32_t id = rows.ids[at + static_cast<unsigned>(__builtin_ctz(features))];
      __builtin_prefetch(state + std::size_t{id} * 2, 1);
    }
  }
}

inline __m256 GroupValues(const ResolvedRows& rows, std::uint32_t at) {
  return rows.values != nullptr ? _mm256_loadu_ps(rows.values + at) : OneWhereFeature(rows.ids + at);
}

void FtrlMargins(const OptimizerParams& params, const ResolvedRows& rows, const float* state,
                 float* margins) {
  const FtrlVector ftrl(params);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    PrefetchRow(rows, r + kRowsAhead, state);
    __m256 partial = _mm256_setzero_ps();
    for (std::uint32_t at = rows.row_begin[r]; at < rows.row_begin[r + 1]; at += kGroup) {
      const Lanes lanes = Gather(state, rows.ids + at);
      const __m256 weight = ftrl.Weight(lanes.z, lanes.root);
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
    PrefetchRow(rows, r + kRowsAhead, state);
    const std::size_t groups = (begin[r + 1] - begin[r]) / kGroup;
    if (groups > remembered.size()) remembered.resize(groups);
    const std::uint32_t* ids = rows.ids + begin[r];
    __m256 partial = _mm256_setzero_ps();
    for (std::size_t g = 0; g < groups; ++g) {
      Remembered& kept = remembered[g];
      kept.lanes = Gather(state, ids + g * kGroup);
      kept.weight = ftrl.Weight(kept.lanes.z, kept.lanes.root);
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
      const __m256 root =
          _mm256_sqrt_ps(_mm256_fmadd_ps(kept.lanes.root, kept.lanes.root, added));
      const __m256 slope = _mm256_fmadd_ps(
          ftrl.newton, _mm256_add_ps(root, kept.lanes.root), ftrl.inverse_alpha);
      const __m256 sigma = _mm256_mul_ps(_mm256_sub_ps(root, kept.lanes.root), slope);
      const __m256 z = _mm256_fnmadd_ps(sigma, kept.weight, _mm256_add_ps(kept.lanes.z, step));
      Scatter({z, root}, state, ids + g * kGroup);
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
