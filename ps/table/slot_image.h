// All of a slot as data: its entries, its part of the admission filter, and which pushes it has. What
// a copy is brought up from, what a slot moves as, and what a checkpoint keeps.
//
// Bytes, little-endian; decoding trusts nothing:
//   image := state_floats (u32) keys (u32) filter_bytes (u32) masks (u32) intervals (u32)
//            done_pass (u32) seq (u64) key (u64)* state (f32)* filter
//            (pass (u32) chunk (u32) mask (u64))* (first (u32) last (u32))*
// A checksum is the business of whoever stores or sends them. Pure functions; any thread.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/base/key.h"
#include "ps/table/slot_table.h"

namespace ps {

struct SlotImage {
  struct Mask {  // batches of an open chunk that the slot has
    std::uint32_t pass = 0, chunk = 0;
    std::uint64_t batches = 0;
    friend bool operator==(const Mask&, const Mask&) = default;
  };
  struct Interval {
    std::uint32_t first = 0, last = 0;  // inclusive
    friend bool operator==(const Interval&, const Interval&) = default;
  };
  std::uint32_t state_floats = 0;  // an entry
  std::uint64_t seq = 0;           // pushes applied, over the slot's whole life
  std::vector<Key> keys;           // in the table's order
  std::vector<float> states;       // state_floats a key
  std::string filter;              // SlotTable::SaveFilter
  std::vector<Mask> masks;
  std::uint32_t done_pass = 0;  // the slot has all of the earlier passes, and of this one:
  std::vector<Interval> done;
  friend bool operator==(const SlotImage&, const SlotImage&) = default;
};

std::string EncodeSlotImage(const SlotImage& image);
// InvalidArgument says what is wrong.
absl::StatusOr<SlotImage> DecodeSlotImage(std::string_view bytes);

// The entries and the filter of a slot.
void TakeEntries(const SlotTable& table, SlotIndex slot, SlotImage* image);
// Replaces them. InvalidArgument, and nothing changed, for keys that are not the slot's or are
// repeated, another layout, or states that are not finite.
absl::Status PutEntries(const SlotImage& image, SlotIndex slot, SlotTable& table);

}  // namespace ps
