// What a shard's slots contain: entries of the table, the ledger of pushes, and how many pushes each
// slot has had. The primary and its copies change it in the same order and get the same bytes.
// One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ps/server/lane_history.h"
#include "ps/server/push_ledger.h"
#include "ps/table/slot_image.h"
#include "ps/table/slot_table.h"

namespace ps {

// A push, or weights to start from. A key has as many values as the table has lanes, and one weight;
// counts may be empty (1 each).
struct Gradients {
  absl::Span<const Key> keys;
  absl::Span<const float> values;
  absl::Span<const std::uint8_t> counts;
  bool weights = false;  // values are weights to start from

  std::size_t width() const { return keys.empty() ? 1 : values.size() / keys.size(); }
  absl::Span<const float> ValuesOf(KeyRange range) const {
    return values.subspan(range.begin * width(), (range.end - range.begin) * width());
  }
};

struct SlotData {
  explicit SlotData(const SlotTable::Options& options)
      : table(options), ledger(options.slot_bits), seq(std::size_t{1} << options.slot_bits, 0), lanes(options) {}

  // Applies [range) of the gradients, without a duplicate check.
  void Apply(const Gradients& gradients, KeyRange range);
  SlotIndex SlotOfKey(Key key) const { return SlotOf(key, table.options().slot_bits); }

  SlotImage Image(SlotIndex slot) const;
  // Of a slot as it was after so many changes of lanes.
  absl::Status Load(SlotIndex slot, SlotImage image, std::size_t lane_changes);
  // The lanes are those after these changes from now on. Fewer than there were: all slots begin anew.
  // InvalidArgument, and nothing changed, for changes that cannot be.
  absl::Status FollowLanes(const google::protobuf::RepeatedPtrField<wire::LaneChange>& changes);
  void Clear(SlotIndex slot);

  SlotTable table;
  PushLedger ledger;
  std::vector<std::uint64_t> seq;  // a slot: log entries applied
  LaneHistory lanes;
};

// Calls visit(slot, range) for the runs of sorted keys that belong to one slot.
template <typename Visit>
void ForEachSlotRun(absl::Span<const Key> keys, KeyRange within, int slot_bits, const Visit& visit) {
  for (std::size_t begin = within.begin; begin < within.end;) {
    const SlotIndex slot = SlotOf(keys[begin], slot_bits);
    std::size_t end = begin + 1;
    while (end < within.end && SlotOf(keys[end], slot_bits) == slot) ++end;
    visit(slot, KeyRange{begin, end});
    begin = end;
  }
}

}  // namespace ps
