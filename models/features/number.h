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

// An integer of at most eight digits, perhaps with a minus. Eight bytes behind text's first must be
// readable. Returns 0, or with any number something else for every other text: an integer, because
// callers combine it with other conditions and want one branch.
// Eight digits at once: Lemire, "Quickly parsing eight digits" (2018).
inline std::uint64_t ParseShortInteger(std::string_view text, double* number) {
  const std::size_t negative = *text.data() == '-';
  const std::size_t size = text.size() - negative;
  // Shifting puts zeros before the digits: the text's first character is the lowest byte.
  std::uint64_t x = (Load8(text.data() + negative) ^ 0x3030303030303030u) << ((64 - 8 * size) & 63);
  const std::uint64_t wrong = (x | (x + 0x0606060606060606u)) & 0xf0f0f0f0f0f0f0f0u;
  x = x * 10 + (x >> 8);
  x = ((x & 0x000000ff000000ffu) * 0x000f424000000064u +
       ((x >> 16) & 0x000000ff000000ffu) * 0x0000271000000001u) >>
      32;
  const std::int64_t sign = -static_cast<std::int64_t>(negative);
  *number = static_cast<double>((static_cast<std::int64_t>(x) ^ sign) - sign);
  return wrong | (size - 1) >> 3;
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
