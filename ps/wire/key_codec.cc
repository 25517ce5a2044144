#include "ps/wire/key_codec.h"

#define XXH_INLINE_ALL  // compiled here for AVX2; the packaged library is built for SSE2
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kGroupKeys = 32;
// A value of up to 56 bits lies within the 8 bytes that begin at its first bit's byte.
constexpr unsigned kMaxPackedWidth = 56;
constexpr unsigned kFullWidth = 64;
constexpr std::size_t kMaxGroupBytes = kGroupKeys * sizeof(Key);

std::size_t GroupBytes(unsigned width, std::size_t keys) { return (width * keys + 7) / 8; }

std::uint64_t Load64(const char* at) {
  std::uint64_t word;
  std::memcpy(&word, at, sizeof word);
  return word;
}

unsigned WidthOf(std::uint64_t value) {
  const unsigned width = 64 - static_cast<unsigned>(std::countl_zero(value));
  return width > kMaxPackedWidth ? kFullWidth : width;
}

// Writes one group of gaps to `out`, which has room for 8 bytes more than the group takes.
std::size_t PackGroup(const Key* keys, std::size_t count, Key previous, char* out) {
  std::array<std::uint64_t, kGroupKeys> gaps;
  std::uint64_t all = 0;
  for (std::size_t i = 0; i < count; ++i) {
    gaps[i] = keys[i] - (i == 0 ? previous : keys[i - 1]) - 1;
    all |= gaps[i];
  }
  const unsigned width = WidthOf(all);
  *out++ = static_cast<char>(width);
  if (width == kFullWidth) {
    std::memcpy(out, gaps.data(), count * sizeof(Key));
    return 1 + count * sizeof(Key);
  }
  std::uint64_t pending = 0;  // bits not yet in `out`, fewer than 8 between steps, 63 at most
  unsigned pending_bits = 0;
  char* at = out;
  for (std::size_t i = 0; i < count; ++i) {
    pending |= gaps[i] << pending_bits;
    pending_bits += width;
    std::memcpy(at, &pending, sizeof pending);
    at += pending_bits / 8;
    pending >>= pending_bits & ~7u;
    pending_bits &= 7;
  }
  return 1 + GroupBytes(width, count);
}

// Reads `count` gaps of `width` bits; 8 bytes beyond the last one's first byte may be read. Returns
// the last key, and clears `ascending` when a key is not above the one before (the sum ran over).
Key UnpackGroup(const char* in, unsigned width, std::size_t count, Key previous, Key* out,
                bool& ascending) {
  bool good = true;
  if (width == kFullWidth) {
    for (std::size_t i = 0; i < count; ++i) {
      const Key key = previous + Load64(in + i * sizeof(Key)) + 1;
      good &= key > previous;
      out[i] = previous = key;
    }
  } else {
    const std::uint64_t mask = (std::uint64_t{1} << width) - 1;
    std::size_t bit = 0;
    for (std::size_t i = 0; i < count; ++i, bit += width) {
      const Key key = previous + ((Load64(in + bit / 8) >> (bit % 8)) & mask) + 1;
      good &= key > previous;
      out[i] = previous = key;
    }
  }
  ascending &= good;
  return previous;
}

template <typename... Parts>
absl::Status Malformed(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("keys: ", parts...));
}

// Walks the widths, so that nothing is allocated for a section that does not hold `count` keys.
absl::Status CheckGroups(std::string_view section, std::size_t count) {
  if (count > kMaxKeysPerList) return Malformed(count, " keys, at most ", kMaxKeysPerList);
  if (count == 0) {
    return section.empty() ? absl::OkStatus()
                           : Malformed("byte 0: ", section.size(), " bytes for no keys");
  }
  if (section.size() < sizeof(Key)) return Malformed("byte 0: no room for the first key");
  std::size_t at = sizeof(Key);
  for (std::size_t left = count - 1; left > 0;) {
    if (at >= section.size()) return Malformed("byte ", at, ": ends with ", left, " keys missing");
    const unsigned width = static_cast<unsigned char>(section[at]);
    if (width > kMaxPackedWidth && width != kFullWidth) {
      return Malformed("byte ", at, ": width of ", width, " bits");
    }
    const std::size_t keys = std::min(left, kGroupKeys);
    const std::size_t bytes = GroupBytes(width, keys);
    if (bytes > section.size() - at - 1) {
      return Malformed("byte ", at, ": a group of ", bytes, " bytes, ", section.size() - at - 1,
                       " are there");
    }
    at += 1 + bytes;
    left -= keys;
  }
  if (at != section.size()) {
    return Malformed("byte ", at, ": ", section.size() - at, " bytes too many");
  }
  return absl::OkStatus();
}

}  // namespace

KeyListSignature SignatureOf(absl::Span<const Key> keys) {
  const XXH128_hash_t hash = XXH3_128bits(keys.data(), keys.size() * sizeof(Key));
  return {.low = hash.low64, .high = hash.high64};
}

absl::Status CheckKeys(absl::Span<const Key> keys) {
  if (keys.size() > kMaxKeysPerList) {
    return Malformed(keys.size(), " keys, at most ", kMaxKeysPerList);
  }
  Key previous = kEmptyKey;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (keys[i] <= previous) return Malformed("key ", i, " is not above the one before");
    previous = keys[i];
  }
  return absl::OkStatus();
}

std::string EncodeKeys(absl::Span<const Key> keys) {
  std::string section;
  AppendKeys(keys, &section);
  return section;
}

void AppendKeys(absl::Span<const Key> keys, std::string* out) {
  if (keys.empty()) return;
  const std::size_t groups = (keys.size() - 1 + kGroupKeys - 1) / kGroupKeys;
  std::size_t at = out->size();
  out->resize(at + sizeof(Key) * (keys.size() + 1) + groups);
  std::memcpy(out->data() + at, keys.data(), sizeof(Key));
  at += sizeof(Key);
  for (std::size_t i = 1; i < keys.size(); i += kGroupKeys) {
    const std::size_t count = std::min(kGroupKeys, keys.size() - i);
    at += PackGroup(keys.data() + i, count, keys[i - 1], out->data() + at);
  }
  out->resize(at);
}

absl::Status DecodeKeys(std::string_view section, std::size_t count, std::vector<Key>& keys) {
  keys.clear();
  PS_RETURN_IF_ERROR(CheckGroups(section, count));
  if (count == 0) return absl::OkStatus();
  keys.resize(count);
  Key previous = Load64(section.data());
  bool ascending = previous != kEmptyKey;
  keys[0] = previous;
  std::size_t at = sizeof(Key);
  std::array<char, kMaxGroupBytes + sizeof(Key)> tail = {};
  for (std::size_t i = 1; i < count; i += kGroupKeys) {
    const std::size_t group = std::min(kGroupKeys, count - i);
    const unsigned width = static_cast<unsigned char>(section[at++]);
    const std::size_t bytes = GroupBytes(width, group);
    const char* in = section.data() + at;
    if (at + bytes + sizeof(Key) > section.size()) {  // reading whole words would leave the section
      std::memcpy(tail.data(), in, bytes);
      in = tail.data();
    }
    if (group == kGroupKeys) {
      previous = UnpackGroup(in, width, kGroupKeys, previous, keys.data() + i, ascending);
    } else {
      previous = UnpackGroup(in, width, group, previous, keys.data() + i, ascending);
      const std::size_t used_bits = width * group;
      if (used_bits % 8 != 0 &&
          (static_cast<unsigned char>(in[bytes - 1]) >> (used_bits % 8)) != 0) {
        keys.clear();
        return Malformed("byte ", at + bytes - 1, ": padding bits are set");
      }
    }
    at += bytes;
  }
  if (ascending) return absl::OkStatus();
  const absl::Status where = CheckKeys(keys);
  keys.clear();
  return where;
}

wire::KeyList DescribeKeys(absl::Span<const Key> keys) {
  const KeyListSignature signature = SignatureOf(keys);
  wire::KeyList list;
  list.set_signature_low(signature.low);
  list.set_signature_high(signature.high);
  list.set_count(static_cast<std::uint32_t>(keys.size()));
  return list;
}

}  // namespace ps
