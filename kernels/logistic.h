// The logistic function in plain double arithmetic, without libm: the same bits on every machine and for
// every vector width, which reproducible training needs. Absolute error below 1e-15 before rounding to float.
// Pure, any thread.
#pragma once

#include <bit>
#include <cstdint>

namespace ps {

// e^x for x in [-40, 40]: x = k ln 2 + r, |r| <= ln 2 / 2, and a Taylor series of degree 13 in r.
inline double DeterministicExp(double x) {
  constexpr double kLog2E = 1.4426950408889634074;
  constexpr double kLn2High = 0.693145751953125, kLn2Low = 1.42860682030941723212e-6;
  // Adding 1.5 * 2^52 rounds to the nearest integer in the default rounding mode.
  constexpr double kRound = 6755399441055744.0;
  const double k = (x * kLog2E + kRound) - kRound;
  const double r = (x - k * kLn2High) - k * kLn2Low;
  const double r2 = r * r;
  // Two short chains instead of one long one: half the latency.
  const double even =
      1.0 + r2 * (1.0 / 2 + r2 * (1.0 / 24 + r2 * (1.0 / 720 + r2 * (1.0 / 40320 +
      r2 * (1.0 / 3628800 + r2 * (1.0 / 479001600))))));
  const double odd =
      1.0 + r2 * (1.0 / 6 + r2 * (1.0 / 120 + r2 * (1.0 / 5040 + r2 * (1.0 / 362880 +
      r2 * (1.0 / 39916800)))));
  const double power = std::bit_cast<double>((static_cast<std::int64_t>(k) + 1023) << 52);
  return (even + r * odd) * power;
}

// 1 / (1 + e^-margin). NaN stays NaN.
inline float Logistic(float margin) {
  double x = margin;
  if (x > 40.0) x = 40.0;
  if (x < -40.0) x = -40.0;
  if (!(x == x)) return margin;
  return static_cast<float>(1.0 / (1.0 + DeterministicExp(-x)));
}

}  // namespace ps
