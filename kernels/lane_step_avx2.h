// One key under K settings of FTRL at once, as a server's table has it: K weights out of the key's
// entry, and a step of every lane with a gradient of its own. A lane is, to the bit, what WeightOf and
// ApplyGradient make of it alone (tested), but that a step which would leave no finite state is not
// taken: a lane that has gone astray must not take the others' job with it.
//
// The entry is as in ps/table/entry_layout.h: {z_0 .. z_K-1, root_0 .. root_K-1}; weights and
// gradients are K floats. Pure, any thread.
#pragma once

#include <immintrin.h>

#include <array>
#include <limits>

#include "kernels/ftrl_avx2.h"
#include "kernels/lane_learner.h"

namespace ps {

template <int K>
class LaneStep {
 public:
  // K settings.
  explicit LaneStep(LaneSettings lanes)
      : ftrl_{FtrlVector(Settings(lanes, 0)), FtrlVector(Settings(lanes, kParts - 1))} {}

  void Weights(const float* state, float* weights) const {
    for (int part = 0; part < kParts; ++part) {
      const __m256 weight = ftrl_[part].Weight({Load(state + 8 * part), Load(state + K + 8 * part)});
      Store(_mm256_and_ps(weight, IsFinite(weight)), weights + 8 * part);
    }
  }

  void Apply(const float* gradients, float* state) const {
    for (int part = 0; part < kParts; ++part) {
      const FtrlVector::State before{Load(state + 8 * part), Load(state + K + 8 * part)};
      const __m256 gradient = Load(gradients + 8 * part);
      const FtrlVector::State after = ftrl_[part].Apply(before, ftrl_[part].Weight(before), gradient,
                                                        _mm256_mul_ps(gradient, gradient));
      const __m256 usable = _mm256_and_ps(IsFinite(after.z), IsFinite(after.root));
      Store(_mm256_blendv_ps(before.z, after.z, usable), state + 8 * part);
      Store(_mm256_blendv_ps(before.root, after.root, usable), state + K + 8 * part);
    }
  }

 private:
  static constexpr int kParts = K < 8 ? 1 : K / 8;  // vectors

  static std::array<OptimizerParams, 8> Settings(LaneSettings lanes, int part) {
    std::array<OptimizerParams, 8> settings;
    for (int i = 0; i < 8; ++i) settings[i] = lanes[part * 8 + i % K];
    return settings;
  }
  // What a vector has beyond the K lanes is zero.
  static __m256 Load(const float* from) {
    if constexpr (K >= 8) return _mm256_loadu_ps(from);
    if constexpr (K == 4) return _mm256_zextps128_ps256(_mm_loadu_ps(from));
    return _mm256_zextps128_ps256(_mm_castsi128_ps(_mm_loadu_si64(from)));
  }
  static void Store(__m256 values, float* to) {
    if constexpr (K >= 8) {
      _mm256_storeu_ps(to, values);
    } else if constexpr (K == 4) {
      _mm_storeu_ps(to, _mm256_castps256_ps128(values));
    } else {
      _mm_storeu_si64(to, _mm_castps_si128(_mm256_castps256_ps128(values)));
    }
  }
  static __m256 IsFinite(__m256 values) {
    const __m256 magnitude = _mm256_andnot_ps(_mm256_set1_ps(-0.0f), values);
    return _mm256_cmp_ps(magnitude, _mm256_set1_ps(std::numeric_limits<float>::max()), _CMP_LE_OQ);
  }

  const FtrlVector ftrl_[2];  // of the first and the last eight lanes
};

}  // namespace ps
