// The sparse table of one shard: key -> optimiser state, exact 64-bit keys, in memory.
//
// Each slot (top bits of the key) has an open-addressing table of its own, made of buckets that hold a few
// keys and their state side by side: one cache line a bucket for one-lane FTRL, so one DRAM access a key.
// A bucket's index is multiply-shift of the key's bits below the slot, so a slot's capacity is any number;
// slots grow by about 1.25x, each at its own phase, so that at any size of the table the mean load is the same
// and nothing rehashes as a whole.
//
// Threads: one. A shard's core owns its table; nothing here locks.
// Batched calls prefetch; give them at least a few dozen keys at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/types/span.h"
#include "kernels/lane_learner.h"
#include "kernels/optimizer.h"
#include "ps/base/key.h"
#include "ps/table/bucket_array.h"
#include "ps/table/entry_layout.h"

namespace ps {

class AdmissionFilter;

class SlotTable {
 public:
  struct Options {
    int slot_bits = kDefaultSlotBits;
    EntryLayout layout;
    OptimizerParams optimizer;
    // Of a table of several lanes, the setting of each, all of one type; empty: `optimizer` is the only one.
    std::vector<OptimizerParams> lanes;
    int min_count = 1;               // a key enters on its min_count-th push; 1: at once
  };
  explicit SlotTable(const Options& options);
  ~SlotTable();
  SlotTable(const SlotTable&) = delete;
  SlotTable& operator=(const SlotTable&) = delete;

  int lanes() const { return options_.layout.lanes; }

  // The weights of each key, lanes() side by side; 0 for absent keys. Never inserts.
  void Pull(absl::Span<const Key> keys, absl::Span<float> weights) const;

  // Applies the gradients of each key, lanes() side by side, to it (distinct, non-zero keys), inserting what is absent
  // and admitted.
  void Push(absl::Span<const Key> keys, absl::Span<const float> gradients);

  // As Push, for keys counted several times at once: admission sees counts[i] appearances.
  void Push(absl::Span<const Key> keys, absl::Span<const float> gradients,
            absl::Span<const std::uint8_t> counts);

  // State of one key, or nullptr. Valid until the next insertion into its slot.
  const float* Find(Key key) const;
  // Inserts the key (zero state) if absent, bypassing admission: warm start, restore, copies.
  float* FindOrInsert(Key key);

  // Of an entry of this table.
  float WeightOfLane(const float* state, int lane) const;
  // Makes a new entry stand for a weight in every lane: a warm start.
  void SetWeight(float weight, float* state) const;

  // Other lanes, at most as many: each is one that there was, as it was or (FTRL) reborn under its new setting. Memory of
  // lanes that are no more is given back.
  void ChangeLanes(std::vector<OptimizerParams> lanes, absl::Span<const LaneOrigin> origins);
  // Without any entries, these lanes.
  void Restart(std::vector<OptimizerParams> lanes);

  // Calls visit(key, state) for all entries of a slot, in unspecified order.
  void ForEachInSlot(SlotIndex slot, const std::function<void(Key, float*)>& visit);
  void ForEachInSlot(SlotIndex slot, const std::function<void(Key, const float*)>& visit) const;

  // Drops the entries of a slot whose weight is zero in every lane; returns how many.
  std::size_t ShrinkSlot(SlotIndex slot);
  void ClearSlot(SlotIndex slot);    // its entries and its part of the admission filter

  // The slot's part of the admission filter (AdmissionFilter::SaveSlot); empty without one. LoadFilter is false,
  // and changes nothing, for bytes that are not that, or that count something when min_count is 1.
  std::string SaveFilter(SlotIndex slot) const;
  bool LoadFilter(SlotIndex slot, std::string_view bytes);

  std::size_t size() const { return size_; }
  std::size_t slot_size(SlotIndex slot) const;
  std::uint32_t slots() const { return 1u << options_.slot_bits; }
  std::size_t memory_bytes() const;   // buckets, metadata and filter
  const Options& options() const { return options_; }

 private:
  const OptimizerParams& params(int lane) const {
    return options_.lanes.empty() ? options_.optimizer : options_.lanes[lane];
  }
  static void SetLanes(std::vector<OptimizerParams> lanes, Options* options);
  // Calls visit with the kernel of these lanes, of which there are several.
  template <typename Visit>
  void WithLanes(const Visit& visit) const;
  // Calls apply(i, state) for each key that has an entry or gets one. `counts` as in Push.
  template <typename Apply>
  void UpdateAll(absl::Span<const Key> keys, absl::Span<const std::uint8_t> counts, const Apply& apply);
  // State of the key, inserted when it is absent and admitted; null otherwise.
  float* Admit(Key key, unsigned count, std::byte* free_bucket, bool* grew);

  Options options_;
  std::unique_ptr<BucketArray> buckets_;
  std::unique_ptr<AdmissionFilter> filter_;   // null when every key is admitted at once
  std::size_t size_ = 0;
};

// What becomes of the entries of a table when its lanes change (SlotTable::ChangeLanes).
class LaneChanger {
 public:
  LaneChanger(const SlotTable::Options& before, absl::Span<const OptimizerParams> after,
              absl::Span<const LaneOrigin> origins);
  std::size_t floats_before() const { return static_cast<std::size_t>(layout_.state_floats()); }
  // Rewrites entries, one after the other, in place.
  void Apply(std::size_t entries, float* states) const;

 private:
  const std::vector<OptimizerParams> before_, after_;
  const std::vector<LaneOrigin> origins_;
  const EntryLayout layout_;
};

}  // namespace ps
