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

// An integer of at most eight characters, perhaps with a minus, as ParseNumber reads it; false for
// any other text. Eight bytes must be readable at `text`.
inline bool ParseShortInteger(std::string_view text, double* number) {
  const bool negative = !text.empty() && text[0] == '-';
  const std::size_t digits = text.size() - negative;
  if (text.size() > 8 || digits == 0) return false;
  // The text's first character becomes the lowest of the highest bytes, with zeros below it.
  std::uint64_t x = (Load8(text.data()) >> 8 * negative) ^ 0x3030303030303030u;
  x <<= 64 - 8 * digits;
  if (((x | (x + 0x0606060606060606u)) & 0xf0f0f0f0f0f0f0f0u) != 0) return false;
  // Pairs of digits, then fours, then eight.
  x = (x * 10 + (x >> 8)) & 0x00ff00ff00ff00ffu;
  x = (x * 100 + (x >> 16)) & 0x0000ffff0000ffffu;
  x = (x * 10000 + (x >> 32)) & 0xffffffffu;
  const auto magnitude = static_cast<std::int64_t>(x);
  *number = static_cast<double>(negative ? -magnitude : magnitude);
  return true;
}

// Whether eight bytes hold a letter other than e, or a byte that is not ASCII: then they are no
// part of a number.
inline bool HasLetters(std::uint64_t bytes) {
  constexpr std::uint64_t kOnes = 0x0101010101010101u;
  const std::uint64_t e = (bytes | kOnes * 0x20) ^ kOnes * 'e';  // a byte is 0 where an e stands
  const std::uint64_t others = ((e & kOnes * 0x7f) + kOnes * 0x7f) | e;
  return (((bytes << 1 & others) | bytes) & kOnes * 0x80) != 0;
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
    // Without a negative exponent such a text is too long or too large a number.
    if (text.size() < 300 && text.find('-', 1) == std::string_view::npos) return false;
    // Too small a number is 0, too large a one is none.
    long double wide = 0;
    if (std::from_chars(first, last, wide).ec != std::errc() || std::abs(wide) > 1) return false;
    *number = 0;
  }
  *number += 0.0;
  return error == std::errc() || error == std::errc::result_out_of_range;
}

}  // namespace ps
