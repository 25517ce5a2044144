// Keys to dense ids, shared by threads: what the embedded trainer resolves rows with. Ids are given in order of
// first appearance, so frequent features lie close together in arrays that ids index.
//
// Look-ups take no lock: they read optimistically and check the slot's version; only a key that was not seen,
// or a slot being rebuilt, takes the slot's lock. Memory is never unmapped while the index lives, so a reader
// that lost a race reads stale cells, never freed ones.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/types/span.h"
#include "ps/base/key.h"
#include "ps/table/bucket_array.h"

namespace ps {

class KeyIndex {
 public:
  static constexpr std::uint32_t kUnknown = 0;   // no key has this id

  // Ids below first_id (at least 1) are left to the caller.
  KeyIndex(int slot_bits, std::uint32_t first_id);

  // A thread's memory of keys that it resolved lately. Ids never change, so it cannot be stale. Click logs repeat
  // a few thousand values in most of their cells: those never reach the shared buckets.
  class Recent {
   public:
    Recent() : cells_(kCells) {}

   private:
    friend class KeyIndex;
    static constexpr std::size_t kCells = 1 << 15;  // 512 KiB: half of a second-level cache
    struct Cell {
      Key key = kEmptyKey;
      std::uint32_t id = kUnknown;
    };
    static std::size_t CellNumber(Key key) { return (key >> 16) % kCells; }
    Cell& CellOf(Key key) { return cells_[CellNumber(key)]; }
    std::vector<Cell> cells_;
  };

  // ids[i] = id of keys[i], a new one for a key not seen. Any thread, each with its own Recent.
  void Resolve(absl::Span<const Key> keys, Recent* recent, std::uint32_t* ids);
  // ids[i] = id of keys[i], kUnknown for a key not seen. Any thread, each with its own Recent.
  void Find(absl::Span<const Key> keys, Recent* recent, std::uint32_t* ids) const;

  // Keys that are not there get the ids that they have elsewhere; new keys get ids beyond all of these. Any thread,
  // while none is in Resolve.
  void Add(absl::Span<const Key> keys, absl::Span<const std::uint32_t> ids);

  // One more than the largest id given so far. Any thread.
  std::uint32_t end_id() const { return next_id_.load(std::memory_order_acquire); }

  // Calls visit(key, id) for all keys of a slot. No thread may be in Resolve.
  template <typename Visit>
  void ForEachInSlot(SlotIndex slot, Visit visit) const {
    buckets_.ForEach(slot, [&](Key key, const std::byte* payload) {
      std::uint32_t id;
      std::memcpy(&id, payload, sizeof id);
      visit(key, id);
    });
  }
  std::uint32_t slots() const { return buckets_.slots(); }
  std::uint64_t memory_bytes() const { return buckets_.memory_bytes(); }

 private:
  // Answers from `recent` what it can; calls missed(i) for the rest.
  template <typename Missed>
  static void TakeRecent(absl::Span<const Key> keys, const Recent& recent, std::uint32_t* ids,
                         Missed missed);
  // Id by an optimistic read, kUnknown where that did not work out.
  std::uint32_t Confirm(SlotIndex slot, const BucketArray::Found& found) const;
  // Under the slot's lock. `found`: what a look-up without it said. `id`: of the key if it is new; kUnknown: the next.
  std::uint32_t FindOrAdd(Key key, const BucketArray::Found& found, std::uint32_t id = kUnknown);
  std::uint32_t FindLocked(Key key) const;

  class SlotLock;

  BucketArray buckets_;
  mutable std::unique_ptr<std::atomic<std::uint8_t>[]> locks_;
  std::atomic<std::uint32_t> next_id_;
};

}  // namespace ps
