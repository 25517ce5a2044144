// Numbers of metrics as JSON. Pure functions.
#pragma once

#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>

namespace ps {

// Shortest digits that read back as the same double; null for what JSON has no number for.
inline void AppendJsonNumber(double value, std::string* out) {
  if (!std::isfinite(value)) {
    *out += "null";
    return;
  }
  char digits[32];
  // The shortest form of 800000 is 8e+05; a count should look like one.
  const bool whole = value == std::floor(value) && std::fabs(value) < 1e15;
  const std::to_chars_result end =
      whole ? std::to_chars(digits, digits + sizeof(digits), static_cast<std::int64_t>(value))
            : std::to_chars(digits, digits + sizeof(digits), value);
  out->append(digits, end.ptr);
}

// A member of an object that is open, behind others.
inline void AppendField(const char* name, double value, std::string* out) {
  if (out->size() > 1) *out += ", ";
  *out += '"';
  *out += name;
  *out += "\": ";
  AppendJsonNumber(value, out);
}

}  // namespace ps
