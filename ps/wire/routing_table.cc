#include "ps/wire/routing_table.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"

namespace ps {
namespace {

constexpr std::size_t kNoPart = ~std::size_t{0};

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat("routing: ", parts...));
}

absl::Status CheckShape(int slot_bits, const std::vector<RoutingTable::Shard>& shards) {
  if (slot_bits < 1 || slot_bits > kMaxSlotBits) {
    return Invalid(slot_bits, " slot bits, not 1 to ", kMaxSlotBits);
  }
  if (shards.empty()) return Invalid("no servers");
  if (shards.size() > std::size_t{1} << slot_bits) {
    return Invalid(shards.size(), " servers for ", std::size_t{1} << slot_bits, " slots");
  }
  absl::flat_hash_set<NodeId> nodes;
  for (const RoutingTable::Shard& shard : shards) {
    if (!nodes.insert(shard.node).second) return Invalid("node ", shard.node, " is listed twice");
  }
  return absl::OkStatus();
}

}  // namespace

RoutingTable::RoutingTable(std::uint64_t epoch, int slot_bits, std::vector<Shard> shards,
                           std::vector<std::uint16_t> owner)
    : epoch_(epoch),
      slot_bits_(slot_bits),
      shards_(std::move(shards)),
      owner_(std::move(owner)),
      run_last_(owner_.size()) {
  for (std::size_t slot = owner_.size(); slot-- > 0;) {
    const bool ends = slot + 1 == owner_.size() || owner_[slot + 1] != owner_[slot];
    run_last_[slot] = ends ? static_cast<SlotIndex>(slot) : run_last_[slot + 1];
  }
}

absl::StatusOr<RoutingTable> RoutingTable::Even(std::uint64_t epoch, int slot_bits,
                                                std::vector<Shard> shards) {
  if (absl::Status shape = CheckShape(slot_bits, shards); !shape.ok()) return shape;
  const std::uint64_t slots = std::uint64_t{1} << slot_bits;
  std::vector<std::uint16_t> owner(slots);
  for (std::uint64_t slot = 0; slot < slots; ++slot) {
    owner[slot] = static_cast<std::uint16_t>(slot * shards.size() / slots);
  }
  return RoutingTable(epoch, slot_bits, std::move(shards), std::move(owner));
}

absl::StatusOr<RoutingTable> RoutingTable::FromOwners(std::uint64_t epoch, int slot_bits,
                                                      std::vector<Shard> shards,
                                                      std::vector<std::uint16_t> owner) {
  if (absl::Status shape = CheckShape(slot_bits, shards); !shape.ok()) return shape;
  if (owner.size() != std::size_t{1} << slot_bits) {
    return Invalid(owner.size(), " owners for ", std::size_t{1} << slot_bits, " slots");
  }
  for (std::size_t slot = 0; slot < owner.size(); ++slot) {
    if (owner[slot] >= shards.size()) {
      return Invalid("slot ", slot, " belongs to server ", owner[slot], " of ", shards.size());
    }
  }
  return RoutingTable(epoch, slot_bits, std::move(shards), std::move(owner));
}

absl::StatusOr<RoutingTable> RoutingTable::FromWire(std::uint64_t epoch,
                                                    const wire::Routing& routing) {
  // Before it is used as a shift: the wire may say anything.
  if (routing.slot_bits() > static_cast<std::uint32_t>(kMaxSlotBits)) {
    return Invalid(routing.slot_bits(), " slot bits, at most ", kMaxSlotBits);
  }
  if (routing.owner().size() != (std::size_t{1} << routing.slot_bits()) * sizeof(std::uint16_t)) {
    return Invalid(routing.owner().size(), " bytes of owners for ", routing.slot_bits(),
                   " slot bits");
  }
  std::vector<Shard> shards;
  shards.reserve(routing.shards_size());
  for (const wire::Routing::Shard& shard : routing.shards()) {
    shards.push_back({shard.node(), shard.endpoint()});
  }
  std::vector<std::uint16_t> owner(routing.owner().size() / sizeof(std::uint16_t));
  std::memcpy(owner.data(), routing.owner().data(), routing.owner().size());
  return FromOwners(epoch, static_cast<int>(routing.slot_bits()), std::move(shards),
                    std::move(owner));
}

wire::Routing RoutingTable::ToWire() const {
  wire::Routing routing;
  routing.set_slot_bits(static_cast<std::uint32_t>(slot_bits_));
  for (const Shard& shard : shards_) {
    wire::Routing::Shard& to = *routing.add_shards();
    to.set_node(shard.node);
    to.set_endpoint(shard.endpoint);
  }
  routing.set_owner(owner_.data(), owner_.size() * sizeof(std::uint16_t));
  return routing;
}

absl::StatusOr<ShardIndex> RoutingTable::ShardOfNode(NodeId node) const {
  for (std::size_t i = 0; i < shards_.size(); ++i) {
    if (shards_[i].node == node) return static_cast<ShardIndex>(i);
  }
  return Invalid("node ", node, " is no server of epoch ", epoch_);
}

std::vector<SlotIndex> RoutingTable::SlotsOf(ShardIndex shard) const {
  std::vector<SlotIndex> slots;
  for (std::size_t slot = 0; slot < owner_.size(); ++slot) {
    if (owner_[slot] == shard) slots.push_back(static_cast<SlotIndex>(slot));
  }
  return slots;
}

std::size_t RoutingTable::RunEnd(absl::Span<const Key> sorted_keys, std::size_t begin) const {
  const SlotIndex last = run_last_[SlotOf(sorted_keys[begin], slot_bits_)];
  const auto inside = [&](Key key) { return SlotOf(key, slot_bits_) <= last; };
  // Steps that double, then bisection between the last two: cheap for short runs and for long ones.
  std::size_t step = 1;
  std::size_t low = begin;
  while (low + step < sorted_keys.size() && inside(sorted_keys[low + step])) {
    low += step;
    step *= 2;
  }
  const std::size_t high = std::min(low + step, sorted_keys.size());
  const Key* end =
      std::partition_point(sorted_keys.data() + low + 1, sorted_keys.data() + high, inside);
  return static_cast<std::size_t>(end - sorted_keys.data());
}

bool RoutingTable::OwnsAll(ShardIndex shard, absl::Span<const Key> sorted_keys) const {
  for (std::size_t i = 0; i < sorted_keys.size(); i = RunEnd(sorted_keys, i)) {
    if (ShardOf(sorted_keys[i]) != shard) return false;
  }
  return true;
}

std::vector<RoutingTable::Part> RoutingTable::Split(absl::Span<const Key> sorted_keys) const {
  std::vector<Part> parts;
  std::vector<std::size_t> part_of(shards_.size(), kNoPart);
  for (std::size_t i = 0; i < sorted_keys.size();) {
    const std::size_t end = RunEnd(sorted_keys, i);
    const ShardIndex shard = ShardOf(sorted_keys[i]);
    if (part_of[shard] == kNoPart) {
      part_of[shard] = parts.size();
      parts.emplace_back().shard = shard;
    }
    Part& part = parts[part_of[shard]];
    part.keys += end - i;
    // Another shard's slots may lie between two runs without a key of the list in them.
    if (!part.ranges.empty() && part.ranges.back().end == i) {
      part.ranges.back().end = end;
    } else {
      part.ranges.push_back({i, end});
    }
    i = end;
  }
  return parts;
}

}  // namespace ps
