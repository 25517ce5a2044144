// How `ps_model inspect` and its like write numbers and lines.
#pragma once

#include <charconv>
#include <ostream>
#include <string>

namespace ps {

// The fewest digits that read back as the number.
template <typename Number>
std::string Shortest(Number value) {
  char digits[32];
  return {digits, std::to_chars(digits, digits + sizeof(digits), value).ptr};
}

// A name, and its value in a column.
inline void Line(std::ostream& out, const std::string& name, const std::string& value) {
  out << name << std::string(name.size() < 18 ? 18 - name.size() : 1, ' ') << value << '\n';
}

}  // namespace ps
