#include "models/data/float_text.h"

#include <charconv>
#include <cmath>
#include <system_error>

#include "absl/strings/charconv.h"

namespace ps {

ParsedFloat ParseAnyFloat(const char* text, const char* end) {
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

}  // namespace ps
