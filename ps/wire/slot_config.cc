#include "ps/wire/slot_config.h"

#include <bit>
#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

static_assert(std::endian::native == std::endian::little);

struct Packed {
  std::uint32_t slot, term;
  std::uint64_t ver;
  std::uint32_t restore_term, sync_target;
  std::uint64_t sync_id;
  std::uint32_t members[kMostReplicas];
};
// Without the padding that the struct may have at its end.
constexpr std::size_t kPackedBytes = offsetof(Packed, members) + sizeof(Packed::members);
static_assert(kPackedBytes == 44);

}  // namespace

void AppendSlotConfig(SlotIndex slot, const SlotConfig& config, std::string* bytes) {
  Packed packed = {};
  packed.slot = slot;
  packed.term = config.term;
  packed.ver = config.ver;
  packed.restore_term = config.restore_term;
  packed.sync_target = config.sync_target;
  packed.sync_id = config.sync_id;
  for (std::size_t i = 0; i < config.members.size() && i < kMostReplicas; ++i) {
    packed.members[i] = config.members[i];
  }
  bytes->append(reinterpret_cast<const char*>(&packed), kPackedBytes);
}

absl::StatusOr<std::vector<NumberedSlotConfig>> DecodeSlotConfigs(std::string_view bytes,
                                                                  std::uint32_t slots) {
  if (bytes.size() % kPackedBytes != 0) {
    return absl::InvalidArgumentError("slot configuration: bytes left over");
  }
  std::vector<NumberedSlotConfig> entries(bytes.size() / kPackedBytes);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    Packed packed;
    std::memcpy(&packed, bytes.data() + i * kPackedBytes, kPackedBytes);
    NumberedSlotConfig& entry = entries[i];
    entry.slot = packed.slot;
    entry.config.term = packed.term;
    entry.config.ver = packed.ver;
    entry.config.restore_term = packed.restore_term;
    entry.config.sync_target = packed.sync_target;
    entry.config.sync_id = packed.sync_id;
    bool ended = false;
    bool wrong = packed.slot >= slots;
    for (const std::uint32_t member : packed.members) {
      wrong |= member != kNobody && (ended || entry.config.HasMember(member));
      ended |= member == kNobody;
      if (member != kNobody) entry.config.members.push_back(member);
    }
    wrong |= packed.sync_target != kNobody && entry.config.HasMember(packed.sync_target);
    if (wrong) return absl::InvalidArgumentError(absl::StrCat("slot configuration: entry ", i));
  }
  return entries;
}

Message MakeConfig(std::uint64_t epoch, std::uint64_t base,
                   absl::Span<const NumberedSlotConfig> slots) {
  Message message;
  message.body.set_epoch(epoch);
  message.body.mutable_config()->set_base(base);
  std::string& bytes = message.sections.emplace_back();
  bytes.reserve(slots.size() * kPackedBytes);
  for (const NumberedSlotConfig& entry : slots) AppendSlotConfig(entry.slot, entry.config, &bytes);
  return message;
}

Message MakeSoleConfig(std::uint64_t epoch, NodeId node, std::uint32_t slots) {
  std::vector<NumberedSlotConfig> entries(slots);
  for (SlotIndex slot = 0; slot < slots; ++slot) {
    entries[slot].slot = slot;
    entries[slot].config.term = 1;
    entries[slot].config.ver = epoch;
    entries[slot].config.members = {node};
  }
  return MakeConfig(epoch, 0, entries);
}

}  // namespace ps
