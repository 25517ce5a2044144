#include "ps/server/slot_data.h"

#include "kernels/optimizer.h"
#include "ps/base/status_macros.h"

namespace ps {

void SlotData::Apply(const Gradients& gradients, KeyRange range) {
  const std::size_t count = range.end - range.begin;
  const auto keys = gradients.keys.subspan(range.begin, count);
  const auto values = gradients.values.subspan(range.begin, count);
  if (gradients.weights) {
    for (std::size_t i = 0; i < count; ++i) {
      if (values[i] == 0) continue;
      SetStateToWeight(table.options().optimizer, values[i], table.FindOrInsert(keys[i]));
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

absl::Status SlotData::Load(SlotIndex slot, const SlotImage& image) {
  PS_RETURN_IF_ERROR(PutEntries(image, slot, table));
  ledger.PutSlot(slot, image);
  seq[slot] = image.seq;
  return absl::OkStatus();
}

void SlotData::Clear(SlotIndex slot) {
  table.ClearSlot(slot);
  ledger.ClearSlot(slot);
  seq[slot] = 0;
}

}  // namespace ps
