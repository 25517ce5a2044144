// Who holds a slot, by the scheduler's word: the durable configuration of a slot, and its bytes in
// Config messages and in the scheduler's store. Plain data; decoding trusts nothing.
//
// Versions are those of the whole configuration (Body.epoch of Config): `ver` is the one at which
// this slot changed last. All integers little-endian:
//   slot_entry := slot (u32) term (u32) ver (u64) restore_term (u32) sync_target (u32) sync_id (u64)
//                 members (kMostReplicas × u32; the first is the primary; 0 behind the last)
#pragma once

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "ps/base/key.h"
#include "ps/wire/message.h"

namespace ps {

inline constexpr int kMostReplicas = 3;
inline constexpr NodeId kNobody = 0;  // the scheduler's own number: it holds no slots

struct SlotConfig {
  std::uint32_t term = 0;          // raised at every change of primary
  std::uint64_t ver = 0;           // only grows
  std::uint32_t restore_term = 0;  // equal to term: the primary begins from the last checkpoint
  NodeId sync_target = kNobody;    // is being brought up
  std::uint64_t sync_id = 0;       // the version at which that began
  absl::InlinedVector<NodeId, kMostReplicas> members;  // the primary first; empty: nobody has it

  NodeId primary() const { return members.empty() ? kNobody : members.front(); }
  bool HasMember(NodeId node) const {
    return std::find(members.begin(), members.end(), node) != members.end();
  }
  friend bool operator==(const SlotConfig&, const SlotConfig&) = default;
};

struct NumberedSlotConfig {
  SlotIndex slot = 0;
  SlotConfig config;
};

void AppendSlotConfig(SlotIndex slot, const SlotConfig& config, std::string* bytes);
// All entries; InvalidArgument for bytes left over, slots from `slots` on, a member listed twice or
// behind a gap, or a sync target that is a member.
absl::StatusOr<std::vector<NumberedSlotConfig>> DecodeSlotConfigs(std::string_view bytes,
                                                                  std::uint32_t slots);

// A Config message of version `epoch` with these slots: those that changed since `base`.
Message MakeConfig(std::uint64_t epoch, std::uint64_t base,
                   absl::Span<const NumberedSlotConfig> slots);
// Of one server that is primary of every slot.
Message MakeSoleConfig(std::uint64_t epoch, NodeId node, std::uint32_t slots);

}  // namespace ps
