// Which shard owns which slot: an immutable version (epoch) of the routing table.
//
// Slots are parts of the key space by its top bits, so a sorted key list falls into runs by shard.
// Immutable after construction; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ps/base/key.h"
#include "ps/wire/message.h"

namespace ps {

// Position of a shard in a routing table. Shards keep their node number when the table changes, but
// not this position.
using ShardIndex = std::uint32_t;

class RoutingTable {
 public:
  struct Shard {
    NodeId node = kNoNode;
    std::string endpoint;
    friend bool operator==(const Shard&, const Shard&) = default;
  };
  // Keys begin..end-1 of a list.
  struct IndexRange {
    std::size_t begin = 0;
    std::size_t end = 0;
    friend bool operator==(const IndexRange&, const IndexRange&) = default;
  };
  // One shard's keys of a sorted list: one range where its slots are neighbours.
  struct Part {
    ShardIndex shard = 0;
    std::size_t keys = 0;  // in all ranges
    absl::InlinedVector<IndexRange, 1> ranges;
  };

  // Contiguous slot ranges, each within one slot of the others in size. InvalidArgument without
  // shards, with more of them than slots, with a repeated node, or slot_bits
  // outside 1..kMaxSlotBits.
  static absl::StatusOr<RoutingTable> Even(std::uint64_t epoch, int slot_bits,
                                           std::vector<Shard> shards);
  static absl::StatusOr<RoutingTable> FromOwners(std::uint64_t epoch, int slot_bits,
                                                 std::vector<Shard> shards,
                                                 std::vector<std::uint16_t> owner);
  // The epoch comes from Body.epoch. InvalidArgument says what is wrong with the message.
  static absl::StatusOr<RoutingTable> FromWire(std::uint64_t epoch, const wire::Routing& routing);
  wire::Routing ToWire() const;

  std::uint64_t epoch() const { return epoch_; }
  int slot_bits() const { return slot_bits_; }
  SlotIndex slots() const { return static_cast<SlotIndex>(owner_.size()); }
  const std::vector<Shard>& shards() const { return shards_; }
  ShardIndex OwnerOf(SlotIndex slot) const { return owner_[slot]; }
  ShardIndex ShardOf(Key key) const { return owner_[SlotOf(key, slot_bits_)]; }
  // The position of a node's shard; InvalidArgument when it has none.
  absl::StatusOr<ShardIndex> ShardOfNode(NodeId node) const;
  std::vector<SlotIndex> SlotsOf(ShardIndex shard) const;
  // True when every key of a sorted list belongs to `shard`.
  bool OwnsAll(ShardIndex shard, absl::Span<const Key> sorted_keys) const;

  // Parts a sorted list by shard, in ascending order of each part's first key. Shards without a key
  // are left out. Costs a few comparisons for each run of slots that is met, not for each key.
  std::vector<Part> Split(absl::Span<const Key> sorted_keys) const;

 private:
  RoutingTable(std::uint64_t epoch, int slot_bits, std::vector<Shard> shards,
               std::vector<std::uint16_t> owner);

  // End of the run of keys that begins at `begin` and belongs to the same run of slots.
  std::size_t RunEnd(absl::Span<const Key> sorted_keys, std::size_t begin) const;

  std::uint64_t epoch_;
  int slot_bits_;
  std::vector<Shard> shards_;
  std::vector<std::uint16_t> owner_;  // a slot
  std::vector<SlotIndex>
      run_last_;  // a slot: the last of the neighbouring slots with the same owner
};

// The elements of `values` (keys, gradients, ...) in a part's ranges, one after the other.
template <typename T>
std::vector<T> Gather(const RoutingTable::Part& part, absl::Span<const T> values) {
  std::vector<T> gathered;
  gathered.reserve(part.keys);
  for (const RoutingTable::IndexRange& range : part.ranges) {
    gathered.insert(gathered.end(), values.begin() + range.begin, values.begin() + range.end);
  }
  return gathered;
}

// The reverse: writes a part's `gathered` elements to their places in the list of all keys.
template <typename T>
void Scatter(const RoutingTable::Part& part, absl::Span<const T> gathered, absl::Span<T> values) {
  std::size_t at = 0;
  for (const RoutingTable::IndexRange& range : part.ranges) {
    for (std::size_t i = range.begin; i < range.end; ++i) values[i] = gathered[at++];
  }
}

}  // namespace ps
