#include "kernels/gradients.h"

#include <immintrin.h>

#include <cmath>

#include "kernels/exp_float_avx2.h"
#include "kernels/gradient_of_row.h"

namespace ps {
void LogisticGradientsPlain(const float* margins, const float* labels, const float* weights,
                            std::size_t count, float* gradient, float* hessian) {
  for (std::size_t i = 0; i < count; ++i) {
    LogisticOfRow(margins[i], labels[i], weights == nullptr ? 1.0f : weights[i], gradient + i,
                  hessian + i);
  }
}

void LogisticGradients(const float* margins, const float* labels, const float* weights,
                       std::size_t count, float* gradient, float* hessian) {
  const __m256 one = _mm256_set1_ps(1.0f), sign = _mm256_set1_ps(-0.0f);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 margin = _mm256_loadu_ps(margins + i);
    const __m256 weight = weights == nullptr ? one : _mm256_loadu_ps(weights + i);
    // max with the limit as second operand: it is taken where the margin is not a number, as in the
    // plain code.
    const __m256 e =
        ExpNegative8(_mm256_max_ps(_mm256_or_ps(margin, sign), _mm256_set1_ps(ExpFloat::kLowest)));
    const __m256 inverse = _mm256_div_ps(one, _mm256_add_ps(one, e));
    const __m256 small = _mm256_mul_ps(e, inverse);
    const __m256 negative = _mm256_cmp_ps(margin, _mm256_setzero_ps(), _CMP_LT_OQ);
    const __m256 p = _mm256_blendv_ps(inverse, small, negative);
    _mm256_storeu_ps(gradient + i,
                     _mm256_mul_ps(weight, _mm256_sub_ps(p, _mm256_loadu_ps(labels + i))));
    _mm256_storeu_ps(hessian + i, _mm256_mul_ps(weight, _mm256_mul_ps(small, inverse)));
  }
  LogisticGradientsPlain(margins + i, labels + i, weights == nullptr ? nullptr : weights + i,
                         count - i, gradient + i, hessian + i);
}

void SquaredGradients(const float* margins, const float* labels, const float* weights,
                      std::size_t count, float* gradient, float* hessian) {
  for (std::size_t i = 0; i < count; ++i) {
    const float weight = weights == nullptr ? 1.0f : weights[i];
    gradient[i] = weight * (margins[i] - labels[i]);
    hessian[i] = weight;
  }
}

void QuantiseGradientsPlain(const Quantisation& q, const float* gradient, const float* hessian,
                            std::size_t count, std::uint32_t first_row, std::uint64_t first_global,
                            RowGradient* rows, FixedGradient* fixed) {
  for (std::size_t i = 0; i < count; ++i) {
    rows[i].row = first_row + static_cast<std::uint32_t>(i);
    rows[i].packed = PackedOfRow(q, gradient[i], hessian[i], first_global + i);
    fixed[i] = FixedOfRow(q, gradient[i], hessian[i]);
  }
}

void QuantiseGradients(const Quantisation& q, const float* gradient, const float* hessian,
                       std::size_t count, std::uint32_t first_row, std::uint64_t first_global,
                       RowGradient* rows, FixedGradient* fixed) {
  const auto mixed = [&](std::uint64_t global) {
    const __m256i lanes = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(global)),
                                           _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    __m256i x = _mm256_add_epi32(
        _mm256_xor_si256(lanes, _mm256_set1_epi32(static_cast<int>(q.key))),
        _mm256_set1_epi32(
            static_cast<int>(static_cast<std::uint32_t>(global >> 32) * 0x9e3779b9u)));
    x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 16)),
                           _mm256_set1_epi32(static_cast<int>(0x85ebca6bu)));
    x = _mm256_mullo_epi32(_mm256_xor_si256(x, _mm256_srli_epi32(x, 13)),
                           _mm256_set1_epi32(static_cast<int>(0xc2b2ae35u)));
    return _mm256_xor_si256(x, _mm256_srli_epi32(x, 16));
  };
  const auto interleave = [](__m256i a, __m256i b, void* out) {
    const __m256i low = _mm256_unpacklo_epi32(a, b), high = _mm256_unpackhi_epi32(a, b);
    auto* const to = static_cast<__m256i*>(out);
    _mm256_storeu_si256(to, _mm256_permute2x128_si256(low, high, 0x20));
    _mm256_storeu_si256(to + 1, _mm256_permute2x128_si256(low, high, 0x31));
  };
  const __m256 unit = _mm256_set1_ps(kSixteenBits);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const std::uint64_t global = first_global + i;
    if ((global ^ (global + 7)) >> 32 != 0) break;  // the plain way over the end of 2^32 rows
    const __m256i bits = mixed(global);
    const __m256 gradients = _mm256_loadu_ps(gradient + i), hessians = _mm256_loadu_ps(hessian + i);
    const __m256 up_g =
        _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_and_si256(bits, _mm256_set1_epi32(0xffff))), unit);
    const __m256 up_h = _mm256_mul_ps(_mm256_cvtepi32_ps(_mm256_srli_epi32(bits, 16)), unit);
    const __m256i g = _mm256_cvttps_epi32(
        _mm256_floor_ps(_mm256_fmadd_ps(gradients, _mm256_set1_ps(q.gradient_steps), up_g)));
    const __m256i h = _mm256_cvttps_epi32(
        _mm256_floor_ps(_mm256_fmadd_ps(hessians, _mm256_set1_ps(q.hessian_steps), up_h)));
    const __m256i row = _mm256_add_epi32(_mm256_set1_epi32(static_cast<int>(first_row + i)),
                                         _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
    interleave(row, _mm256_add_epi32(_mm256_slli_epi32(h, 16), g), rows + i);
    interleave(_mm256_cvtps_epi32(_mm256_mul_ps(gradients, _mm256_set1_ps(q.gradient_fixed))),
               _mm256_cvtps_epi32(_mm256_mul_ps(hessians, _mm256_set1_ps(q.hessian_fixed))),
               fixed + i);
  }
  QuantiseGradientsPlain(q, gradient + i, hessian + i, count - i,
                         first_row + static_cast<std::uint32_t>(i), first_global + i, rows + i,
                         fixed + i);
}

}  // namespace ps
