// Counts and weights as bytes, for the states of metrics on the wire: varints, and little-endian doubles
// where a weight is no count. What is read may be anything.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>

namespace ps {

static_assert(std::endian::native == std::endian::little);

inline bool IsCount(double value) {
  constexpr double kLargestCount = 9007199254740992.0;  // 2^53: below it a double counts exactly
  return value < kLargestCount && value == std::floor(value);
}

inline void AppendVarint(std::uint64_t value, std::string* out) {
  for (; value >= 0x80; value >>= 7) out->push_back(static_cast<char>(value | 0x80));
  out->push_back(static_cast<char>(value));
}

inline void AppendDouble(double value, std::string* out) {
  char bytes[sizeof(value)];
  std::memcpy(bytes, &value, sizeof(value));
  out->append(bytes, sizeof(bytes));
}

// Takes values off the front; after the first failure everything fails.
class NumberReader {
 public:
  explicit NumberReader(std::string_view bytes) : bytes_(bytes) {}

  std::optional<std::uint64_t> Varint() {
    std::uint64_t value = 0;
    for (int shift = 0; shift < 63 && !bytes_.empty(); shift += 7) {
      const std::uint8_t byte = bytes_.front();
      bytes_.remove_prefix(1);
      value |= std::uint64_t{byte & 0x7fu} << shift;
      if (byte < 0x80) return value;
    }
    bytes_ = {};
    return std::nullopt;
  }

  std::optional<double> Double() {
    double value;
    if (bytes_.size() < sizeof(value)) {
      bytes_ = {};
      return std::nullopt;
    }
    std::memcpy(&value, bytes_.data(), sizeof(value));
    bytes_.remove_prefix(sizeof(value));
    return value;
  }

  // A weight: finite and not negative.
  std::optional<double> Weight(bool fractional) {
    std::optional<double> weight;
    if (fractional) {
      weight = Double();
    } else if (const std::optional<std::uint64_t> count = Varint()) {
      weight = static_cast<double>(*count);
    }
    if (weight && !(*weight >= 0 && std::isfinite(*weight))) return std::nullopt;
    return weight;
  }

  std::size_t size() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
};

}  // namespace ps
