#include <immintrin.h>

#include <array>
#include <vector>

#include "kernels/exp_float_avx2.h"
#include "kernels/ftrl_avx2.h"
#include "kernels/lane_learner.h"
#include "kernels/logistic.h"

namespace ps {
namespace {

// A group of eight features under K lanes is K vectors of eight numbers, feature by feature, the
// lanes of a feature side by side. With 16 lanes a vector is half a feature; with 2 it is four.
template <int K>
struct Shape {
  static constexpr int kFeatures = K < 8 ? 8 / K : 1;  // of a vector
  static constexpr int kParts = K < 8 ? 1 : K / 8;     // vectors of a feature
  static int FirstFeature(int vector) { return K < 8 ? vector * kFeatures : vector / kParts; }
};

template <int K>
FtrlVector::State Load(const float* state, const std::uint32_t* ids, int vector) {
  const auto entry = [&](int i) {
    return state + std::size_t{ids[Shape<K>::FirstFeature(vector) + i]} * (2 * K);
  };
  if constexpr (K >= 8) {
    const float* const from = entry(0) + vector % Shape<K>::kParts * 8;
    return {_mm256_loadu_ps(from), _mm256_loadu_ps(from + K)};
  } else if constexpr (K == 4) {
    const __m256 a = _mm256_loadu_ps(entry(0)), b = _mm256_loadu_ps(entry(1));
    return {_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31)};
  } else {
    const __m256d a = _mm256_castps_pd(_mm256_loadu2_m128(entry(2), entry(0)));
    const __m256d b = _mm256_castps_pd(_mm256_loadu2_m128(entry(3), entry(1)));
    return {_mm256_castpd_ps(_mm256_unpacklo_pd(a, b)), _mm256_castpd_ps(_mm256_unpackhi_pd(a, b))};
  }
}

template <int K>
void Store(FtrlVector::State both, float* state, const std::uint32_t* ids, int vector) {
  const auto entry = [&](int i) {
    return state + std::size_t{ids[Shape<K>::FirstFeature(vector) + i]} * (2 * K);
  };
  if constexpr (K >= 8) {
    float* const to = entry(0) + vector % Shape<K>::kParts * 8;
    _mm256_storeu_ps(to, both.z);
    _mm256_storeu_ps(to + K, both.root);
  } else if constexpr (K == 4) {
    _mm256_storeu_ps(entry(0), _mm256_permute2f128_ps(both.z, both.root, 0x20));
    _mm256_storeu_ps(entry(1), _mm256_permute2f128_ps(both.z, both.root, 0x31));
  } else {
    const __m256d z = _mm256_castps_pd(both.z), root = _mm256_castps_pd(both.root);
    _mm256_storeu2_m128(entry(2), entry(0), _mm256_castpd_ps(_mm256_unpacklo_pd(z, root)));
    _mm256_storeu2_m128(entry(3), entry(1), _mm256_castpd_ps(_mm256_unpackhi_pd(z, root)));
  }
}

// The values of a vector's features, each beside all its lanes.
template <int K>
__m256 Spread(__m256 group_values, int vector) {
  const int first = Shape<K>::FirstFeature(vector);
  if constexpr (K >= 8) {
    return _mm256_permutevar8x32_ps(group_values, _mm256_set1_epi32(first));
  } else {
    const __m256i within = K == 4 ? _mm256_setr_epi32(0, 0, 0, 0, 1, 1, 1, 1)
                                  : _mm256_setr_epi32(0, 0, 1, 1, 2, 2, 3, 3);
    return _mm256_permutevar8x32_ps(group_values,
                                    _mm256_add_epi32(within, _mm256_set1_epi32(first)));
  }
}

// DeterministicExp of four.
inline __m256d Exp4(__m256d x) {
  const auto set = [](double value) { return _mm256_set1_pd(value); };
  const __m256d round = set(6755399441055744.0);
  const __m256d shifted = _mm256_fmadd_pd(x, set(1.4426950408889634074), round);
  const __m256d r = _mm256_fmadd_pd(_mm256_sub_pd(shifted, round), set(-0.69314718055994530942), x);
  const __m256d r2 = _mm256_mul_pd(r, r);
  const __m256d r4 = _mm256_mul_pd(r2, r2);
  const __m256d low = _mm256_fmadd_pd(r2, _mm256_fmadd_pd(r, set(1.0 / 6), set(1.0 / 2)),
                                      _mm256_add_pd(set(1.0), r));
  const __m256d high = _mm256_fmadd_pd(r2, _mm256_fmadd_pd(r, set(1.0 / 5040), set(1.0 / 720)),
                                       _mm256_fmadd_pd(r, set(1.0 / 120), set(1.0 / 24)));
  // The low bits of `shifted` are the rounded number; what is above them leaves in the shift.
  const __m256d power = _mm256_castsi256_pd(_mm256_slli_epi64(
      _mm256_add_epi64(_mm256_castpd_si256(shifted), _mm256_set1_epi64x(1023)), 52));
  const __m256d sum = _mm256_fmadd_pd(r4, _mm256_fmadd_pd(r4, set(1.0 / 40320), high), low);
  return _mm256_mul_pd(sum, power);
}

// Logistic of four.
inline __m128 Logistic4(__m128 margins) {
  const __m256d one = _mm256_set1_pd(1.0), margin = _mm256_cvtps_pd(margins);
  const __m256d x =
      _mm256_max_pd(_mm256_min_pd(margin, _mm256_set1_pd(40.0)), _mm256_set1_pd(-40.0));
  const __m256d e = Exp4(_mm256_xor_pd(x, _mm256_set1_pd(-0.0)));
  const __m128 p = _mm256_cvtpd_ps(_mm256_div_pd(one, _mm256_add_pd(one, e)));
  return _mm_blendv_ps(p, margins, _mm_cmpunord_ps(margins, margins));
}

inline __m256 Logistic8(__m256 margins) {
  return _mm256_set_m128(Logistic4(_mm256_extractf128_ps(margins, 1)),
                         Logistic4(_mm256_castps256_ps128(margins)));
}

// Eight partial sums of K lanes, folded in halves as row_learner.h says.
template <int K>
void FoldLanes(const __m256 (&partial)[K], float* margins) {
  alignas(32) float sums[8 * K];
  for (int v = 0; v < K; ++v) _mm256_store_ps(sums + 8 * v, partial[v]);
  for (int k = 0; k < K; ++k) {
    const float a = sums[k] + sums[4 * K + k], b = sums[K + k] + sums[5 * K + k];
    const float c = sums[2 * K + k] + sums[6 * K + k], d = sums[3 * K + k] + sums[7 * K + k];
    margins[k] = (a + c) + (b + d);
  }
}

// What the prediction of a vector leaves for its update.
struct RememberedLanes {
  FtrlVector::State state;
  __m256 weight;
};

template <int K>
class LaneLearner {
 public:
  explicit LaneLearner(LaneSettings lanes)
      : ftrl_{FtrlVector(Settings(lanes, 0)), FtrlVector(Settings(lanes, Shape<K>::kParts - 1))} {}

  void Learn(const ResolvedRows& rows, float* state, float* margins) {
    for (std::size_t r = 0; r < rows.rows; ++r, margins += K) {
      PrefetchRow<2 * K>(rows, r + kRowsAhead, state);
      PredictRow<true>(rows, r, state, margins);
      UpdateRow(rows, r, margins, state);
    }
  }

  void Margins(const ResolvedRows& rows, const float* state, float* margins) {
    for (std::size_t r = 0; r < rows.rows; ++r, margins += K) {
      PrefetchRow<2 * K>(rows, r + kRowsAhead, state);
      PredictRow<false>(rows, r, state, margins);
    }
  }

 private:
  static std::array<OptimizerParams, 8> Settings(LaneSettings lanes, int part) {
    std::array<OptimizerParams, 8> settings;
    for (int i = 0; i < 8; ++i) settings[i] = lanes[part * 8 + i % K];
    return settings;
  }
  static int Part(int vector) { return vector % Shape<K>::kParts; }
  // Padding adds nothing: where a vector is of one feature, it is left out.
  static bool IsPadding(unsigned features, int vector) {
    return K >= 8 && (features >> Shape<K>::FirstFeature(vector) & 1) == 0;
  }

  template <bool kRemember>
  void PredictRow(const ResolvedRows& rows, std::size_t r, const float* state, float* margins) {
    const std::uint32_t begin = rows.row_begin[r], end = rows.row_begin[r + 1];
    if (kRemember && remembered_.size() < std::size_t{end - begin} / 8 * K) {
      remembered_.resize(std::size_t{end - begin} / 8 * K);
    }
    __m256 partial[K];
    for (__m256& sum : partial) sum = _mm256_setzero_ps();
    RememberedLanes* kept = remembered_.data();
    for (std::uint32_t at = begin; at < end; at += kGroup, kept += K) {
      const __m256 values = GroupValues(rows, at);
      const unsigned features = FeatureMask(rows.ids + at);
#pragma GCC unroll 16
      for (int v = 0; v < K; ++v) {
        if (IsPadding(features, v)) continue;
        const FtrlVector::State both = Load<K>(state, rows.ids + at, v);
        const __m256 weight = ftrl_[Part(v)].Weight(both);
        partial[v] = _mm256_fmadd_ps(weight, Spread<K>(values, v), partial[v]);
        if (kRemember) kept[v] = {both, weight};
      }
    }
    FoldLanes<K>(partial, margins);
  }

  void UpdateRow(const ResolvedRows& rows, std::size_t r, const float* margins, float* state) {
    const float weight = rows.weights != nullptr ? rows.weights[r] : 1.0f;
    __m256 gradient[Shape<K>::kParts], curvature[Shape<K>::kParts];
    for (int part = 0; part < Shape<K>::kParts; ++part) {
      alignas(32) float lanes[8];
      for (int i = 0; i < 8; ++i) lanes[i] = margins[part * 8 + i % K];
      const __m256 p = Logistic8(_mm256_load_ps(lanes)), w = _mm256_set1_ps(weight);
      const __m256 g = _mm256_mul_ps(_mm256_sub_ps(p, _mm256_set1_ps(rows.labels[r])), w);
      // RowCurvature.
      const __m256 expected =
          _mm256_mul_ps(_mm256_mul_ps(p, _mm256_sub_ps(_mm256_set1_ps(1.0f), p)), w);
      const __m256 least = _mm256_mul_ps(_mm256_mul_ps(g, g), _mm256_set1_ps(0.125f));
      gradient[part] = g;
      curvature[part] = _mm256_max_ps(expected, least);
    }
    const RememberedLanes* kept = remembered_.data();
    for (std::uint32_t at = rows.row_begin[r]; at < rows.row_begin[r + 1];
         at += kGroup, kept += K) {
      const __m256 values = GroupValues(rows, at);
      const unsigned features = FeatureMask(rows.ids + at);
#pragma GCC unroll 16
      for (int v = 0; v < K; ++v) {
        if (IsPadding(features, v)) continue;
        const __m256 value = Spread<K>(values, v);
        const __m256 step = _mm256_mul_ps(gradient[Part(v)], value);
        const __m256 added = _mm256_mul_ps(curvature[Part(v)], _mm256_mul_ps(value, value));
        Store<K>(ftrl_[Part(v)].Apply(kept[v].state, kept[v].weight, step, added), state,
                 rows.ids + at, v);
      }
    }
  }

  const FtrlVector ftrl_[2];  // of the first and the last eight lanes
  std::vector<RememberedLanes> remembered_;
};

}  // namespace

void LearnRowLanes(LaneSettings lanes, const ResolvedRows& rows, float* state, float* margins) {
  switch (lanes.size()) {
    case 1:
      return LearnRows(lanes[0], rows, state, margins);
    case 2:
      return LaneLearner<2>(lanes).Learn(rows, state, margins);
    case 4:
      return LaneLearner<4>(lanes).Learn(rows, state, margins);
    case 8:
      return LaneLearner<8>(lanes).Learn(rows, state, margins);
    default:
      return LaneLearner<16>(lanes).Learn(rows, state, margins);
  }
}

void RowLaneMargins(LaneSettings lanes, const ResolvedRows& rows, const float* state,
                    float* margins) {
  switch (lanes.size()) {
    case 1:
      return RowMargins(lanes[0], rows, state, margins);
    case 2:
      return LaneLearner<2>(lanes).Margins(rows, state, margins);
    case 4:
      return LaneLearner<4>(lanes).Margins(rows, state, margins);
    case 8:
      return LaneLearner<8>(lanes).Margins(rows, state, margins);
    default:
      return LaneLearner<16>(lanes).Margins(rows, state, margins);
  }
}

void LaneLosses(const float* margins, const float* labels, std::size_t rows, int lanes,
                float* losses) {
  const __m256 sign = _mm256_set1_ps(-0.0f), lowest = _mm256_set1_ps(ExpFloat::kLowest);
  const std::size_t count = rows * lanes;
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 margin = _mm256_loadu_ps(margins + i);
    __m256 label;
    if (lanes >= 8) {
      label = _mm256_set1_ps(labels[i / lanes]);
    } else {
      alignas(32) float each[8];
      for (std::size_t j = 0; j < 8; ++j) each[j] = labels[(i + j) / lanes];
      label = _mm256_load_ps(each);
    }
    const __m256 e = ExpNegative8(_mm256_max_ps(_mm256_or_ps(margin, sign), lowest));
    const __m256 above = _mm256_max_ps(_mm256_setzero_ps(), margin);
    const __m256 linear = _mm256_sub_ps(above, _mm256_mul_ps(label, margin));
    _mm256_storeu_ps(losses + i, _mm256_add_ps(linear, Log1pFloat8(e)));
  }
  // Whole rows may be left, or one that was begun.
  for (; i < count; ++i) LaneLossesPlain(margins + i, labels + i / lanes, 1, 1, losses + i);
}

}  // namespace ps
