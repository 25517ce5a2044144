#include "ps/table/key_index.h"

#include <glog/logging.h>
#include <sched.h>

#include <algorithm>

#include "ps/table/lookahead.h"

namespace ps {
namespace {

// A growth doubles a slot: an entry is 12 bytes here, of 30 or more with its state, so spare cells cost little, and
// moving keys time and again is what a new key costs most.
constexpr int kSegmentsAGrowth = 4;

std::atomic_ref<std::uint32_t> IdAt(std::byte* payload) {
  return std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(payload));
}

}  // namespace

class KeyIndex::SlotLock {
 public:
  explicit SlotLock(std::atomic<std::uint8_t>& flag) : flag_(flag) {
    // Held for a few hundred nanoseconds, rarely for a rebuild of some microseconds: spin a little, then let the
    // holder run, which matters where threads outnumber processors.
    for (int spins = 0; flag_.exchange(1, std::memory_order_acquire) != 0; ++spins) {
      if (spins < 64) {
        _mm_pause();
      } else {
        sched_yield();
      }
    }
  }
  ~SlotLock() { flag_.store(0, std::memory_order_release); }
  SlotLock(const SlotLock&) = delete;
  SlotLock& operator=(const SlotLock&) = delete;

 private:
  std::atomic<std::uint8_t>& flag_;
};

KeyIndex::KeyIndex(int slot_bits, std::uint32_t first_id)
    : buckets_(slot_bits, sizeof(std::uint32_t), kSegmentsAGrowth),
      locks_(new std::atomic<std::uint8_t>[std::size_t{1} << slot_bits]()),
      next_id_(first_id) {
  CHECK_GE(first_id, 1u);
}

std::uint32_t KeyIndex::Confirm(SlotIndex slot, const BucketArray::Found& found) const {
  if (found.payload == nullptr) return kUnknown;
  const std::uint32_t id = IdAt(found.payload).load(std::memory_order_acquire);
  // Nothing was rebuilt from before the bucket was looked up until now, so the cell is the key's. An id that
  // its inserter has yet to store reads as kUnknown.
  const std::uint32_t now = buckets_.head(slot).version.load(std::memory_order_relaxed);
  return (found.version & 1) == 0 && now == found.version ? id : kUnknown;
}

std::uint32_t KeyIndex::FindOrAdd(Key key, const BucketArray::Found& found, std::uint32_t id) {
  const SlotIndex slot = buckets_.SlotOf(key);
  SlotLock lock(locks_[slot]);
  // If nothing was rebuilt since the look-up, all buckets before the one where it ended are still full, and
  // without the key.
  const bool known = found.free_bucket != nullptr && (found.version & 1) == 0 &&
                     buckets_.head(slot).version.load(std::memory_order_relaxed) == found.version;
  std::byte* payload =
      known ? buckets_.FindFrom(slot, found.free_bucket, key) : buckets_.Find(key);
  if (payload != nullptr) return IdAt(payload).load(std::memory_order_relaxed);
  payload = buckets_.Insert(key, known ? found.free_bucket : nullptr).payload;
  if (id == kUnknown) id = next_id_.fetch_add(1, std::memory_order_acq_rel);
  CHECK_LT(id, 0xffffffffu) << "more than 2^32 features in one process: use servers";
  IdAt(payload).store(id, std::memory_order_release);
  return id;
}

std::uint32_t KeyIndex::FindLocked(Key key) const {
  SlotLock lock(locks_[buckets_.SlotOf(key)]);
  std::byte* payload = buckets_.Find(key);
  return payload == nullptr ? kUnknown : IdAt(payload).load(std::memory_order_relaxed);
}

template <typename Missed>
void KeyIndex::TakeRecent(absl::Span<const Key> keys, const Recent& recent, std::uint32_t* ids,
                          Missed missed) {
  // A stretch at a time, so that the few misses of each, which prefetch, are spread over the work: all at once
  // they would wait for the memory alone.
  constexpr std::size_t kStretch = 64;
  std::uint32_t missed_at[kStretch];
  for (std::size_t begin = 0; begin < keys.size(); begin += kStretch) {
    const std::size_t end = std::min(keys.size(), begin + kStretch);
    std::size_t count = 0;
    for (std::size_t i = begin; i < end; ++i) {
      // Without a branch on the outcome, which nothing could predict.
      const Recent::Cell cell = recent.cells_[Recent::CellNumber(keys[i])];
      ids[i] = cell.id;
      missed_at[count] = static_cast<std::uint32_t>(i);
      count += cell.key != keys[i];
    }
    for (std::size_t m = 0; m < count; ++m) missed(missed_at[m]);
  }
}

void KeyIndex::Resolve(absl::Span<const Key> keys, Recent* recent, std::uint32_t* ids) {
  const auto visit = [&](std::uint32_t i, Key key, const BucketArray::Found& found) {
    std::uint32_t id = Confirm(buckets_.SlotOf(key), found);
    if (id == kUnknown) id = FindOrAdd(key, found);
    ids[i] = id;
    recent->CellOf(key) = {key, id};
    return false;
  };
  BucketArray::Lookahead<decltype(visit)> ahead(buckets_, visit);
  TakeRecent(keys, *recent, ids, [&](std::uint32_t i) { ahead.Push(keys[i], i); });
  ahead.Drain();
}

void KeyIndex::Add(absl::Span<const Key> keys, absl::Span<const std::uint32_t> ids) {
  const auto visit = [&](std::uint32_t i, Key key, const BucketArray::Found& found) {
    FindOrAdd(key, found, ids[i]);
    return false;
  };
  BucketArray::Lookahead<decltype(visit)> ahead(buckets_, visit);
  std::uint32_t end = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    ahead.Push(keys[i], static_cast<std::uint32_t>(i));
    end = std::max(end, ids[i] + 1);
  }
  ahead.Drain();
  std::uint32_t next = next_id_.load(std::memory_order_relaxed);
  while (next < end && !next_id_.compare_exchange_weak(next, end, std::memory_order_acq_rel)) {
  }
}

void KeyIndex::Find(absl::Span<const Key> keys, Recent* recent, std::uint32_t* ids) const {
  const auto visit = [&](std::uint32_t i, Key key, const BucketArray::Found& found) {
    const SlotIndex slot = buckets_.SlotOf(key);
    std::uint32_t id = Confirm(slot, found);
    // A miss is certain where nothing was rebuilt meanwhile.
    const bool certain =
        (found.version & 1) == 0 &&
        buckets_.head(slot).version.load(std::memory_order_relaxed) == found.version;
    if (id == kUnknown && !certain) id = FindLocked(key);
    ids[i] = id;
    if (id != kUnknown) recent->CellOf(key) = {key, id};
    return false;
  };
  BucketArray::Lookahead<decltype(visit)> ahead(buckets_, visit);
  TakeRecent(keys, *recent, ids, [&](std::uint32_t i) { ahead.Push(keys[i], i); });
  ahead.Drain();
}

}  // namespace ps
