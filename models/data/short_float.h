// Decimal numbers of at most fifteen digits and small exponents to float, correctly rounded, with few branches. Pure
// functions, any thread. They read sixteen bytes in front of the number and behind it. SSE4.1.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "absl/base/attributes.h"
#include "models/data/digit_text.h"

namespace ps {

// Those that double holds exactly.
inline constexpr double kPowerOfTen[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                         1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                         1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
inline constexpr int kMostExactPower = 22;

// digits * 10^exponent as a float, for digits < 10^15 and an exponent within kMostExactPower. Both
// factors are exact doubles, so the product rounds once (Clinger, PLDI 1990). Rounding it again to
// float does no harm unless it lies exactly between two floats: false then.
inline bool ScaleExactly(std::uint64_t digits, int exponent, float* value) {
  const auto whole = static_cast<double>(static_cast<std::int64_t>(digits));
  const double scaled =
      exponent <= 0 ? whole / kPowerOfTen[-exponent] : whole * kPowerOfTen[exponent];
  std::uint64_t bits = 0;
  std::memcpy(&bits, &scaled, sizeof(bits));
  constexpr std::uint64_t kBitsBelowFloat = (std::uint64_t{1} << 29) - 1;
  constexpr std::uint64_t kHalfway = std::uint64_t{1} << 28;
  *value = static_cast<float>(scaled);
  return (bits & kBitsBelowFloat) != kHalfway;
}

// Reads a number that fills [text, stop). False when it is something else, or not so short.
ABSL_ATTRIBUTE_ALWAYS_INLINE inline bool ReadShortFloat(const char* text, const char* stop,
                                                        float* value) {
  const bool negative = *text == '-';
  text += negative;
  const auto size = static_cast<std::uint32_t>(stop - text);
  if (size - 1 > 15) return false;
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(text));
  // What is no digit: the point, then the exponent's letter.
  const __m128i numbers = _mm_sub_epi8(bytes, _mm_set1_epi8('0'));
  const __m128i is_digit = _mm_cmpeq_epi8(_mm_min_epu8(numbers, _mm_set1_epi8(9)), numbers);
  const std::uint32_t end_bit = 1u << size;
  std::uint32_t others =
      _bzhi_u32(~static_cast<std::uint32_t>(_mm_movemask_epi8(is_digit)), size) | end_bit;
  const std::uint32_t first = _tzcnt_u32(others);
  const bool has_point = text[first] == '.' && first != size;
  if (has_point) others = _blsr_u32(others);
  const std::uint32_t length = _tzcnt_u32(others);  // of the digits and the point
  const std::uint32_t count = length - has_point;
  const std::uint32_t fraction = has_point ? length - 1 - first : 0;
  if (count - 1 > 14) return false;
  int exponent = -static_cast<int>(fraction);
  if (length != size) {
    const char* at = text + length;
    if ((*at | 0x20) != 'e') return false;
    const bool below = at[1] == '-';
    at += 1 + (below || at[1] == '+');
    const auto tens = static_cast<unsigned>(static_cast<unsigned char>(at[0] - '0'));
    const auto ones = static_cast<unsigned>(static_cast<unsigned char>(at[1] - '0'));
    if (stop - at != 2 || tens > 9 || ones > 9) return false;
    const auto magnitude = static_cast<int>(10 * tens + ones);
    exponent += below ? -magnitude : magnitude;
    if (exponent < -kMostExactPower || exponent > kMostExactPower) return false;
  }
  // The digits behind the point stay where they are, those in front of it close up.
  const __m128i last = _mm_sub_epi8(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(text + length - 16)), _mm_set1_epi8('0'));
  const __m128i stay = KeepLast(has_point ? fraction : 16);
  const __m128i closed = _mm_blendv_epi8(_mm_slli_si128(last, 1), last, stay);
  const std::uint64_t digits = NumberOf(_mm_and_si128(closed, KeepLast(count)));
  float magnitude = 0;
  const bool exact = ScaleExactly(digits, exponent, &magnitude);
  std::uint32_t bits = 0;
  std::memcpy(&bits, &magnitude, sizeof(bits));
  bits |= static_cast<std::uint32_t>(negative) << 31;
  std::memcpy(value, &bits, sizeof(bits));
  return exact;
}

}  // namespace ps
