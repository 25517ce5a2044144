// Text to number, exactly the same on every machine: decimal notation only ("12", "-0.5", "+3e4"),
// finite, the whole text. Pure; any thread.
#pragma once

#include <immintrin.h>

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string_view>

namespace ps {

inline std::uint64_t Load8(const char* at) {
  std::uint64_t bytes;
  std::memcpy(&bytes, at, sizeof bytes);
  return bytes;
}

// The first `size` (0..8) bytes at `at`, zero-extended. Eight bytes must be readable there.
inline std::uint64_t LoadPrefix(const char* at, std::size_t size) {
  return _bzhi_u64(Load8(at), static_cast<unsigned>(8 * size));
}

// Any decimal within the range of double. Reads only `text`. -0 becomes 0.
inline bool ParseNumber(std::string_view text, double* number) {
  if (text.empty()) return false;
  const char* first = text.data();
  const char* const last = first + text.size();
  if (*first == '+') {
    ++first;
    if (first == last || *first == '-') return false;
  }
  // from_chars also knows "inf" and "nan", which are not numbers here.
  const char digit = first[*first == '-' && last - first > 1];
  if (digit != '.' && (digit < '0' || digit > '9')) return false;
  const auto [end, error] = std::from_chars(first, last, *number);
  if (end != last) return false;
  if (error == std::errc::result_out_of_range) {
    // Too small a number is 0, too large a one is none.
    long double wide = 0;
    if (std::from_chars(first, last, wide).ec != std::errc() || std::abs(wide) > 1) return false;
    *number = 0;
  }
  *number += 0.0;
  return error == std::errc() || error == std::errc::result_out_of_range;
}

}  // namespace ps
