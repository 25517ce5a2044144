// e^x of negative x, and log(1 + e), in single precision: the same bits on every processor.
// Pure, any thread.
#pragma once

#include <math.h>

#include <bit>
#include <cmath>
#include <cstdint>

#include "kernels/host_device.h"

namespace ps {

// e^x for x in [-87, 0] in single precision: x = k ln 2 + r and a polynomial of degree 6 in r;
// relative error about 1e-7.
struct ExpFloat {
  static constexpr float kLog2E = 1.44269504f, kLn2High = 0.693359375f, kLn2Low = -2.12194440e-4f;
  static constexpr float kRound =
      12582912.0f;  // 1.5 * 2^23: adding it rounds to the nearest integer
  static constexpr float kC[] = {1.0f / 720, 1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f};
  static constexpr float kLowest = -87.0f;
};

PS_HOST_DEVICE inline float ExpNegative(float x) {
  using E = ExpFloat;
  const float k = fmaf(x, E::kLog2E, E::kRound) - E::kRound;
  float r = fmaf(k, -E::kLn2High, x);
  r = fmaf(k, -E::kLn2Low, r);
  // Constants of their own: code of a device does not see the array.
  constexpr float c0 = E::kC[0], c1 = E::kC[1], c2 = E::kC[2], c3 = E::kC[3], c4 = E::kC[4],
                  c5 = E::kC[5], c6 = E::kC[6];
  float p = fmaf(c0, r, c1);
  p = fmaf(p, r, c2);
  p = fmaf(p, r, c3);
  p = fmaf(p, r, c4);
  p = fmaf(p, r, c5);
  p = fmaf(p, r, c6);
  return p * std::bit_cast<float>((static_cast<std::int32_t>(k) + 127) << 23);
}

// log(1 + e) for e in [0, 1] = 2 artanh(s), s = e / (2 + e) <= 1/3, by its series; relative error
// about 1e-7.
struct Log1pSeries {
  static constexpr float kC[] = {2.0f / 15, 2.0f / 13, 2.0f / 11, 2.0f / 9,
                                 2.0f / 7,  2.0f / 5,  2.0f / 3,  2.0f};
};

inline float Log1pFloat(float e) {
  const float s = e / (2.0f + e);
  const float square = s * s;
  float p = Log1pSeries::kC[0];
  for (int i = 1; i < 8; ++i) p = std::fma(p, square, Log1pSeries::kC[i]);
  return p * s;
}

}  // namespace ps
