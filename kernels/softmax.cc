#include "kernels/softmax.h"

#include <immintrin.h>

#include "kernels/exp_float_avx2.h"
#include "kernels/softmax_of_row.h"

namespace ps {
namespace {

__m256 ExpBelow8(__m256 margin, __m256 largest) {
  // The limit is the second operand: it is taken where there is no number, as in the plain code.
  return ExpNegative8(_mm256_max_ps(_mm256_sub_ps(margin, largest), _mm256_set1_ps(ExpFloat::kLowest)));
}

}  // namespace

void FindSoftmaxNormsPlain(const float* margins, std::size_t stride, std::size_t classes, std::size_t count,
                           float* largest_of, float* inverse_of) {
  for (std::size_t i = 0; i < count; ++i)
    SoftmaxNormsOfRow(margins + i, stride, classes, largest_of + i, inverse_of + i);
}

void FindSoftmaxNorms(const float* margins, std::size_t stride, std::size_t classes, std::size_t count,
                      float* largest_of, float* inverse_of) {
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    __m256 largest = _mm256_loadu_ps(margins + i), sum = _mm256_setzero_ps();
    for (std::size_t c = 1; c < classes; ++c) largest = _mm256_max_ps(_mm256_loadu_ps(margins + c * stride + i), largest);
    for (std::size_t c = 0; c < classes; ++c)
      sum = _mm256_add_ps(sum, ExpBelow8(_mm256_loadu_ps(margins + c * stride + i), largest));
    _mm256_storeu_ps(largest_of + i, largest);
    _mm256_storeu_ps(inverse_of + i, _mm256_div_ps(_mm256_set1_ps(1.0f), sum));
  }
  FindSoftmaxNormsPlain(margins + i, stride, classes, count - i, largest_of + i, inverse_of + i);
}

void SoftmaxGradientsPlain(const SoftmaxClass& of, const float* labels, const float* weights, std::size_t count,
                           float* gradient, float* hessian) {
  for (std::size_t i = 0; i < count; ++i) {
    SoftmaxOfRow(of.margins[i], of.largest[i], of.inverse[i], labels[i] == of.number,
                 weights == nullptr ? 1.0f : weights[i], gradient + i, hessian + i);
  }
}

void SoftmaxGradients(const SoftmaxClass& of, const float* labels, const float* weights, std::size_t count,
                      float* gradient, float* hessian) {
  const __m256 one = _mm256_set1_ps(1.0f), number = _mm256_set1_ps(of.number);
  std::size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 e = ExpBelow8(_mm256_loadu_ps(of.margins + i), _mm256_loadu_ps(of.largest + i));
    const __m256 p = _mm256_mul_ps(e, _mm256_loadu_ps(of.inverse + i));
    const __m256 weight = weights == nullptr ? one : _mm256_loadu_ps(weights + i);
    const __m256 label = _mm256_and_ps(_mm256_cmp_ps(_mm256_loadu_ps(labels + i), number, _CMP_EQ_OQ), one);
    _mm256_storeu_ps(gradient + i, _mm256_mul_ps(weight, _mm256_sub_ps(p, label)));
    _mm256_storeu_ps(hessian + i,
                     _mm256_mul_ps(weight, _mm256_mul_ps(_mm256_add_ps(p, p), _mm256_sub_ps(one, p))));
  }
  SoftmaxGradientsPlain({of.margins + i, of.largest + i, of.inverse + i, of.number}, labels + i,
                        weights == nullptr ? nullptr : weights + i, count - i, gradient + i, hessian + i);
}

}  // namespace ps
