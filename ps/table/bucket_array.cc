#include "ps/table/bucket_array.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>
#include <utility>

namespace ps {
namespace {

// Four keys and their payloads fill a cache line for one-lane FTRL; five fit beside 4-byte payloads.
int CellsFor(int payload_bytes) { return payload_bytes == 4 ? 5 : 4; }

std::uint32_t BucketBytes(int payload_bytes) {
  const int bytes = CellsFor(payload_bytes) * (8 + payload_bytes);
  return static_cast<std::uint32_t>((bytes + 31) / 32 * 32);  // keys are loaded as an aligned vector
}

// Cells are read by optimistic readers while a slot is rebuilt, so they are written by word-sized atomic
// stores, which cost nothing here. A null source stores zeros.
void StorePayload(std::byte* to, const std::byte* from, int bytes) {
  for (int at = 0; at < bytes; at += 4) {
    std::uint32_t word = 0;
    if (from != nullptr) std::memcpy(&word, from + at, 4);
    std::atomic_ref<std::uint32_t>(*reinterpret_cast<std::uint32_t*>(to + at))
        .store(word, std::memory_order_release);
  }
}

void StoreKey(std::uint64_t* to, Key key) {
  std::atomic_ref<std::uint64_t>(*to).store(key, std::memory_order_release);
}

}  // namespace

BucketArray::BucketArray(int slot_bits, int payload_bytes, int segments_a_growth)
    : slot_bits_(slot_bits),
      slot_shift_(64 - slot_bits),
      payload_bytes_(payload_bytes),
      segments_a_growth_(segments_a_growth),
      cells_(CellsFor(payload_bytes)),
      bucket_bytes_(BucketBytes(payload_bytes)),
      places_(std::max(1u << kBlockBits, (std::uint32_t{1} << slot_bits) / kPhases)),
      base_(arena_.base()),
      heads_(new Head[std::size_t{1} << slot_bits]),
      limits_(new std::uint32_t[std::size_t{1} << slot_bits]()),
      segment_count_(new std::uint8_t[std::size_t{1} << slot_bits]()) {
  CHECK(slot_bits >= 1 && slot_bits <= kMaxSlotBits);
  CHECK(payload_bytes > 0 && payload_bytes % 4 == 0);
  for (std::uint32_t phase = 0; phase < kPhases; ++phase) {
    reciprocal_[phase] =
        ((std::uint64_t{1} << 32) + SegmentUnit(phase) - 1) / SegmentUnit(phase);
    for (std::uint32_t segment = 0; segment < kMaxSegments; ++segment) {
      block_row_[phase * kMaxSegments + segment] = static_cast<std::uint32_t>(block_count_);
      block_count_ += (places_ >> SharedBits(segment)) + 1;
    }
  }
  blocks_.reset(new std::atomic<std::uint32_t>[block_count_]());
  allocated_.reset(new bool[block_count_]());
  released_.reset(new bool[block_count_]());
  for (auto& used : used_places_) used.assign((places_ >> kBlockBits) + 1, 0);
  for (auto& slots : slot_at_) slots.assign(places_ + 1, kNoSlot);
  // Bucket 0 of the arena stays empty: what a slot without buckets points to.
  arena_.Allocate(bucket_bytes_);
  for (SlotIndex slot = 0; slot < slots(); ++slot) {
    heads_[slot].place.store(places_, std::memory_order_relaxed);
  }
}

std::byte* BucketArray::FindOverflow(SlotIndex slot, Key key) const {
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_acquire);
  if (buckets == 0) return nullptr;
  Probe probe{.mixed = key, .bucket = Home(key, buckets)};
  probe.Next(buckets);
  return FollowProbe(slot, probe, key);
}

std::byte* BucketArray::FollowProbe(SlotIndex slot, Probe probe, Key key) const {
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_acquire);
  // The bound only matters to a reader that meets a rebuild: a free cell ends every other probe.
  while (probe.step < buckets + 64) {
    std::byte* bucket = BucketAt(slot, probe.bucket);
    const bool full = Full(bucket);
    const int cell = Match(bucket, key);
    if (cell >= 0) return PayloadOf(bucket, cell);
    if (!full) return nullptr;
    probe.Next(buckets);
  }
  return nullptr;
}

std::byte* BucketArray::Place(SlotIndex slot, Key key) {
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_relaxed);
  Probe probe{.mixed = key, .bucket = Home(key, buckets)};
  std::byte* bucket = BucketAt(slot, probe.bucket);
  while (Full(bucket)) {
    probe.Next(buckets);
    bucket = BucketAt(slot, probe.bucket);
  }
  return PlaceIn(bucket, key);
}

std::byte* BucketArray::PlaceIn(std::byte* bucket, Key key) {
  const int empty = Match(bucket, kEmptyKey);
  std::byte* payload = PayloadOf(bucket, empty);
  StorePayload(payload, nullptr, payload_bytes_);
  // The key last: an optimistic reader that sees it sees its payload.
  StoreKey(KeysOf(bucket) + empty, key);
  return payload;
}

BucketArray::Inserted BucketArray::Insert(Key key, std::byte* free_bucket) {
  const SlotIndex slot = SlotOf(key);
  Head& head = heads_[slot];
  const bool grow = head.size >= limits_[slot];
  if (grow) Grow(slot);
  ++head.size;
  if (!grow && free_bucket != nullptr && !Full(free_bucket)) return {PlaceIn(free_bucket, key), false};
  return {Place(slot, key), grow};
}

void BucketArray::AddSegment(SlotIndex slot) {
  const std::uint32_t phase = slot & (kPhases - 1);
  const std::uint32_t segment = segment_count_[slot]++;
  CHECK_LT(segment, std::uint32_t{kMaxSegments});
  Head& head = heads_[slot];
  if (segment == 0) head.place.store(TakePlace(slot), std::memory_order_relaxed);
  const std::uint32_t first = head.buckets.load(std::memory_order_relaxed);
  const std::uint32_t count = SegmentUnit(phase) << (segment / 4);
  AllocateBlock(phase, segment, head.place.load(std::memory_order_relaxed), first);
  limits_[slot] = static_cast<std::uint32_t>(kMaxLoad * cells_ * (first + count));
  head.buckets.store(first + count, std::memory_order_release);
}

std::uint32_t BucketArray::TakePlace(SlotIndex slot) {
  const std::uint32_t phase = slot & (kPhases - 1);
  std::lock_guard<std::mutex> lock(mutex_);
  std::vector<std::uint32_t>& free = free_places_[phase];
  std::vector<std::uint32_t>& used = used_places_[phase];
  const auto fullest = std::max_element(free.begin(), free.end(), [&](std::uint32_t a, std::uint32_t b) {
    return used[a >> kBlockBits] < used[b >> kBlockBits];
  });
  std::uint32_t place = next_place_[phase];
  if (fullest == free.end()) {
    ++next_place_[phase];
  } else {
    place = *fullest;
    free.erase(fullest);
  }
  ++used[place >> kBlockBits];
  slot_at_[phase][place] = slot;
  return place;
}

void BucketArray::FreePlace(std::uint32_t phase, std::uint32_t place) {
  std::lock_guard<std::mutex> lock(mutex_);
  free_places_[phase].push_back(place);
  slot_at_[phase][place] = kNoSlot;
  if (--used_places_[phase][place >> kBlockBits] > 0) return;
  std::uint32_t first = 0;
  for (std::uint32_t segment = 0; segment < kMaxSegments; ++segment) {
    const std::atomic<std::uint32_t>& block = BlockAt(phase, segment, place);
    const std::size_t index = &block - blocks_.get();
    if (segment >= kLoneSegments && allocated_[index] && !released_[index]) {
      released_[index] = true;
      const std::uint64_t bytes = BlockBuckets(phase, segment) * bucket_bytes_;
      arena_.Release(std::uint64_t{block.load(std::memory_order_relaxed) + first} * bucket_bytes_,
                     bytes);
      released_bytes_.fetch_add(bytes, std::memory_order_relaxed);
    }
    first += SegmentUnit(phase) << (segment / 4);
  }
}

std::uint64_t BucketArray::BlockBuckets(std::uint32_t phase, std::uint32_t segment) const {
  const std::uint32_t sharing = std::clamp(slots() / kPhases, 1u, 1u << SharedBits(segment));
  return std::uint64_t{sharing} * (SegmentUnit(phase) << (segment / 4));
}

void BucketArray::AllocateBlock(std::uint32_t phase, std::uint32_t segment, std::uint32_t place,
                                std::uint32_t first) {
  std::lock_guard<std::mutex> lock(mutex_);
  std::atomic<std::uint32_t>& block = BlockAt(phase, segment, place);
  bool& allocated = allocated_[&block - blocks_.get()];
  const std::uint64_t buckets = BlockBuckets(phase, segment);
  if (std::exchange(allocated, true)) {
    if (std::exchange(released_[&block - blocks_.get()], false)) {
      released_bytes_.fetch_sub(buckets * bucket_bytes_, std::memory_order_relaxed);
    }
    return;
  }
  // Whole buckets of the arena, so that a bucket is named by one 32-bit number; that bounds a table at 2^32
  // buckets (256 GiB of one-lane FTRL).
  std::uint64_t offset =
      arena_.Allocate(buckets * bucket_bytes_ + (bucket_bytes_ == 64 ? 0 : bucket_bytes_));
  offset = (offset + bucket_bytes_ - 1) / bucket_bytes_ * bucket_bytes_;
  CHECK_LT(offset / bucket_bytes_ + buckets, std::uint64_t{1} << 32);
  block.store(static_cast<std::uint32_t>(offset / bucket_bytes_) - first,
              std::memory_order_relaxed);
}

void BucketArray::CopyOut(SlotIndex slot, Cells* cells) const {
  const std::uint32_t size = heads_[slot].size;
  cells->keys.resize(size);
  cells->payloads.resize(static_cast<std::size_t>(size) * payload_bytes_);
  std::size_t at = 0;
  ForEachBucket(slot, [&](std::byte* bucket, std::uint32_t) {
    int used = 0;
    for (; used < cells_ && KeysOf(bucket)[used] != kEmptyKey; ++used) {
      cells->keys[at + used] = KeysOf(bucket)[used];
    }
    std::memcpy(cells->payloads.data() + at * payload_bytes_, PayloadOf(bucket, 0),
                static_cast<std::size_t>(used) * payload_bytes_);
    at += used;
  });
}

void BucketArray::Rebuild(SlotIndex slot, Cells* cells) {
  const std::uint32_t buckets = heads_[slot].buckets.load(std::memory_order_relaxed);
  cells->used.assign(buckets, 0);
  // Cells come out in the order of their old homes, so the new ones are visited almost in sequence.
  const std::byte* payload = cells->payloads.data();
  for (const Key key : cells->keys) {
    Probe probe{.mixed = key, .bucket = Home(key, buckets)};
    while (cells->used[probe.bucket] == cells_) probe.Next(buckets);
    const int cell = cells->used[probe.bucket]++;
    std::byte* bucket = BucketAt(slot, probe.bucket);
    StorePayload(PayloadOf(bucket, cell), payload, payload_bytes_);
    StoreKey(KeysOf(bucket) + cell, key);
    payload += payload_bytes_;
  }
  ForEachBucket(slot, [&](std::byte* bucket, std::uint32_t b) {
    for (int cell = cells->used[b]; cell < cells_; ++cell) StoreKey(KeysOf(bucket) + cell, kEmptyKey);
  });
}

void BucketArray::Grow(SlotIndex slot) {
  Head& head = heads_[slot];
  // Kept between calls: the largest slot's size, once a thread.
  static thread_local Cells cells;
  head.version.fetch_add(1, std::memory_order_acq_rel);
  CopyOut(slot, &cells);
  const int segments = head.size == 0 ? 1 : segments_a_growth_;
  for (int i = 0; i < segments; ++i) AddSegment(slot);
  Rebuild(slot, &cells);
  head.version.fetch_add(1, std::memory_order_acq_rel);
}

void BucketArray::ClearSlot(SlotIndex slot) {
  Head& head = heads_[slot];
  if (head.buckets.load(std::memory_order_relaxed) == 0) return;
  head.size = 0;
  Cells none;
  Rebuild(slot, &none);
  limits_[slot] = segment_count_[slot] = 0;
  head.buckets.store(0, std::memory_order_release);
  const std::uint32_t phase = slot & (kPhases - 1);
  const std::uint32_t place = head.place.exchange(places_, std::memory_order_relaxed);
  FreePlace(phase, place);
  const SlotIndex other = SlotFor(phase, place);
  if (other != kNoSlot) MoveSlot(other, place);
}

SlotIndex BucketArray::SlotFor(std::uint32_t phase, std::uint32_t place) const {
  const std::vector<std::uint32_t>& used = used_places_[phase];
  const std::uint32_t group = place >> kBlockBits;
  std::uint32_t sparsest = group;
  for (std::uint32_t g = 0; g < used.size(); ++g) {
    const bool fewer = used[g] < used[sparsest] || (sparsest == group && used[g] == used[group]);
    if (g != group && used[g] > 0 && fewer) sparsest = g;
  }
  if (used[group] == 0 || sparsest == group) return kNoSlot;
  std::uint32_t from = sparsest << kBlockBits;
  while (slot_at_[phase][from] == kNoSlot) ++from;
  return slot_at_[phase][from];
}

void BucketArray::MoveSlot(SlotIndex slot, std::uint32_t to) {
  const std::uint32_t phase = slot & (kPhases - 1);
  Head& head = heads_[slot];
  const std::uint32_t from = head.place.load(std::memory_order_relaxed);
  std::erase(free_places_[phase], to);
  ++used_places_[phase][to >> kBlockBits];
  slot_at_[phase][to] = slot;
  std::uint32_t first = 0;
  for (std::uint32_t segment = 0; segment < segment_count_[slot]; ++segment) {
    const std::uint32_t count = SegmentUnit(phase) << (segment / 4);
    AllocateBlock(phase, segment, to, first);
    std::byte* const source = BucketAt(slot, first);
    head.place.store(to, std::memory_order_relaxed);
    std::memcpy(BucketAt(slot, first), source, std::size_t{count} * bucket_bytes_);
    head.place.store(from, std::memory_order_relaxed);
    std::memset(source, 0, std::size_t{count} * bucket_bytes_);  // as a slot that comes there must find it
    first += count;
  }
  head.place.store(to, std::memory_order_relaxed);
  FreePlace(phase, from);
}

std::uint64_t BucketArray::memory_bytes() const {
  return arena_.used_bytes() - released_bytes_.load(std::memory_order_relaxed) + slots() * (sizeof(Head) + 5) +
         block_count_ * 5;
}

}  // namespace ps
