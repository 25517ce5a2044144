#include "ps/trees/histogram_codec.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

namespace ps {
namespace {

constexpr std::size_t kGroup = 64;
enum Kind : std::uint8_t { kZero = 0, kAll = 1, kSome = 2 };

void PutVarint(std::uint64_t value, std::string* out) {
  for (; value >= 128; value >>= 7) out->push_back(static_cast<char>(value | 128));
  out->push_back(static_cast<char>(value));
}

bool TakeVarint(std::string_view in, std::size_t* at, std::uint64_t* value) {
  *value = 0;
  for (int shift = 0; shift < 35; shift += 7) {
    if (*at >= in.size()) return false;
    const auto byte = static_cast<std::uint8_t>(in[(*at)++]);
    *value |= std::uint64_t{byte & 127u} << shift;
    if (byte < 128) return true;
  }
  return false;
}

std::uint64_t ZigZag(std::int64_t x) {
  return (static_cast<std::uint64_t>(x) << 1) ^ static_cast<std::uint64_t>(x >> 63);
}
std::int64_t UnZigZag(std::uint64_t x) {
  return static_cast<std::int64_t>(x >> 1) ^ -static_cast<std::int64_t>(x & 1);
}

struct BitWriter {
  std::string* out;
  std::uint64_t bits = 0;
  unsigned held = 0;
  void Put(std::uint32_t value, unsigned width) {
    bits |= std::uint64_t{value} << held;
    held += width;
    if (held < 32) return;
    char four[4];
    const auto low = static_cast<std::uint32_t>(bits);
    std::memcpy(four, &low, 4);
    out->append(four, 4);
    bits >>= 32;
    held -= 32;
  }
  void Flush() {
    for (; held > 0; held -= std::min(8u, held), bits >>= 8)
      out->push_back(static_cast<char>(bits));
  }
};

struct BitReader {
  std::string_view in;
  std::size_t at;
  std::uint64_t bits = 0;
  unsigned held = 0;
  std::uint32_t Take(unsigned width) {
    while (held < width) {
      bits |= std::uint64_t{static_cast<std::uint8_t>(in[at++])} << held;
      held += 8;
    }
    const auto value = static_cast<std::uint32_t>(bits & ((std::uint64_t{1} << width) - 1));
    bits >>= width;
    held -= width;
    return value;
  }
};

struct Group {
  std::uint64_t mask = 0;
  std::int64_t least_g = 0;
  std::uint64_t least_h = 0;
  unsigned width_g = 0, width_h = 0;
  std::size_t bits_at = 0;  // where the cells begin
  std::size_t end = 0;
};

constexpr std::uint64_t MaskOf(std::size_t cells) {
  return cells == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << cells) - 1;
}

// The group of `cells` cells that begins at `at`.
bool ReadGroup(std::string_view in, std::size_t at, std::size_t cells, Group* group) {
  *group = Group();
  if (at >= in.size()) return false;
  const auto kind = static_cast<std::uint8_t>(in[at++]);
  group->end = at;
  if (kind == kZero) return true;
  if (kind > kSome) return false;
  group->mask = MaskOf(cells);
  if (kind == kSome) {
    const std::size_t bytes = (cells + 7) / 8;
    if (in.size() - at < bytes) return false;
    std::uint64_t mask = 0;
    std::memcpy(&mask, in.data() + at, bytes);
    if ((mask & ~group->mask) != 0 || mask == 0) return false;
    group->mask = mask;
    at += bytes;
  }
  std::uint64_t least_g = 0;
  if (!TakeVarint(in, &at, &least_g) || !TakeVarint(in, &at, &group->least_h)) return false;
  group->least_g = UnZigZag(least_g);
  if (in.size() - at < 2) return false;
  group->width_g = static_cast<std::uint8_t>(in[at]);
  group->width_h = static_cast<std::uint8_t>(in[at + 1]);
  at += 2;
  if (group->width_g > 32 || group->width_h > 32) return false;
  const std::size_t each = group->width_g + group->width_h;
  const std::size_t bytes = (static_cast<std::size_t>(std::popcount(group->mask)) * each + 7) / 8;
  if (in.size() - at < bytes) return false;
  group->bits_at = at;
  group->end = at + bytes;
  return true;
}

void PackGroup(const WideSum* cells, std::size_t count, std::string* out) {
  std::uint64_t mask = 0;
  std::int64_t least_g = INT64_MAX, most_g = INT64_MIN, least_h = INT64_MAX, most_h = 0;
  for (std::size_t i = 0; i < count; ++i) {
    if (cells[i] == 0) continue;
    mask |= std::uint64_t{1} << i;
  }
  if (mask == 0) return out->push_back(kZero);
  // A few zeros among others cost less than a bitmap.
  if (static_cast<std::size_t>(std::popcount(mask)) * 8 >= count * 7) mask = MaskOf(count);
  for (std::uint64_t left = mask; left != 0; left &= left - 1) {
    const WideSum cell = cells[std::countr_zero(left)];
    least_g = std::min<std::int64_t>(least_g, WideGradient(cell));
    most_g = std::max<std::int64_t>(most_g, WideGradient(cell));
    least_h = std::min<std::int64_t>(least_h, WideHessian(cell));
    most_h = std::max<std::int64_t>(most_h, WideHessian(cell));
  }
  const bool all = mask == MaskOf(count);
  out->push_back(all ? kAll : kSome);
  if (!all) out->append(reinterpret_cast<const char*>(&mask), (count + 7) / 8);
  PutVarint(ZigZag(least_g), out);
  PutVarint(static_cast<std::uint64_t>(least_h), out);
  const auto width_g =
      static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(most_g - least_g)));
  const auto width_h =
      static_cast<unsigned>(std::bit_width(static_cast<std::uint64_t>(most_h - least_h)));
  out->push_back(static_cast<char>(width_g));
  out->push_back(static_cast<char>(width_h));
  BitWriter writer{out};
  for (std::uint64_t left = mask; left != 0; left &= left - 1) {
    const WideSum cell = cells[std::countr_zero(left)];
    writer.Put(static_cast<std::uint32_t>(WideGradient(cell) - least_g), width_g);
    writer.Put(static_cast<std::uint32_t>(WideHessian(cell) - least_h), width_h);
  }
  writer.Flush();
}

}  // namespace

void PackHistogram(const WideSum* cells, std::size_t count, std::string* out) {
  for (std::size_t i = 0; i < count; i += kGroup)
    PackGroup(cells + i, std::min(kGroup, count - i), out);
}

std::size_t PackedSize(std::string_view in, std::size_t count) {
  std::size_t at = 0;
  Group group;
  for (std::size_t i = 0; i < count; i += kGroup) {
    if (!ReadGroup(in, at, std::min(kGroup, count - i), &group)) return std::string_view::npos;
    at = group.end;
  }
  return at;
}

void AddPackedHistogram(std::string_view in, std::size_t count, WideSum* cells) {
  std::size_t at = 0;
  Group group;
  for (std::size_t i = 0; i < count; i += kGroup) {
    if (!ReadGroup(in, at, std::min(kGroup, count - i), &group)) return;
    BitReader reader{in, group.bits_at};
    for (std::uint64_t left = group.mask; left != 0; left &= left - 1) {
      const std::uint64_t g = static_cast<std::uint64_t>(group.least_g) + reader.Take(group.width_g);
      const std::uint64_t h = group.least_h + reader.Take(group.width_h);
      // Unsigned: a sum that no rows can have wraps.
      WideSum& cell = cells[i + static_cast<std::size_t>(std::countr_zero(left))];
      cell = static_cast<WideSum>(static_cast<std::uint64_t>(cell) + (h << 32) + g);
    }
    at = group.end;
  }
}

}  // namespace ps
