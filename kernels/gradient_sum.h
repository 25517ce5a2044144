// The sum of a feature's gradients over a batch as two integers, so that the order in which rows are
// added does not show: the definition for the kernels of host and device. Pure, any thread.
#pragma once

#include <float.h>
#include <math.h>

#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/host_device.h"

namespace ps {

// Counts units and, apart, parts of a unit. Both are exact but for what is below 2^-90 of the largest
// gradient.
struct GradientSum {
  std::int64_t high = 0, low = 0;
};

struct SumScale {
  double per_unit = 1;     // units in a gradient of 1: a power of two
  double parts = 1;        // of a unit: a power of two
};

// For sums of at most `rows` gradients, none beyond `bound`.
inline SumScale ScaleOfGradients(float bound, std::size_t rows) {
  const int rows_bits = std::bit_width(rows);
  int exponent = 0;  // bound < 2^exponent
  frexpf(bound <= FLT_MAX ? bound : FLT_MAX, &exponent);
  return {ldexp(1.0, 62 - rows_bits - exponent), ldexp(1.0, 62 - rows_bits)};
}

// What a gradient adds: nothing where it is not finite.
PS_HOST_DEVICE inline GradientSum PartsOfGradient(float gradient, const SumScale& scale) {
  if (!(fabsf(gradient) <= FLT_MAX)) return {};
  const double units = gradient * scale.per_unit;
  const auto high = static_cast<std::int64_t>(units);
  // Exact: where a float has a fraction, it has less than 2^24 in front of it.
  const double fraction = units - static_cast<double>(high);
  return {high, static_cast<std::int64_t>(fraction * scale.parts)};
}

PS_HOST_DEVICE inline float GradientOf(const GradientSum& sum, const SumScale& scale) {
  const double units = static_cast<double>(sum.high) + static_cast<double>(sum.low) / scale.parts;
  return static_cast<float>(units / scale.per_unit);
}

}  // namespace ps
