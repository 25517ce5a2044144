// Decimal text to float: what the text formats share. Pure functions, any thread.
//
// Numbers are decimal or scientific ("1", "-0.25", "+3", ".5", "6.27e-02"), correctly rounded. Too
// small a number is 0; NaN, infinity and numbers above the range of float are refused.
#pragma once

#include <cstddef>

namespace ps {

enum class FloatText { kOk, kNotANumber, kOutOfRange };

struct ParsedFloat {
  FloatText result = FloatText::kNotANumber;
  float value = 0;
  const char* end = nullptr;  // behind the number; the text's begin when it is none
};

// Reads the number at the front of [text, end): any number there is.
ParsedFloat ParseFloat(const char* text, const char* end);

// The same, several times faster for up to fifteen digits and small exponents. At least
// kFloatReadableBefore bytes before `text` and kFloatReadableBehind from it on are readable.
inline constexpr std::ptrdiff_t kFloatReadableBefore = 16;
inline constexpr std::ptrdiff_t kFloatReadableBehind = 32;
ParsedFloat ParseFloatInside(const char* text, const char* end);

// Whichever of the two applies to a place in the text [begin, end).
inline ParsedFloat ParseFloatAt(const char* begin, const char* text, const char* end) {
  if (text - begin >= kFloatReadableBefore && end - text >= kFloatReadableBehind) {
    return ParseFloatInside(text, end);
  }
  return ParseFloat(text, end);
}

}  // namespace ps
