#include "ps/table/bucket_array.h"

#include <glog/logging.h>

namespace ps {
namespace {

// Four keys and their payloads fill a cache line for one-lane FTRL; five fit beside 4-byte payloads.
int CellsFor(int payload_bytes) { return payload_bytes == 4 ? 5 : 4; }

std::uint32_t BucketBytes(int payload_bytes) {
  const int bytes = CellsFor(payload_bytes) * (8 + payload_bytes);
  return static_cast<std::uint32_t>((bytes + 31) / 32 * 32);  // keys are loaded as an aligned vector
}

// Payloads are read by optimistic readers while a slot is rebuilt: word-sized atomic stores, which cost
// nothing here. A null source stores zeros.
void StorePayload(std::byte* to, const std::byte* from, int bytes) {
  for (int at = 0; at < bytes; at += 4) {
    std::uint32_t word = 0;
    if (from != nullptr) std::memcpy(&word, from + at, 4);
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(to + at))
        .store(word, std::memory_order_release);
  }
}

}  // namespace

BucketArray::BucketArray(int slot_bits, int payload_bytes)
    : slot_bits_(slot_bits),
      slot_shift_(64 - slot_bits),
      payload_bytes_(payload_bytes),
      cells_(CellsFor(payload_bytes)),
      bucket_bytes_(BucketBytes(payload_bytes)),
      base_(arena_.base()),
      heads_(new Head[std::size_t{1} << slot_bits]),
      segments_(new std::uint32_t[(std::size_t{1} << slot_bits) * kMaxSegments]()),
      segment_count_(new std::uint8_t[std::size_t{1} << slot_bits]()) {
  CHECK(slot_bits >= 1 && slot_bits <= kMaxSlotBits);
  CHECK(payload_bytes > 0 && payload_bytes % 4 == 0);
  for (std::uint32_t phase = 0; phase < 8; ++phase) {
    reciprocal_[phase] = ((std::uint64_t{1} << 32) + 8 + phase - 1) / (8 + phase);
  }
  // Bucket 0 of the arena stays empty: what a slot without buckets points to.
  arena_.Allocate(bucket_bytes_);
}

void BucketArray::StartKey(Key key, std::size_t i, Group* group) const {
  const SlotIndex slot = SlotOf(key);
  group->slot[i] = slot;
  group->bucket[i] = HomeBucket(slot, key);
  group->payload[i] = nullptr;
  group->open |= std::uint64_t{1} << i;
}

void BucketArray::StartGroup(const Key* keys, Group* group) const {
  group->open = 0;
  for (std::size_t i = 0; i < group->count; ++i) {
    StartKey(keys[group->begin + i], i, group);
    __builtin_prefetch(group->bucket[i]);
  }
}

void BucketArray::ProbeGroup(const Key* keys, Group* group) const {
  std::uint64_t open = 0;
  for (std::size_t i = 0; i < group->count; ++i) {
    const Key key = keys[group->begin + i];
    const int cell = Match(group->bucket[i], key);
    if (cell >= 0) {
      group->payload[i] = PayloadOf(group->bucket[i], cell);
    } else if (Full(group->bucket[i])) {
      open |= std::uint64_t{1} << i;
      const SlotIndex slot = group->slot[i];
      const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_acquire);
      Probe probe{.mixed = key, .bucket = Home(key, buckets)};
      probe.Next(buckets);
      __builtin_prefetch(BucketAt(slot, probe.bucket));
    }
  }
  group->open = open;
}

std::byte* BucketArray::FindOverflow(SlotIndex slot, Key key) const {
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_acquire);
  Probe probe{.mixed = key, .bucket = Home(key, buckets)};
  // The bound only matters to a reader that meets a rebuild: a free cell ends every other probe.
  while (probe.step < buckets + 64) {
    probe.Next(buckets);
    std::byte* bucket = BucketAt(slot, probe.bucket);
    const int cell = Match(bucket, key);
    if (cell >= 0) return PayloadOf(bucket, cell);
    if (!Full(bucket)) return nullptr;
  }
  return nullptr;
}

std::byte* BucketArray::Place(SlotIndex slot, Key key, const std::byte* payload) {
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_relaxed);
  Probe probe{.mixed = key, .bucket = Home(key, buckets)};
  std::byte* bucket = BucketAt(slot, probe.bucket);
  while (Full(bucket)) {
    probe.Next(buckets);
    bucket = BucketAt(slot, probe.bucket);
  }
  const int empty = Match(bucket, kEmptyKey);
  std::byte* cell = PayloadOf(bucket, empty);
  if (payload != nullptr) StorePayload(cell, payload, payload_bytes_);
  // The key last: an optimistic reader that sees it sees its payload.
  std::atomic_ref<std::uint64_t>(KeysOf(bucket)[empty]).store(key, std::memory_order_release);
  return cell;
}

BucketArray::Inserted BucketArray::Insert(Key key) {
  const SlotIndex slot = SlotOf(key);
  Head& head = heads_[slot];
  bool grew = false;
  if (head.size >= head.limit) {
    Grow(slot);
    grew = true;
  }
  ++head.size;
  return {Place(slot, key, nullptr), grew};
}

void BucketArray::AddSegment(SlotIndex slot) {
  const int segment = segment_count_[slot]++;
  CHECK_LT(segment, kMaxSegments);
  Head& head = heads_[slot];
  const std::uint32_t first = head.buckets.load(std::memory_order_relaxed);
  const std::uint32_t count = SegmentUnit(slot) << (segment / 4);
  // Segments are whole buckets of the arena, so that a bucket is named by one 32-bit number; that bounds a
  // table at 2^32 buckets (256 GiB of one-lane FTRL).
  const std::uint64_t bytes = static_cast<std::uint64_t>(count) * bucket_bytes_;
  std::uint64_t offset = arena_.Allocate(bytes + (bucket_bytes_ == 64 ? 0 : bucket_bytes_));
  offset = (offset + bucket_bytes_ - 1) / bucket_bytes_ * bucket_bytes_;
  CHECK_LT(offset / bucket_bytes_ + count, std::uint64_t{1} << 32);
  std::atomic_ref<std::uint32_t>(segments_[slot * kMaxSegments + segment])
      .store(static_cast<std::uint32_t>(offset / bucket_bytes_) - first, std::memory_order_relaxed);
  head.limit = static_cast<std::uint32_t>(kMaxLoad * cells_ * (first + count));
  head.buckets.store(first + count, std::memory_order_release);
}

void BucketArray::CopyOutAndClear(SlotIndex slot, std::vector<std::byte>* cells) {
  const std::size_t cell_bytes = 8 + payload_bytes_;
  cells->resize(heads_[slot].size * cell_bytes);
  std::byte* out = cells->data();
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_relaxed);
  for (std::uint32_t b = 0; b < buckets; ++b) {
    std::byte* bucket = BucketAt(slot, b);
    for (int cell = 0; cell < cells_ && KeysOf(bucket)[cell] != kEmptyKey; ++cell) {
      std::memcpy(out, &KeysOf(bucket)[cell], 8);
      std::memcpy(out + 8, PayloadOf(bucket, cell), payload_bytes_);
      out += cell_bytes;
    }
    for (int cell = 0; cell < cells_; ++cell) {
      std::atomic_ref<std::uint64_t>(KeysOf(bucket)[cell]).store(kEmptyKey, std::memory_order_release);
    }
    StorePayload(PayloadOf(bucket, 0), nullptr, cells_ * payload_bytes_);
  }
}

void BucketArray::PlaceAll(SlotIndex slot, const std::vector<std::byte>& cells) {
  const std::size_t cell_bytes = 8 + payload_bytes_;
  for (std::size_t at = 0; at < cells.size(); at += cell_bytes) {
    Key key;
    std::memcpy(&key, cells.data() + at, 8);
    Place(slot, key, cells.data() + at + 8);
  }
}

void BucketArray::Grow(SlotIndex slot) {
  Head& head = heads_[slot];
  if (head.size == 0) {
    AddSegment(slot);
    return;
  }
  // Kept between calls: the largest slot's size, once a thread.
  static thread_local std::vector<std::byte> cells;
  head.version.fetch_add(1, std::memory_order_acq_rel);
  CopyOutAndClear(slot, &cells);
  AddSegment(slot);
  PlaceAll(slot, cells);
  head.version.fetch_add(1, std::memory_order_acq_rel);
}

void BucketArray::ClearSlot(SlotIndex slot) {
  std::vector<std::byte> cells;
  CopyOutAndClear(slot, &cells);
  heads_[slot].size = 0;
}

std::uint64_t BucketArray::memory_bytes() const {
  return arena_.used_bytes() + slots() * (sizeof(Head) + kMaxSegments * 4 + 1);
}

}  // namespace ps
