// Decimal text to float: what the text formats share. Pure functions, any thread.
//
// Numbers are decimal or scientific ("1", "-0.25", "+3", ".5", "6.27e-02"), correctly rounded.
// Texts of up to seven digits take a short way: their digits and the power of ten are exact floats,
// so one division rounds once (Clinger, PLDI 1990). Too small a number is 0; NaN, infinity and
// numbers above the range of float are refused.
#pragma once

#include <cstdint>

namespace ps {

enum class FloatText { kOk, kNotANumber, kOutOfRange };

struct ParsedFloat {
  FloatText result = FloatText::kNotANumber;
  float value = 0;
  const char* end = nullptr;  // behind the number; where the text stops being one otherwise
};

// The general way: sign, exponent, any number of digits.
ParsedFloat ParseAnyFloat(const char* text, const char* end);

// Reads the number at the front of [text, end).
inline ParsedFloat ParseFloat(const char* text, const char* end) {
  static constexpr float kPowerOfTen[] = {1e0f, 1e1f, 1e2f, 1e3f, 1e4f, 1e5f, 1e6f, 1e7f};
  const char* p = text;
  const bool negative = p < end && *p == '-';
  p += negative;
  std::uint32_t digits = 0;
  int count = 0;
  int fraction = 0;
  while (p < end && count < 8 && static_cast<unsigned char>(*p - '0') <= 9) {
    digits = digits * 10 + static_cast<std::uint32_t>(*p++ - '0');
    ++count;
  }
  if (p < end && *p == '.') {
    ++p;
    while (p < end && count < 8 && static_cast<unsigned char>(*p - '0') <= 9) {
      digits = digits * 10 + static_cast<std::uint32_t>(*p++ - '0');
      ++count;
      ++fraction;
    }
  }
  // Seven digits are below 2^24. A longer number, an exponent or anything else goes the general
  // way.
  const bool goes_on = p < end && ((*p | 0x20) == 'e');
  if (count == 0 || count > 7 || goes_on) return ParseAnyFloat(text, end);
  const float magnitude = static_cast<float>(digits) / kPowerOfTen[fraction];
  return {FloatText::kOk, negative ? -magnitude : magnitude, p};
}

}  // namespace ps
