#include "ps/wire/value_codec.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

enum Packing : unsigned char { kDense = 0, kBitmap = 1 };

constexpr std::uint32_t kSignMask = 0x80000000u;
constexpr std::uint32_t kExponentMask = 0x7f800000u;
constexpr std::uint16_t kLargestBf16 = 0x7f7f;
constexpr float kInt8Largest = 127.0f;

template <typename... Parts>
absl::Status Malformed(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("values: ", parts...));
}

// The loops below have no early exit and no branch, so that the compiler makes vector code of them.

bool AllFinite(const float* values, std::size_t count) {
  std::uint32_t bad = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t exponent = std::bit_cast<std::uint32_t>(values[i]) & kExponentMask;
    bad |= exponent == kExponentMask;
  }
  return bad == 0;
}

std::uint16_t ToBf16(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1)) >> 16;
  // Rounding up out of the finite range saturates; inf and NaN are kept, for the decoder to refuse.
  const std::uint32_t sign = (bits >> 16) & 0x8000u;
  const std::uint32_t finite = (rounded & 0x7fffu) > kLargestBf16 ? (sign | kLargestBf16) : rounded;
  return static_cast<std::uint16_t>((bits & kExponentMask) == kExponentMask ? (sign | 0x7f80u)
                                                                            : finite);
}

void EncodeBf16(const float* values, std::size_t count, char* out) {
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint16_t half = ToBf16(values[i]);
    std::memcpy(out + i * sizeof half, &half, sizeof half);
  }
}

void DecodeBf16(const char* in, std::size_t count, float* values) {
  for (std::size_t i = 0; i < count; ++i) {
    std::uint16_t half;
    std::memcpy(&half, in + i * sizeof half, sizeof half);
    values[i] = std::bit_cast<float>(std::uint32_t{half} << 16);
  }
}

void EncodeInt8Block(const float* values, std::size_t count, char* out) {
  // Magnitudes compare as integers do, and those that are not finite come last.
  std::uint32_t largest_bits = 0;
  for (std::size_t i = 0; i < count; ++i) {
    largest_bits = std::max(largest_bits, std::bit_cast<std::uint32_t>(values[i]) & ~kSignMask);
  }
  float scale = std::bit_cast<float>(largest_bits) / kInt8Largest;
  if (scale * kInt8Largest > std::numeric_limits<float>::max()) scale = std::nextafter(scale, 0.0f);
  if (largest_bits >= kExponentMask) scale = std::numeric_limits<float>::quiet_NaN();  // refused
  std::memcpy(out, &scale, sizeof scale);
  out += sizeof scale;
  const float divisor = scale > 0 ? scale : 1.0f;
  for (std::size_t i = 0; i < count; ++i) {
    // A subnormal scale is coarse, so the quotient may pass 127. The sum rounds to nearest even.
    const float quotient = std::clamp(values[i] / divisor, -kInt8Largest, kInt8Largest);
    constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: no fraction is left in the sum
    const float sum = quotient + kRounder;
    out[i] = static_cast<char>(std::bit_cast<std::uint32_t>(sum));
  }
}

// False where the scale is no scale, or a value is -128 or not finite.
bool DecodeInt8Block(const char* in, std::size_t count, float* values) {
  float scale;
  std::memcpy(&scale, in, sizeof scale);
  if (!(scale >= 0 && scale <= std::numeric_limits<float>::max())) return false;
  in += sizeof scale;
  unsigned bad = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const auto level = static_cast<signed char>(in[i]);
    bad |= level == -128;
    values[i] = scale * static_cast<float>(level);
  }
  return bad == 0;
}

std::size_t PayloadBytes(wire::ValueFormat format, std::size_t count) {
  switch (format) {
    case wire::BF16:
      return count * 2;
    case wire::INT8:
      return count + (count + kInt8Block - 1) / kInt8Block * sizeof(float);
    default:
      return count * sizeof(float);
  }
}

void EncodePayload(wire::ValueFormat format, const float* values, std::size_t count, char* out) {
  if (count == 0) return;  // memcpy wants no null, even for nothing
  switch (format) {
    case wire::BF16:
      return EncodeBf16(values, count, out);
    case wire::INT8:
      for (std::size_t i = 0; i < count; i += kInt8Block) {
        const std::size_t block = std::min(kInt8Block, count - i);
        EncodeInt8Block(values + i, block, out);
        out += sizeof(float) + block;
      }
      return;
    default:
      std::memcpy(out, values, count * sizeof(float));
  }
}

absl::Status DecodePayload(wire::ValueFormat format, const char* in, std::size_t count,
                           float* values) {
  if (count == 0) return absl::OkStatus();
  switch (format) {
    case wire::F32:
      std::memcpy(values, in, count * sizeof(float));
      break;
    case wire::BF16:
      DecodeBf16(in, count, values);
      break;
    case wire::INT8:
      for (std::size_t i = 0; i < count; i += kInt8Block) {
        const std::size_t block = std::min(kInt8Block, count - i);
        if (!DecodeInt8Block(in, block, values + i)) {
          return Malformed("block ", i / kInt8Block, ": a bad scale, or a value of -128");
        }
        in += sizeof(float) + block;
      }
      break;
    default:
      return Malformed("unknown format ", static_cast<int>(format));
  }
  if (!AllFinite(values, count)) return Malformed("a value is not finite");
  return absl::OkStatus();
}

std::size_t CountNonZero(absl::Span<const float> values) {
  std::size_t count = 0;
  for (const float value : values) count += value != 0;  // a NaN is not zero
  return count;
}

void AppendBitmap(wire::ValueFormat format, absl::Span<const float> values, std::size_t non_zero, std::string* out) {
  const std::size_t bitmap_bytes = (values.size() + 7) / 8;
  const std::size_t at = out->size();
  out->resize(at + 1 + bitmap_bytes + PayloadBytes(format, non_zero));
  char* const section = out->data() + at;
  section[0] = kBitmap;
  std::vector<float> kept(non_zero + 1);  // every value is written, and then kept or written over
  std::size_t next = 0;
  for (std::size_t byte = 0; byte < bitmap_bytes; ++byte) {
    const std::size_t begin = byte * 8;
    const std::size_t bits = std::min<std::size_t>(8, values.size() - begin);
    unsigned set = 0;
    for (std::size_t i = 0; i < bits; ++i) {
      const float value = values[begin + i];
      kept[next] = value;
      next += value != 0;
      set |= static_cast<unsigned>(value != 0) << i;
    }
    section[1 + byte] = static_cast<char>(set);
  }
  EncodePayload(format, kept.data(), non_zero, section + 1 + bitmap_bytes);
}

absl::Status DecodeBitmap(wire::ValueFormat format, std::string_view payload,
                          absl::Span<float> values) {
  const std::size_t bitmap_bytes = (values.size() + 7) / 8;
  if (payload.size() < bitmap_bytes) {
    return Malformed("a bitmap of ", bitmap_bytes, " bytes, ", payload.size(), " are there");
  }
  const std::string_view bitmap = payload.substr(0, bitmap_bytes);
  std::size_t non_zero = 0;
  for (const char byte : bitmap) non_zero += std::popcount(static_cast<unsigned char>(byte));
  const std::size_t used_bits = values.size() % 8;
  if (used_bits != 0 && (static_cast<unsigned char>(bitmap.back()) >> used_bits) != 0) {
    return Malformed("bits are set after the last value's");
  }
  if (payload.size() - bitmap_bytes != PayloadBytes(format, non_zero)) {
    return Malformed(payload.size() - bitmap_bytes, " bytes for ", non_zero,
                     " values that are kept");
  }
  std::vector<float> kept(non_zero + 1);  // one more, which is read but not used
  PS_RETURN_IF_ERROR(DecodePayload(format, payload.data() + bitmap_bytes, non_zero, kept.data()));
  std::size_t next = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint32_t set = (static_cast<unsigned char>(bitmap[i / 8]) >> (i % 8)) & 1;
    values[i] = std::bit_cast<float>(std::bit_cast<std::uint32_t>(kept[next]) & -set);
    next += set;
  }
  return absl::OkStatus();
}

}  // namespace

std::string EncodeValues(wire::ValueFormat format, absl::Span<const float> values) {
  std::string section;
  AppendValues(format, values, &section);
  return section;
}

void AppendValues(wire::ValueFormat format, absl::Span<const float> values, std::string* out) {
  const std::size_t non_zero = CountNonZero(values);
  const std::size_t dense_bytes = PayloadBytes(format, values.size());
  if ((values.size() + 7) / 8 + PayloadBytes(format, non_zero) < dense_bytes) {
    return AppendBitmap(format, values, non_zero, out);
  }
  const std::size_t at = out->size();
  out->resize(at + 1 + dense_bytes);
  (*out)[at] = kDense;
  EncodePayload(format, values.data(), values.size(), out->data() + at + 1);
}

absl::Status DecodeValues(wire::ValueFormat format, std::string_view section,
                          absl::Span<float> values) {
  if (!wire::ValueFormat_IsValid(format)) {
    return Malformed("unknown format ", static_cast<int>(format));
  }
  if (section.empty()) return Malformed("an empty section");
  const std::string_view payload = section.substr(1);
  switch (static_cast<unsigned char>(section[0])) {
    case kDense:
      if (payload.size() != PayloadBytes(format, values.size())) {
        return Malformed(payload.size(), " bytes for ", values.size(), " values");
      }
      return DecodePayload(format, payload.data(), values.size(), values.data());
    case kBitmap:
      return DecodeBitmap(format, payload, values);
    default:
      return Malformed("unknown packing ",
                       static_cast<int>(static_cast<unsigned char>(section[0])));
  }
}

}  // namespace ps
