#include "ps/server/slot_data.h"

#include "ps/base/status_macros.h"

namespace ps {

void SlotData::Apply(const Gradients& gradients, KeyRange range) {
  const std::size_t count = range.end - range.begin;
  const auto keys = gradients.keys.subspan(range.begin, count);
  const auto values = gradients.ValuesOf(range);
  if (gradients.weights) {
    for (std::size_t i = 0; i < count; ++i) {
      if (values[i] == 0) continue;
      table.SetWeight(values[i], table.FindOrInsert(keys[i]));
    }
  } else if (gradients.counts.empty()) {
    table.Push(keys, values);
  } else {
    table.Push(keys, values, gradients.counts.subspan(range.begin, count));
  }
}

SlotImage SlotData::Image(SlotIndex slot) const {
  SlotImage image;
  TakeEntries(table, slot, &image);
  ledger.TakeSlot(slot, &image);
  image.seq = seq[slot];
  return image;
}

absl::Status SlotData::Load(SlotIndex slot, SlotImage image, std::size_t lane_changes) {
  PS_RETURN_IF_ERROR(lanes.BringUp(lane_changes, &image));
  PS_RETURN_IF_ERROR(PutEntries(image, slot, table));
  ledger.PutSlot(slot, image);
  seq[slot] = image.seq;
  return absl::OkStatus();
}

absl::Status SlotData::FollowLanes(const google::protobuf::RepeatedPtrField<wire::LaneChange>& changes) {
  const std::size_t before = lanes.changes();
  const auto count = static_cast<std::size_t>(changes.size());
  if (count == before) return absl::OkStatus();
  PS_RETURN_IF_ERROR(lanes.Set(changes));
  if (count < before) {
    table.Restart(lanes.settings());
    return absl::OkStatus();
  }
  for (std::size_t i = before; i < count; ++i) table.ChangeLanes(lanes.settings(i + 1), lanes.origins(i));
  for (std::uint64_t& pushes : seq) ++pushes;  // no slot, not even an empty one, is what a checkpoint before has
  return absl::OkStatus();
}

void SlotData::Clear(SlotIndex slot) {
  table.ClearSlot(slot);
  ledger.ClearSlot(slot);
  seq[slot] = 0;
}

}  // namespace ps
