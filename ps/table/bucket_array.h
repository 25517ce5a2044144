// The memory of a sparse table: slots of buckets of (key, payload) cells. Shared by the optimiser's table
// (payload: state) and by the concurrent key index (payload: a dense id).
//
// A slot is an open-addressing table of n buckets. Key k of the slot has home bucket floor(h * n / 2^64),
// h being the key's bits below the slot number. What does not fit goes to the home's sibling (the other line of
// the 128-byte pair), then to further pairs by rehashing: at a load of 0.87 linear probing visits 5 buckets for
// an absent key, this 2. Cells of a bucket fill from the front and are never emptied one by one, so a bucket
// whose last cell is free ends a probe.
//
// A slot grows in place, by one segment at a time or four. Its first four segments have S buckets each, the next four 2S,
// then 4S and so on, so growth is by 1.15x to 1.3x and leaves no hole; S is 8..15 and
// differs between slots, which spreads their growth: at any size of the table the mean load is the same.
// Growing copies the slot's cells out, clears, and inserts them again in hash order, which is sequential.
//
// Where a large segment lies is computed, not stored: slots with the same S grow at nearly the same time, so 16 of
// them have their segments of one number side by side in one block. What a look-up must know of a slot is 8 bytes,
// and the addresses of the blocks in use fit into the first-level cache. (With an address a segment and slot, these
// fell out of the second level: 21 instead of 39 million updates a second at 60 million keys.) Small segments have
// addresses of their own, since small slots differ more in size.
//
// Threads: none of its own; see the users.
#pragma once

#include <immintrin.h>

#include <atomic>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "ps/base/key.h"
#include "ps/table/huge_arena.h"

namespace ps {

class BucketArray {
 public:
  // Geometry of a bucket: `cells` keys, then `cells` payloads. With one segment a growth a slot holds the least
  // memory; with four it doubles, and new keys cost the least.
  BucketArray(int slot_bits, int payload_bytes, int segments_a_growth = 1);

  struct Head {
    std::atomic<std::uint32_t> buckets{0};
    std::atomic<std::uint32_t> place{0};     // among the slots of its phase
    std::atomic<std::uint32_t> version{0};   // odd while the slot is being rebuilt; for optimistic readers
    std::uint32_t size = 0;                  // cells in use
  };

  SlotIndex SlotOf(Key key) const { return static_cast<SlotIndex>(key >> slot_shift_); }
  std::uint32_t slots() const { return 1u << slot_bits_; }
  int payload_bytes() const { return payload_bytes_; }
  Head& head(SlotIndex slot) { return heads_[slot]; }
  const Head& head(SlotIndex slot) const { return heads_[slot]; }

  // Home bucket of the key in a slot of `buckets` buckets. With 0 buckets: 0, which is a bucket that is
  // always empty.
  std::uint32_t Home(Key key, std::uint32_t buckets) const {
    return static_cast<std::uint32_t>(
        (static_cast<unsigned __int128>(key << slot_bits_) * buckets) >> 64);
  }
  std::byte* BucketAt(SlotIndex slot, std::uint32_t bucket) const {
    const std::uint32_t phase = slot & (kPhases - 1);
    const auto unit =
        static_cast<std::uint32_t>((static_cast<std::uint64_t>(bucket) * reciprocal_[phase]) >> 32);
    const std::uint32_t x = unit + 4;
    const int octave = std::bit_width(x) - 3;
    const std::uint32_t segment = 4u * octave + ((x >> octave) & 3u);
    const std::uint32_t place = heads_[slot].place.load(std::memory_order_relaxed);
    const std::uint32_t shared = SharedBits(segment);
    const std::uint32_t block = BlockAt(phase, segment, place).load(std::memory_order_relaxed);
    const std::uint32_t number =
        block + (place & ((1u << shared) - 1)) * (SegmentUnit(phase) << octave) + bucket;
    return base_ + static_cast<std::uint64_t>(number) * bucket_bytes_;
  }
  std::byte* HomeBucket(SlotIndex slot, Key key) const {
    return BucketAt(slot, Home(key, heads_[slot].buckets.load(std::memory_order_acquire)));
  }

  std::uint64_t* KeysOf(std::byte* bucket) const {
    return reinterpret_cast<std::uint64_t*>(bucket);
  }
  std::byte* PayloadOf(std::byte* bucket, int cell) const {
    return bucket + 8 * cells_ + cell * payload_bytes_;
  }
  // Index of the cell that holds the key, or -1. A probe beside a writer asks whether the bucket is Full first: asked
  // after Match, the key may have come into the last cell in between, and the probe would go on past it.
  int Match(const std::byte* bucket, Key key) const {
#ifdef __SANITIZE_THREAD__
    // The sanitizer must see what the vector load below amounts to: a hint that readers confirm.
    auto* keys = const_cast<std::uint64_t*>(reinterpret_cast<const std::uint64_t*>(bucket));
    unsigned mask = 0;
    for (int i = 0; i < cells_; ++i) {
      mask |= unsigned{std::atomic_ref<std::uint64_t>(keys[i]).load(std::memory_order_acquire) == key} << i;
    }
#else
    const auto* keys = reinterpret_cast<const std::uint64_t*>(bucket);
    const __m256i four = _mm256_load_si256(reinterpret_cast<const __m256i*>(keys));
    const __m256i equal = _mm256_cmpeq_epi64(four, _mm256_set1_epi64x(static_cast<long long>(key)));
    unsigned mask = static_cast<unsigned>(_mm256_movemask_pd(_mm256_castsi256_pd(equal)));
    if (cells_ == 5) mask |= static_cast<unsigned>(keys[4] == key) << 4;
#endif
    return mask == 0 ? -1 : std::countr_zero(mask);
  }
  bool Full(const std::byte* bucket) const {
    auto* last = const_cast<std::uint64_t*>(reinterpret_cast<const std::uint64_t*>(bucket)) + cells_ - 1;
    return std::atomic_ref<std::uint64_t>(*last).load(std::memory_order_acquire) != kEmptyKey;
  }

  // Payload of the key or nullptr. One thread at a time with writers.
  std::byte* Find(Key key) const {
    const SlotIndex slot = SlotOf(key);
    return FindFrom(slot, HomeBucket(slot, key), key);
  }
  // As Find, with the home bucket at hand.
  std::byte* FindFrom(SlotIndex slot, std::byte* home, Key key) const {
    const int cell = Match(home, key);
    if (cell >= 0) return PayloadOf(home, cell);
    if (!Full(home)) return nullptr;
    return FindOverflow(slot, key);
  }

  struct Inserted {
    std::byte* payload;  // valid until the slot's next insertion
    bool grew;           // bucket addresses of the slot taken before are stale
  };
  // Inserts an absent key with a zero payload. Writers of one slot exclude each other. `free_bucket` is what a
  // look-up left (Found) with no rebuild of the slot since, or null.
  Inserted Insert(Key key, std::byte* free_bucket = nullptr);

  // What a look-up with prefetch found for a key.
  struct Found {
    std::byte* payload = nullptr;   // null: absent
    std::byte* free_bucket = nullptr;  // where an absent key's probe ended, for Insert; may be null
    std::uint32_t version = 0;      // of the slot when the look-up began; odd, or not the present one, if a
                                    // rebuild came between (of interest to optimistic readers only)
  };
  // Looks up many keys with their cache misses overlapped. Its users include ps/table/lookahead.h.
  template <typename Visit>
  class Lookahead;
  // Calls visit(i, found) for each keys[i], in any order. Visit may insert keys[i] and must then return
  // Inserted::grew; else false. Keys are distinct where visit inserts.
  template <typename Visit>
  void VisitBatch(const Key* keys, std::size_t count, Visit visit) const;

  // Keeps the cells for which keep(key, payload) is true; rebuilds in place.
  template <typename Keep>
  std::size_t Filter(SlotIndex slot, Keep keep);
  template <typename Visit>
  void ForEach(SlotIndex slot, Visit visit) const;
  // Another slot may move to where it was, so that slots always fill the blocks that they share, and the pages of a
  // block without any go back to the system. Payload addresses taken before are stale. No other thread may be in here.
  void ClearSlot(SlotIndex slot);

  // Bytes committed for cells, and metadata.
  std::uint64_t memory_bytes() const;

 private:
  static constexpr int kMaxSegments = 64;
  static constexpr double kMaxLoad = 0.87;
  static constexpr std::uint32_t kPhases = 8;
  static constexpr std::uint32_t kBlockBits = 4;       // 2^4 slots of a phase share a block
  static constexpr std::uint32_t kLoneSegments = 4;    // the first ones, which are not shared
  static constexpr SlotIndex kNoSlot = ~SlotIndex{0};

  static std::uint32_t SegmentUnit(std::uint32_t phase) { return 8 + phase; }
  static std::uint32_t SharedBits(std::uint32_t segment) {
    return segment < kLoneSegments ? 0 : kBlockBits;
  }
  // First bucket of the block in the arena, less the segment's first bucket number in its slot (modulo 2^32).
  // Written under mutex_, before the head of any slot says that it has the segment.
  std::atomic<std::uint32_t>& BlockAt(std::uint32_t phase, std::uint32_t segment,
                                      std::uint32_t place) const {
    return blocks_[block_row_[phase * kMaxSegments + segment] + (place >> SharedBits(segment))];
  }

  // visit(bucket, number), in order.
  template <typename Visit>
  void ForEachBucket(SlotIndex slot, Visit visit) const;
  // The buckets that a key visits after its home.
  struct Probe {
    std::uint64_t mixed;
    std::uint32_t bucket;
    std::uint32_t step = 0;
    void Next(std::uint32_t buckets) {
      ++step;
      if ((step & 1) != 0 && step < 64 && (bucket ^ 1) < buckets) {
        bucket ^= 1;
      } else if (step < 64) {
        mixed = (mixed ^ (mixed >> 32)) * 0xd6e8feb86659fd93u;
        bucket = static_cast<std::uint32_t>((static_cast<unsigned __int128>(mixed) * buckets) >> 64);
      } else {  // keys made to collide: still find the free cell that is there
        if (++bucket == buckets) bucket = 0;
      }
    }
  };
  std::byte* FindOverflow(SlotIndex slot, Key key) const;
  // Looks into probe.bucket and on.
  std::byte* FollowProbe(SlotIndex slot, Probe probe, Key key) const;
  void AddSegment(SlotIndex slot);
  std::uint32_t TakePlace(SlotIndex slot);
  void FreePlace(std::uint32_t phase, std::uint32_t place);
  // A slot to fill a free place among others with, from the group with the fewest; or kNoSlot.
  SlotIndex SlotFor(std::uint32_t phase, std::uint32_t place) const;
  void MoveSlot(SlotIndex slot, std::uint32_t to);
  std::uint64_t BlockBuckets(std::uint32_t phase, std::uint32_t segment) const;
  // `first`: the segment's first bucket number in its slot.
  void AllocateBlock(std::uint32_t phase, std::uint32_t segment, std::uint32_t place, std::uint32_t first);
  void Grow(SlotIndex slot);
  // The first free cell on the key's probe path.
  std::byte* Place(SlotIndex slot, Key key);
  std::byte* PlaceIn(std::byte* bucket, Key key);

  // A slot's cells outside of their buckets, while it is rebuilt.
  struct Cells {
    std::vector<Key> keys;
    std::vector<std::byte> payloads;
    std::vector<std::uint8_t> used;   // cells filled so far of each bucket
  };
  void CopyOut(SlotIndex slot, Cells* cells) const;
  // Replaces the slot's contents by the cells.
  void Rebuild(SlotIndex slot, Cells* cells);

  const int slot_bits_;
  const int slot_shift_;
  const int payload_bytes_;
  const int segments_a_growth_;
  const int cells_;
  const std::uint32_t bucket_bytes_;
  const std::uint32_t places_;  // of a phase; one more is that of slots without buckets
  std::uint64_t reciprocal_[kPhases];
  HugeArena arena_;
  std::byte* const base_;
  std::unique_ptr<Head[]> heads_;
  std::uint32_t block_row_[kPhases * kMaxSegments];  // where in blocks_ those of a phase and segment begin
  std::unique_ptr<std::atomic<std::uint32_t>[]> blocks_;
  std::size_t block_count_ = 0;
  // Of what changes when a slot grows.
  std::unique_ptr<std::uint32_t[]> limits_;        // of a slot: size at which it grows
  std::unique_ptr<std::uint8_t[]> segment_count_;  // of a slot
  std::mutex mutex_;                               // of the fields below; slots may grow at the same time
  std::unique_ptr<bool[]> allocated_;              // as blocks_
  std::unique_ptr<bool[]> released_;               // as blocks_: allocated, its pages given back
  std::atomic<std::uint64_t> released_bytes_{0};
  std::vector<std::uint32_t> used_places_[kPhases];  // in each of the groups that share blocks
  std::vector<SlotIndex> slot_at_[kPhases];          // of a place, or kNoSlot
  std::uint32_t next_place_[kPhases] = {};
  std::vector<std::uint32_t> free_places_[kPhases];
};

template <typename Visit>
void BucketArray::ForEachBucket(SlotIndex slot, Visit visit) const {
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_relaxed);
  std::uint32_t first = 0;
  for (std::uint32_t segment = 0; first < buckets; ++segment) {
    const std::uint32_t count = SegmentUnit(slot & (kPhases - 1)) << (segment / 4);
    std::byte* bucket = BucketAt(slot, first);
    for (std::uint32_t i = 0; i < count; ++i, bucket += bucket_bytes_) {
      // A segment is too short for the hardware to notice that it is read in sequence.
      __builtin_prefetch(bucket + 8 * bucket_bytes_);
      visit(bucket, first + i);
    }
    first += count;
  }
}

template <typename Visit>
void BucketArray::ForEach(SlotIndex slot, Visit visit) const {
  ForEachBucket(slot, [&](std::byte* bucket, std::uint32_t) {
    for (int cell = 0; cell < cells_ && KeysOf(bucket)[cell] != kEmptyKey; ++cell) {
      visit(KeysOf(bucket)[cell], PayloadOf(bucket, cell));
    }
  });
}

template <typename Keep>
std::size_t BucketArray::Filter(SlotIndex slot, Keep keep) {
  Cells cells;
  CopyOut(slot, &cells);
  std::size_t kept = 0;
  for (std::size_t i = 0; i < cells.keys.size(); ++i) {
    if (!keep(cells.keys[i], cells.payloads.data() + i * payload_bytes_)) continue;
    cells.keys[kept] = cells.keys[i];
    std::memmove(cells.payloads.data() + kept * payload_bytes_,
                 cells.payloads.data() + i * payload_bytes_, payload_bytes_);
    ++kept;
  }
  const std::size_t dropped = cells.keys.size() - kept;
  cells.keys.resize(kept);
  heads_[slot].size = static_cast<std::uint32_t>(kept);
  Rebuild(slot, &cells);
  return dropped;
}

}  // namespace ps
