// The gradient of one row and its quantisation: the definition, for the plain kernels of host and
// device. Pure, any thread.
#pragma once

#include <math.h>

#include <cmath>
#include <cstdint>

#include "kernels/exp_float.h"
#include "kernels/gradients.h"
#include "kernels/host_device.h"

namespace ps {

// With e = e^-|m|: p = 1 / (1 + e) for m >= 0, e / (1 + e) below; p (1 - p) = e / (1 + e)².
PS_HOST_DEVICE inline void LogisticOfRow(float margin, float label, float weight, float* gradient,
                                         float* hessian) {
  const float magnitude = -fabsf(margin);
  const float e = ExpNegative(magnitude > ExpFloat::kLowest ? magnitude : ExpFloat::kLowest);
  const float inverse = 1.0f / (1.0f + e);
  const float small = e * inverse;
  const float p = margin < 0 ? small : inverse;
  *gradient = weight * (p - label);
  *hessian = weight * (small * inverse);
}

inline constexpr float kSixteenBits = 1.0f / 65536;  // as a fraction of 1

PS_HOST_DEVICE inline std::uint32_t PackedOfRow(const Quantisation& q, float gradient,
                                                float hessian, std::uint64_t global_row) {
  const std::uint32_t bits = RowBits(q.key, global_row);
  const float up_g = static_cast<float>(bits & 0xffff) * kSixteenBits;
  const float up_h = static_cast<float>(bits >> 16) * kSixteenBits;
  const float g = floorf(fmaf(gradient, q.gradient_steps, up_g));
  const float h = floorf(fmaf(hessian, q.hessian_steps, up_h));
  return PackGradient(static_cast<std::int32_t>(g), static_cast<std::uint32_t>(h));
}

PS_HOST_DEVICE inline FixedGradient FixedOfRow(const Quantisation& q, float gradient,
                                               float hessian) {
  return {static_cast<std::int32_t>(rintf(gradient * q.gradient_fixed)),
          static_cast<std::int32_t>(rintf(hessian * q.hessian_fixed))};
}

}  // namespace ps
