#include "ps/table/slot_table.h"

#include <glog/logging.h>

#include <algorithm>

#include "ps/table/admission_filter.h"
#include "ps/table/lookahead.h"

namespace ps {
SlotTable::SlotTable(const Options& options)
    : options_(options), buckets_(options.slot_bits, options.layout.state_bytes()) {
  if (options.min_count > 1) {
    filter_ = std::make_unique<AdmissionFilter>(options.slot_bits, options.min_count);
  }
}

SlotTable::~SlotTable() = default;

void SlotTable::Pull(absl::Span<const Key> keys, absl::Span<float> weights) const {
  CHECK_EQ(keys.size(), weights.size());
  const OptimizerParams params = options_.optimizer;
  const int lanes = options_.layout.lanes;
  buckets_.VisitBatch(keys.data(), keys.size(), [&](std::size_t i, BucketArray::Found found) {
    weights[i] = 0;
    if (found.payload != nullptr) {
      const auto* floats = reinterpret_cast<const float*>(found.payload);
      const float state[2] = {floats[0], floats[lanes]};
      weights[i] = WeightOf(params, state);
    }
    return false;
  });
}

float* SlotTable::Admit(Key key, unsigned count, std::byte* free_bucket, bool* grew) {
  if (filter_ != nullptr && !filter_->Admit(key, count)) return nullptr;
  const BucketArray::Inserted inserted = buckets_.Insert(key, free_bucket);
  ++size_;
  *grew = inserted.grew;
  return reinterpret_cast<float*>(inserted.payload);
}

void SlotTable::Push(absl::Span<const Key> keys, absl::Span<const float> gradients) {
  Push(keys, gradients, {});
}

void SlotTable::Push(absl::Span<const Key> keys, absl::Span<const float> gradients,
                     absl::Span<const std::uint8_t> counts) {
  CHECK_EQ(keys.size(), gradients.size());
  CHECK(counts.empty() || counts.size() == keys.size());
  const OptimizerParams params = options_.optimizer;
  buckets_.VisitBatch(keys.data(), keys.size(), [&](std::size_t i, BucketArray::Found found) {
    auto* state = reinterpret_cast<float*>(found.payload);
    bool grew = false;
    if (state == nullptr) {
      state = Admit(keys[i], counts.empty() ? 1 : counts[i], found.free_bucket, &grew);
    }
    if (state != nullptr) ApplyGradient(params, gradients[i], state);
    return grew;
  });
}

const float* SlotTable::Find(Key key) const {
  return reinterpret_cast<const float*>(buckets_.Find(key));
}

float* SlotTable::FindOrInsert(Key key) {
  if (std::byte* payload = buckets_.Find(key); payload != nullptr) {
    return reinterpret_cast<float*>(payload);
  }
  ++size_;
  return reinterpret_cast<float*>(buckets_.Insert(key).payload);
}

void SlotTable::ForEachInSlot(SlotIndex slot, const std::function<void(Key, float*)>& visit) {
  buckets_.ForEach(slot, [&](Key key, std::byte* p) { visit(key, reinterpret_cast<float*>(p)); });
}

void SlotTable::ForEachInSlot(SlotIndex slot,
                              const std::function<void(Key, const float*)>& visit) const {
  buckets_.ForEach(slot,
                   [&](Key key, std::byte* p) { visit(key, reinterpret_cast<const float*>(p)); });
}

std::size_t SlotTable::ShrinkSlot(SlotIndex slot) {
  const OptimizerParams params = options_.optimizer;
  const int lanes = options_.layout.lanes;
  const std::size_t dropped = buckets_.Filter(slot, [&](Key, const std::byte* payload) {
    const auto* floats = reinterpret_cast<const float*>(payload);
    for (int lane = 0; lane < lanes; ++lane) {
      const float state[2] = {floats[lane],
                              options_.layout.floats_per_lane > 1 ? floats[lanes + lane] : 0.0f};
      if (WeightOf(params, state) != 0.0f) return true;
    }
    return false;
  });
  size_ -= dropped;
  return dropped;
}

void SlotTable::ClearSlot(SlotIndex slot) {
  size_ -= buckets_.head(slot).size;
  buckets_.ClearSlot(slot);
  if (filter_ != nullptr) filter_->ClearSlot(slot);
}

std::string SlotTable::SaveFilter(SlotIndex slot) const {
  return filter_ == nullptr ? "" : filter_->SaveSlot(slot);
}

bool SlotTable::LoadFilter(SlotIndex slot, std::string_view bytes) {
  return filter_ == nullptr ? bytes.empty() : filter_->LoadSlot(slot, bytes);
}

std::size_t SlotTable::slot_size(SlotIndex slot) const { return buckets_.head(slot).size; }

std::size_t SlotTable::memory_bytes() const {
  return buckets_.memory_bytes() + (filter_ == nullptr ? 0 : filter_->memory_bytes());
}

}  // namespace ps
