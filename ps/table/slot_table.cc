#include "ps/table/slot_table.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>

#include "kernels/lane_step_avx2.h"
#include "ps/table/admission_filter.h"
#include "ps/table/lookahead.h"

namespace ps {
namespace {

// One lane of an entry as kernels/optimizer.h has it, and back.
struct OneLane {
  OneLane(const float* entry, int lanes, int lane) : state{entry[lane], entry[lanes + lane]} {}
  explicit OneLane(const float* entry) : state{entry[0], 0} {}
  float state[2];
};

OneLane LaneOf(const float* entry, const EntryLayout& layout, int lane) {
  return layout.floats_per_lane > 1 ? OneLane(entry, layout.lanes, lane) : OneLane(entry + lane);
}

void PutLane(const OneLane& one, const EntryLayout& layout, int lane, float* entry) {
  entry[lane] = one.state[0];
  if (layout.floats_per_lane > 1) entry[layout.lanes + lane] = one.state[1];
}

// What LaneStep is for FTRL, of other optimisers: by their definitions.
class PlainLaneStep {
 public:
  explicit PlainLaneStep(LaneSettings lanes)
      : lanes_(lanes), layout_(EntryLayout::For(lanes[0].type, static_cast<int>(lanes.size()))) {}
  void Weights(const float* state, float* weights) const {
    for (int k = 0; k < layout_.lanes; ++k) weights[k] = WeightOf(lanes_[k], LaneOf(state, layout_, k).state);
  }
  void Apply(const float* gradients, float* state) const {
    for (int k = 0; k < layout_.lanes; ++k) {
      OneLane one = LaneOf(state, layout_, k);
      ApplyGradient(lanes_[k], gradients[k], one.state);
      PutLane(one, layout_, k, state);
    }
  }

 private:
  const LaneSettings lanes_;
  const EntryLayout layout_;
};

}  // namespace

LaneChanger::LaneChanger(const SlotTable::Options& before, absl::Span<const OptimizerParams> after,
                         absl::Span<const LaneOrigin> origins)
    : before_(before.lanes.empty() ? std::vector{before.optimizer} : before.lanes),
      after_(after.begin(), after.end()),
      origins_(origins.begin(), origins.end()),
      layout_(before.layout) {}

void LaneChanger::Apply(std::size_t entries, float* states) const {
  if (after_[0].type == Optimizer::kFtrl) return KeepLanes(before_, after_, origins_, entries, states);
  const EntryLayout after = EntryLayout::For(after_[0].type, static_cast<int>(after_.size()));
  std::vector<float> entry(layout_.state_floats());
  for (std::size_t i = 0; i < entries; ++i) {  // forwards: an entry ends no later than it did
    std::copy_n(states + i * entry.size(), entry.size(), entry.data());
    for (int k = 0; k < after.lanes; ++k) {
      PutLane(LaneOf(entry.data(), layout_, origins_[k].from), after, k, states + i * after.state_floats());
    }
  }
}

SlotTable::SlotTable(const Options& options)
    : options_(options), buckets_(std::make_unique<BucketArray>(options.slot_bits, options.layout.state_bytes())) {
  CHECK_EQ(options.layout.lanes, options.lanes.empty() ? 1 : options.lanes.size());
  if (options.min_count > 1) {
    filter_ = std::make_unique<AdmissionFilter>(options.slot_bits, options.min_count);
  }
}

SlotTable::~SlotTable() = default;

template <typename Visit>
void SlotTable::WithLanes(const Visit& visit) const {
  const LaneSettings lanes = options_.lanes;
  if (lanes[0].type != Optimizer::kFtrl) return visit(PlainLaneStep(lanes));
  switch (lanes.size()) {
    case 2:
      return visit(LaneStep<2>(lanes));
    case 4:
      return visit(LaneStep<4>(lanes));
    case 8:
      return visit(LaneStep<8>(lanes));
    default:
      return visit(LaneStep<16>(lanes));
  }
}

void SlotTable::Pull(absl::Span<const Key> keys, absl::Span<float> weights) const {
  const auto width = static_cast<std::size_t>(lanes());
  CHECK_EQ(keys.size() * width, weights.size());
  if (width == 1) {
    const OptimizerParams params = options_.optimizer;
    buckets_->VisitBatch(keys.data(), keys.size(), [&](std::size_t i, BucketArray::Found found) {
      weights[i] = 0;
      if (found.payload != nullptr) {
        weights[i] = WeightOf(params, reinterpret_cast<const float*>(found.payload));
      }
      return false;
    });
    return;
  }
  WithLanes([&](const auto& step) {
    buckets_->VisitBatch(keys.data(), keys.size(), [&](std::size_t i, BucketArray::Found found) {
      float* const to = weights.data() + i * width;
      if (found.payload != nullptr) {
        step.Weights(reinterpret_cast<const float*>(found.payload), to);
      } else {
        std::fill_n(to, width, 0.0f);
      }
      return false;
    });
  });
}

float* SlotTable::Admit(Key key, unsigned count, std::byte* free_bucket, bool* grew) {
  if (filter_ != nullptr && !filter_->Admit(key, count)) return nullptr;
  const BucketArray::Inserted inserted = buckets_->Insert(key, free_bucket);
  ++size_;
  *grew = inserted.grew;
  return reinterpret_cast<float*>(inserted.payload);
}

void SlotTable::Push(absl::Span<const Key> keys, absl::Span<const float> gradients) {
  Push(keys, gradients, {});
}

void SlotTable::Push(absl::Span<const Key> keys, absl::Span<const float> gradients,
                     absl::Span<const std::uint8_t> counts) {
  const auto width = static_cast<std::size_t>(lanes());
  CHECK_EQ(keys.size() * width, gradients.size());
  CHECK(counts.empty() || counts.size() == keys.size());
  if (width == 1) {
    const OptimizerParams params = options_.optimizer;
    UpdateAll(keys, counts, [params, from = gradients.data()](std::size_t i, float* state) {
      ApplyGradient(params, from[i], state);
    });
    return;
  }
  WithLanes([&](const auto& step) {
    UpdateAll(keys, counts, [&step, width, from = gradients.data()](std::size_t i, float* state) {
      step.Apply(from + i * width, state);
    });
  });
}

template <typename Apply>
void SlotTable::UpdateAll(absl::Span<const Key> keys, absl::Span<const std::uint8_t> counts, const Apply& apply) {
  // `apply` by value: one indirection less for every key.
  buckets_->VisitBatch(keys.data(), keys.size(), [this, keys, counts, apply](std::size_t i, BucketArray::Found found) {
    auto* state = reinterpret_cast<float*>(found.payload);
    bool grew = false;
    if (state == nullptr) {
      state = Admit(keys[i], counts.empty() ? 1 : counts[i], found.free_bucket, &grew);
    }
    if (state != nullptr) apply(i, state);
    return grew;
  });
}

float SlotTable::WeightOfLane(const float* state, int lane) const {
  return WeightOf(params(lane), LaneOf(state, options_.layout, lane).state);
}

void SlotTable::SetWeight(float weight, float* state) const {
  for (int lane = 0; lane < lanes(); ++lane) {
    OneLane one = LaneOf(state, options_.layout, lane);
    SetStateToWeight(params(lane), weight, one.state);
    PutLane(one, options_.layout, lane, state);
  }
}

const float* SlotTable::Find(Key key) const {
  return reinterpret_cast<const float*>(buckets_->Find(key));
}

float* SlotTable::FindOrInsert(Key key) {
  if (std::byte* payload = buckets_->Find(key); payload != nullptr) {
    return reinterpret_cast<float*>(payload);
  }
  ++size_;
  return reinterpret_cast<float*>(buckets_->Insert(key).payload);
}

void SlotTable::SetLanes(std::vector<OptimizerParams> lanes, Options* options) {
  options->layout = EntryLayout::For(lanes[0].type, static_cast<int>(lanes.size()));
  options->optimizer = lanes[0];
  if (lanes.size() == 1) lanes.clear();
  options->lanes = std::move(lanes);
}

void SlotTable::Restart(std::vector<OptimizerParams> lanes) {
  for (SlotIndex slot = 0; slot < slots(); ++slot) ClearSlot(slot);
  SetLanes(std::move(lanes), &options_);
  buckets_ = std::make_unique<BucketArray>(options_.slot_bits, options_.layout.state_bytes());
}

void SlotTable::ChangeLanes(std::vector<OptimizerParams> lanes, absl::Span<const LaneOrigin> origins) {
  const LaneChanger change(options_, lanes, origins);
  SetLanes(std::move(lanes), &options_);
  auto buckets = std::make_unique<BucketArray>(options_.slot_bits, options_.layout.state_bytes());
  std::vector<Key> keys;
  std::vector<float> states;
  for (SlotIndex slot = 0; slot < slots(); ++slot) {
    keys.clear();
    states.clear();
    buckets_->ForEach(slot, [&](Key key, const std::byte* payload) {
      keys.push_back(key);
      const auto* const floats = reinterpret_cast<const float*>(payload);
      states.insert(states.end(), floats, floats + change.floats_before());
    });
    buckets_->ClearSlot(slot);  // before others need the place
    change.Apply(keys.size(), states.data());
    const std::size_t bytes = options_.layout.state_bytes();
    for (std::size_t i = 0; i < keys.size(); ++i) {
      std::memcpy(buckets->Insert(keys[i]).payload, states.data() + i * options_.layout.state_floats(), bytes);
    }
  }
  buckets_ = std::move(buckets);
}

void SlotTable::ForEachInSlot(SlotIndex slot, const std::function<void(Key, float*)>& visit) {
  buckets_->ForEach(slot, [&](Key key, std::byte* p) { visit(key, reinterpret_cast<float*>(p)); });
}

void SlotTable::ForEachInSlot(SlotIndex slot,
                              const std::function<void(Key, const float*)>& visit) const {
  buckets_->ForEach(slot,
                   [&](Key key, std::byte* p) { visit(key, reinterpret_cast<const float*>(p)); });
}

std::size_t SlotTable::ShrinkSlot(SlotIndex slot) {
  const std::size_t dropped = buckets_->Filter(slot, [&](Key, const std::byte* payload) {
    for (int lane = 0; lane < lanes(); ++lane) {
      if (WeightOfLane(reinterpret_cast<const float*>(payload), lane) != 0.0f) return true;
    }
    return false;
  });
  size_ -= dropped;
  return dropped;
}

void SlotTable::ClearSlot(SlotIndex slot) {
  size_ -= buckets_->head(slot).size;
  buckets_->ClearSlot(slot);
  if (filter_ != nullptr) filter_->ClearSlot(slot);
}

std::string SlotTable::SaveFilter(SlotIndex slot) const {
  return filter_ == nullptr ? "" : filter_->SaveSlot(slot);
}

bool SlotTable::LoadFilter(SlotIndex slot, std::string_view bytes) {
  return filter_ == nullptr ? bytes.empty() : filter_->LoadSlot(slot, bytes);
}

std::size_t SlotTable::slot_size(SlotIndex slot) const { return buckets_->head(slot).size; }

std::size_t SlotTable::memory_bytes() const {
  return buckets_->memory_bytes() + (filter_ == nullptr ? 0 : filter_->memory_bytes());
}

}  // namespace ps
