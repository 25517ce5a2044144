// Which pushes a shard has applied, so that a repeated one is skipped: a retry, a frame delivered
// twice, or another worker doing a slow or dead worker's chunk again. A push is named by (pass,
// chunk, batch).
//
// For every open chunk there is a 64-bit mask a slot, one bit a batch: batches skip slots and
// arrive in any order, so a high-water mark would lose pushes. A chunk that the scheduler has
// declared done has no masks: it is in an interval set, and every push to it is a repetition. News
// of a pass says that all earlier passes are wholly done: the scheduler begins a pass only then.
//
// A rollback takes chunks back: they are done no longer, but the slots that were not lost still have
// them. So a slot may contain more than is done in the present gen. That surplus is kept once for
// all slots that share it, and nearly always there is none.
//
// Cost: one read and write of a mask a slot touched; keys are sorted, so slots come in runs.
// One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "absl/types/span.h"
#include "ps/base/key.h"
#include "ps/server/done_set.h"
#include "ps/table/slot_image.h"

namespace ps {

inline constexpr std::uint32_t kBatchesPerChunk = 64;

struct PushName {
  std::uint32_t pass = 0;
  std::uint32_t chunk = 0;
  std::uint32_t batch = 0;  // below kBatchesPerChunk
};

// Positions [begin, end) of a key list.
struct KeyRange {
  std::size_t begin = 0;
  std::size_t end = 0;
};

class PushLedger {
 public:
  explicit PushLedger(int slot_bits)
      : slot_bits_(slot_bits), surplus_of_(std::size_t{1} << slot_bits, 0), surplus_(1) {}

  // Records the push and sets *fresh to the ranges of `keys` (ascending) whose slots had not seen
  // it, adjacent ranges joined; empty when the push is a repetition as a whole. The caller applies
  // exactly those. Their slots' pushes[slot] are one more.
  void Record(const PushName& name, absl::Span<const Key> keys, std::vector<KeyRange>* fresh, std::uint64_t* pushes);
  // The masks of a push's chunk by slot: a copy sets its batch's bit where the primary says that slots have it.
  // Null for what is done. Valid until the next call.
  std::uint64_t* Masks(const PushName& name);

  bool IsDone(std::uint32_t pass, std::uint32_t chunk) const { return done_.Contains(pass, chunk); }
  bool IsOpen(std::uint32_t pass, std::uint32_t chunk) const {
    return masks_.contains({pass, chunk});
  }

  // All passes before `pass` are done, and so are these chunks of it. News of an older pass changes
  // nothing.
  void MarkDone(std::uint32_t pass, absl::Span<const IntervalSet::Interval> chunks);
  // A rollback: nothing is done in the gen that begins; what slots contain, they still contain.
  void BeginGen();

  // A slot that contains nothing.
  void ClearSlot(SlotIndex slot);
  // Its masks, and all that it wholly contains; the other fields are left alone.
  void TakeSlot(SlotIndex slot, SlotImage* image) const;
  // Replaces them.
  void PutSlot(SlotIndex slot, const SlotImage& image);

  std::uint32_t done_pass() const { return done_.pass; }
  std::uint64_t done_chunks() const { return done_.chunks.count(); }  // of done_pass
  std::size_t open_chunks() const { return masks_.size(); }

 private:
  using SlotMasks = std::vector<std::uint64_t>;

  SlotMasks& MasksOf(std::uint32_t pass, std::uint32_t chunk);
  std::uint32_t SurplusNumber(const DoneSet& surplus);
  void DropDone();

  int slot_bits_;
  DoneSet done_;  // in this gen
  std::map<std::pair<std::uint32_t, std::uint32_t>, SlotMasks> masks_;
  std::vector<SlotMasks> spare_;           // of chunks that are done, to be used again
  std::vector<std::uint32_t> surplus_of_;  // a slot: index into surplus_
  std::vector<DoneSet> surplus_;           // what slots contain beside done_; the first is empty
};

}  // namespace ps
