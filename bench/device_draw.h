// Features of rows that benchmarks of a device learn. Pure, any thread.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "ps/base/key.h"

namespace ps {

// Of `count` values of a column, draw number `number`: each as likely as another; or by its logarithm, so that the first
// few of them come in most rows, as in click logs, and the last hardly ever.
enum class Draw { kUniform, kSkewed };
inline std::uint64_t DrawValue(Draw draw, std::uint64_t number, std::uint64_t count) {
  const std::uint64_t random = Mix64(number);
  if (draw == Draw::kUniform) return random % count;
  const double exponent = static_cast<double>(random >> 11) / static_cast<double>(std::uint64_t{1} << 53);
  const auto value = static_cast<std::uint64_t>(std::pow(static_cast<double>(count), exponent)) - 1;
  return std::min(value, count - 1);
}
inline const char* NameOf(Draw draw) { return draw == Draw::kUniform ? "uniform" : "skewed"; }

}  // namespace ps
