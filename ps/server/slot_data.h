// What a shard's slots contain: entries of the table, the ledger of pushes, and how many pushes each
// slot has had. The primary and its copies change it in the same order and get the same bytes.
// One thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "ps/server/push_ledger.h"
#include "ps/table/slot_image.h"
#include "ps/table/slot_table.h"

namespace ps {

// A push, or weights to start from. Spans are of one length, counts may be empty (1 each).
struct Gradients {
  absl::Span<const Key> keys;
  absl::Span<const float> values;
  absl::Span<const std::uint8_t> counts;
  bool weights = false;  // values are weights to start from
};

struct SlotData {
  explicit SlotData(const SlotTable::Options& options)
      : table(options), ledger(options.slot_bits), seq(std::size_t{1} << options.slot_bits, 0) {}

  // Applies [range) of the gradients, without a duplicate check.
  void Apply(const Gradients& gradients, KeyRange range);
  SlotIndex SlotOfKey(Key key) const { return SlotOf(key, table.options().slot_bits); }

  SlotImage Image(SlotIndex slot) const;
  absl::Status Load(SlotIndex slot, const SlotImage& image);
  void Clear(SlotIndex slot);

  SlotTable table;
  PushLedger ledger;
  std::vector<std::uint64_t> seq;  // a slot: log entries applied
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
