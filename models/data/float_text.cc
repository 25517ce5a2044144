#include "models/data/float_text.h"

#include <immintrin.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <system_error>

#include "absl/strings/charconv.h"
#include "models/data/digit_text.h"
#include "models/data/short_float.h"

namespace ps {
namespace {

bool IsDigit(char c) { return static_cast<unsigned char>(c - '0') <= 9; }

}  // namespace

ParsedFloat ParseFloat(const char* text, const char* end) {
  const char* first = text;
  if (first < end && *first == '+') {
    ++first;  // std::from_chars takes no plus sign
    if (first < end && *first == '-') return {FloatText::kNotANumber, 0, text};
  }
  float value = 0;
  const std::from_chars_result result = std::from_chars(first, end, value);
  if (result.ec == std::errc::invalid_argument) return {FloatText::kNotANumber, 0, text};
  if (result.ec == std::errc::result_out_of_range) {
    // Too large or too small? absl's version tells: it leaves the nearest float there is.
    absl::from_chars(first, end, value);
    if (std::fabs(value) > 1) return {FloatText::kOutOfRange, 0, result.ptr};
    return {FloatText::kOk, 0, result.ptr};
  }
  if (std::isnan(value)) return {FloatText::kNotANumber, 0, text};
  if (std::isinf(value)) return {FloatText::kOutOfRange, 0, result.ptr};
  return {FloatText::kOk, value, result.ptr};
}

ParsedFloat ParseFloatInside(const char* text, const char* end) {
  const char* p = text;
  const bool negative = *p == '-';
  p += negative;
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
  const auto points =
      static_cast<std::uint32_t>(_mm_movemask_epi8(_mm_cmpeq_epi8(bytes, _mm_set1_epi8('.'))));
  const std::uint32_t first_point = _blsi_u32(points);
  const std::uint32_t length = _tzcnt_u32(~(DigitMask(p) | first_point) | 0x10000);
  const std::uint32_t point = _bzhi_u32(first_point, length);
  const bool has_point = point != 0;
  const std::uint32_t count = length - has_point;
  if (count == 0 || length == 16) return ParseFloat(text, end);
  const std::uint32_t fraction = has_point ? length - 1 - _tzcnt_u32(point) : 0;

  // The digits behind the point stay where they are, those in front of it close up.
  const __m128i last = _mm_sub_epi8(
      _mm_loadu_si128(reinterpret_cast<const __m128i*>(p + length - 16)), _mm_set1_epi8('0'));
  const __m128i stay = KeepLast(has_point ? fraction : 16);
  const __m128i closed =
      _mm_or_si128(_mm_and_si128(stay, last), _mm_andnot_si128(stay, _mm_slli_si128(last, 1)));
  const std::uint64_t digits = NumberOf(_mm_and_si128(closed, KeepLast(count)));

  p += length;
  int exponent = -static_cast<int>(fraction);
  if ((*p | 0x20) == 'e') {
    const bool below = p[1] == '-';
    const char* number = p + 1 + (below || p[1] == '+');
    if (!IsDigit(number[0]) || (IsDigit(number[1]) && IsDigit(number[2]))) {
      return ParseFloat(text, end);
    }
    int magnitude = number[0] - '0';
    p = number + 1;
    if (IsDigit(*p)) magnitude = magnitude * 10 + (*p++ - '0');
    exponent += below ? -magnitude : magnitude;
  }
  float value = 0;
  if (exponent < -kMostExactPower || exponent > kMostExactPower ||
      !ScaleExactly(digits, exponent, &value)) {
    return ParseFloat(text, end);
  }
  return {FloatText::kOk, negative ? -value : value, p};
}

}  // namespace ps
