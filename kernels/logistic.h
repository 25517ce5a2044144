// The logistic function without libm: the same bits on every machine and for every vector width, which
// reproducible training needs, and a short chain of dependent operations, because learning row by row waits for it.
// Relative error below 1e-9, before rounding to float. Pure, any thread.
#pragma once

#include <math.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"

namespace ps {

// e^x for x in [-40, 40]: x = k ln 2 + r, |r| <= ln 2 / 2, and the Taylor series of degree 8 in r, summed by
// Estrin's scheme.
PS_HOST_DEVICE inline double DeterministicExp(double x) {
  constexpr double kLog2E = 1.4426950408889634074, kLn2 = 0.69314718055994530942;
  // Adding 1.5 * 2^52 rounds to the nearest integer in the default rounding mode.
  constexpr double kRound = 6755399441055744.0;
  const double k = fma(x, kLog2E, kRound) - kRound;
  const double r = fma(k, -kLn2, x);
  const double r2 = r * r;
  const double r4 = r2 * r2;
  const double low = fma(r2, fma(r, 1.0 / 6, 1.0 / 2), 1.0 + r);
  const double high = fma(r2, fma(r, 1.0 / 5040, 1.0 / 720), fma(r, 1.0 / 120, 1.0 / 24));
  const double power = std::bit_cast<double>((static_cast<std::int64_t>(k) + 1023) << 52);
  return fma(r4, fma(r4, 1.0 / 40320, high), low) * power;
}

// 1 / (1 + e^-margin). NaN stays NaN.
PS_HOST_DEVICE inline float Logistic(float margin) {
  double x = margin;
  if (x > 40.0) x = 40.0;
  if (x < -40.0) x = -40.0;
  if (!(x == x)) return margin;
  return static_cast<float>(1.0 / (1.0 + DeterministicExp(-x)));
}

}  // namespace ps
