// The softmax of one row: the definition, for the plain kernels of host and device. Pure, any thread.
#pragma once

#include <cstddef>

#include "kernels/exp_float.h"
#include "kernels/host_device.h"

namespace ps {

// e^(margin - largest); a margin that is not a number counts nothing, as do those far below.
PS_HOST_DEVICE inline float ExpBelow(float margin, float largest) {
  const float x = margin - largest;
  return ExpNegative(x > ExpFloat::kLowest ? x : ExpFloat::kLowest);
}

// The row's margins are `stride` apart. Classes are summed in their order.
PS_HOST_DEVICE inline void SoftmaxNormsOfRow(const float* margins, std::size_t stride,
                                             std::size_t classes, float* largest_of,
                                             float* inverse_of) {
  float largest = margins[0], sum = 0;
  for (std::size_t c = 1; c < classes; ++c) {
    const float margin = margins[c * stride];
    largest = margin > largest ? margin : largest;
  }
  for (std::size_t c = 0; c < classes; ++c) sum += ExpBelow(margins[c * stride], largest);
  *largest_of = largest;
  *inverse_of = 1.0f / sum;
}

// Of the class that the margin is of, as SoftmaxGradients (softmax.h).
PS_HOST_DEVICE inline void SoftmaxOfRow(float margin, float largest, float inverse, bool is_of_class,
                                        float weight, float* gradient, float* hessian) {
  const float p = ExpBelow(margin, largest) * inverse;
  *gradient = weight * (p - (is_of_class ? 1.0f : 0.0f));
  *hessian = weight * ((p + p) * (1.0f - p));
}

}  // namespace ps
