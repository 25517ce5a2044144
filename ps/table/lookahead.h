// Look-ups of many keys in a BucketArray with their cache misses overlapped: what both tables spend their time in.
//
// Threads: one a Lookahead; what others may do meanwhile is said by the BucketArray's users.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>

#include "ps/table/bucket_array.h"

namespace ps {

// A ring of keys on their way: each waits for the prefetch of the bucket that it looks into next. A probe that has
// to go on keeps its place in the ring for another round.
template <typename Visit>
class BucketArray::Lookahead {
 public:
  // visit(tag, key, found), as in VisitBatch.
  Lookahead(const BucketArray& buckets, Visit visit) : buckets_(buckets), visit_(std::move(visit)) {}

  // Begins the look-up of a key, and may end those of earlier ones.
  void Push(Key key, std::uint32_t tag) {
    if (in_flight_ == kInFlight) {
      while (!Finish(next_)) next_ = (next_ + 1) % kInFlight;
    } else {
      ++in_flight_;
    }
    Entry& entry = entries_[next_];
    entry.key = key;
    entry.tag = tag;
    entry.waits = true;
    Start(&entry);
    next_ = (next_ + 1) % kInFlight;
    starting_[started_ % kBurst] = entry.bucket;
    if (++started_ % kBurst == 0) {
      for (const std::byte* bucket : starting_) __builtin_prefetch(bucket);
    }
  }
  void Drain() {
    while (in_flight_ > 0) {
      if (entries_[next_].waits && Finish(next_)) --in_flight_;
      next_ = (next_ + 1) % kInFlight;
    }
  }

 private:
  static constexpr std::uint32_t kInFlight = 64;
  // A prefetch whose page is not in the TLB keeps what follows from retiring until the page is found. Prefetches
  // are therefore issued with nothing in between: many of them fit into the reorder buffer, and look for their
  // pages at the same time.
  static constexpr std::uint32_t kBurst = 32;
  static constexpr std::uint32_t kMostRounds = 6;  // what is open then is rare, and looked up at once
  struct Entry {
    Key key;
    std::byte* bucket;  // the next one to look into, prefetched
    Probe probe;
    SlotIndex slot;
    std::uint32_t version;
    std::uint32_t tag;
    bool waits = false;
  };

  void Start(Entry* entry) {
    const SlotIndex slot = buckets_.SlotOf(entry->key);
    const Head& head = buckets_.heads_[slot];
    entry->slot = slot;
    entry->version = head.version.load(std::memory_order_acquire);
    const std::uint32_t home =
        buckets_.Home(entry->key, head.buckets.load(std::memory_order_acquire));
    entry->probe = Probe{.mixed = entry->key, .bucket = home};
    entry->bucket = buckets_.BucketAt(slot, home);
  }

  // False when the key's probe goes on.
  bool Finish(std::uint32_t at) {
    Entry& entry = entries_[at];
    const bool full = buckets_.Full(entry.bucket);  // before Match: see there
    const int cell = buckets_.Match(entry.bucket, entry.key);
    Found found{.version = entry.version};
    if (cell >= 0) {
      found.payload = buckets_.PayloadOf(entry.bucket, cell);
    } else if (!full) {
      found.free_bucket = entry.bucket;
    } else if (entry.probe.step < kMostRounds) {
      entry.probe.Next(buckets_.heads_[entry.slot].buckets.load(std::memory_order_acquire));
      entry.bucket = buckets_.BucketAt(entry.slot, entry.probe.bucket);
      __builtin_prefetch(entry.bucket);
      return false;
    } else {
      found.payload = buckets_.FollowProbe(entry.slot, entry.probe, entry.key);
    }
    entry.waits = false;
    if (!visit_(entry.tag, entry.key, found)) return true;
    // The slot was rebuilt: what is known of its keys that still wait is stale.
    for (Entry& other : entries_) {
      if (other.waits && other.slot == entry.slot) Start(&other);
    }
    return true;
  }

  const BucketArray& buckets_;
  Visit visit_;
  std::uint32_t next_ = 0;
  std::uint32_t in_flight_ = 0;
  std::uint32_t started_ = 0;
  const std::byte* starting_[kBurst];
  Entry entries_[kInFlight];
};

template <typename Visit>
void BucketArray::VisitBatch(const Key* keys, std::size_t count, Visit visit) const {
  const auto by_tag = [&visit](std::uint32_t i, Key, const Found& found) { return visit(i, found); };
  Lookahead<decltype(by_tag)> ahead(*this, by_tag);
  for (std::size_t i = 0; i < count; ++i) ahead.Push(keys[i], static_cast<std::uint32_t>(i));
  ahead.Drain();
}

}  // namespace ps
