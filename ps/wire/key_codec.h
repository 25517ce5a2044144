// Key lists on the wire: sorted, distinct, non-zero 64-bit keys. PROTOCOL.md is the normative
// description.
//
//   section := nothing, for no keys
//            | first key (u64) group*         each group but the last holds 32 further keys
//   group   := width (u8: 0..56, or 64) bits  gap - 1 of each key to the one before, `width` bits
//   each
//
// Gaps of uniform keys differ little within a group, so a shared width costs 2 % over their entropy
// and decodes without a branch a key. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ps/base/key.h"
#include "ps/wire/message.pb.h"

namespace ps {

// Bounds what a few bytes on the wire can make a receiver allocate (128 MiB).
inline constexpr std::size_t kMaxKeysPerList = std::size_t{1} << 24;

// XXH3-128 of the keys as little-endian 64-bit integers: names a list, so that it need not be sent
// twice.
struct KeyListSignature {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const KeyListSignature&, const KeyListSignature&) = default;
};
template <typename H>
H AbslHashValue(H h, const KeyListSignature& signature) {
  return H::combine(std::move(h), signature.low, signature.high);
}

KeyListSignature SignatureOf(absl::Span<const Key> keys);

// InvalidArgument unless the keys are ascending, distinct and not 0, and at most kMaxKeysPerList.
absl::Status CheckKeys(absl::Span<const Key> keys);

// The section of a list that CheckKeys accepts (not checked again here). A last width group is
// padded with zero bits to a whole byte.
std::string EncodeKeys(absl::Span<const Key> keys);
void AppendKeys(absl::Span<const Key> keys, std::string* out);

// Reads exactly `count` keys out of all of `section` into `keys`, which is overwritten.
// InvalidArgument names the byte. Keys that are returned are ascending, distinct and not 0.
absl::Status DecodeKeys(std::string_view section, std::size_t count, std::vector<Key>& keys);

// The KeyList message of a list: its signature and count.
wire::KeyList DescribeKeys(absl::Span<const Key> keys);

}  // namespace ps
