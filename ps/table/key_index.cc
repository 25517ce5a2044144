#include "ps/table/key_index.h"

#include <glog/logging.h>
#include <sched.h>

namespace ps {
namespace {

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
    : buckets_(slot_bits, sizeof(std::uint32_t)),
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

std::uint32_t KeyIndex::FindOrAdd(Key key) {
  const SlotIndex slot = buckets_.SlotOf(key);
  SlotLock lock(locks_[slot]);
  if (std::byte* payload = buckets_.Find(key); payload != nullptr) {
    return IdAt(payload).load(std::memory_order_relaxed);
  }
  std::byte* payload = buckets_.Insert(key).payload;
  const std::uint32_t id = next_id_.fetch_add(1, std::memory_order_acq_rel);
  CHECK_LT(id, 0xffffffffu) << "more than 2^32 features in one process: use servers";
  IdAt(payload).store(id, std::memory_order_release);
  return id;
}

std::uint32_t KeyIndex::FindLocked(Key key) const {
  SlotLock lock(locks_[buckets_.SlotOf(key)]);
  std::byte* payload = buckets_.Find(key);
  return payload == nullptr ? kUnknown : IdAt(payload).load(std::memory_order_relaxed);
}

void KeyIndex::TakeRecent(absl::Span<const Key> keys, Recent* recent, std::uint32_t* ids) {
  recent->missed_keys_.resize(keys.size());
  recent->missed_at_.resize(keys.size());
  Key* missed_keys = recent->missed_keys_.data();
  std::uint32_t* missed_at = recent->missed_at_.data();
  std::size_t missed = 0;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    // Without a branch on the outcome, which nothing could predict.
    const Recent::Cell cell = recent->CellOf(keys[i]);
    ids[i] = cell.id;
    missed_keys[missed] = keys[i];
    missed_at[missed] = static_cast<std::uint32_t>(i);
    missed += cell.key != keys[i];
  }
  recent->missed_keys_.resize(missed);
  recent->missed_at_.resize(missed);
}

void KeyIndex::Resolve(absl::Span<const Key> keys, Recent* recent, std::uint32_t* ids) {
  TakeRecent(keys, recent, ids);
  const std::vector<Key>& missed = recent->missed_keys_;
  buckets_.VisitBatch(missed.data(), missed.size(),
                      [&](std::size_t i, BucketArray::Found found) {
                        std::uint32_t id = Confirm(buckets_.SlotOf(missed[i]), found);
                        if (id == kUnknown) id = FindOrAdd(missed[i]);
                        ids[recent->missed_at_[i]] = id;
                        recent->CellOf(missed[i]) = {missed[i], id};
                        return false;
                      });
}

void KeyIndex::Find(absl::Span<const Key> keys, Recent* recent, std::uint32_t* ids) const {
  TakeRecent(keys, recent, ids);
  const std::vector<Key>& missed = recent->missed_keys_;
  buckets_.VisitBatch(
      missed.data(), missed.size(),
      [&](std::size_t i, BucketArray::Found found) {
        const SlotIndex slot = buckets_.SlotOf(missed[i]);
        std::uint32_t id = Confirm(slot, found);
        // A miss is certain where nothing was rebuilt meanwhile.
        const bool certain =
            (found.version & 1) == 0 &&
            buckets_.head(slot).version.load(std::memory_order_relaxed) == found.version;
        if (id == kUnknown && !certain) id = FindLocked(missed[i]);
        ids[recent->missed_at_[i]] = id;
        if (id != kUnknown) recent->CellOf(missed[i]) = {missed[i], id};
        return false;
      });
}

}  // namespace ps
