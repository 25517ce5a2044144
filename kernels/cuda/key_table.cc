#include "kernels/cuda/key_table.h"

#include <algorithm>
#include <utility>

namespace ps {
namespace {

constexpr std::uint64_t kFirstBuckets = 1 << 10;
constexpr std::size_t kStagedBuckets = 1 << 14;

// What errors say was being done.
constexpr char kStarting[] = "starting a table of keys", kGrowing[] = "making the table of keys larger",
               kInserting[] = "inserting known keys", kReading[] = "reading the keys back";

// At a load of 0.8 four keys take a bucket of five cells.
std::uint64_t BucketsFor(std::uint64_t keys) {
  const std::uint64_t buckets = (keys + 3) / 4;
  return buckets + buckets % 2;
}

}  // namespace

absl::Status DeviceKeyTable::Start(std::uint32_t first_id, cudaStream_t stream) {
  for (const absl::Status& status :
       {next_id_.Allocate(1, "a count of keys"),
        staged_.Allocate(kStagedBuckets, "keys on their way"), Rehash(kFirstBuckets, stream)}) {
    if (!status.ok()) return status;
  }
  view_.next_id = next_id_.data();
  PS_DEVICE_OK(CopyToDevice(next_id_.data(), &first_id, 1, stream), kStarting);
  PS_DEVICE_OK(cudaStreamSynchronize(stream), kStarting);
  return absl::OkStatus();
}

absl::Status DeviceKeyTable::Reserve(std::uint64_t keys, cudaStream_t stream) {
  const std::uint64_t needed = BucketsFor(keys);
  if (needed <= view_.count) return absl::OkStatus();
  // Twice as large, or what there is room for; not by less than a sixteenth, for each time costs
  // all keys.
  absl::Status status;
  for (const std::uint64_t parts : {16, 4, 1}) {
    const std::uint64_t grown = view_.count + view_.count * parts / 16;
    status = Rehash(std::max(needed, grown + grown % 2), stream);
    if (!absl::IsResourceExhausted(status)) break;
  }
  return status;
}

absl::Status DeviceKeyTable::Rehash(std::uint64_t buckets, cudaStream_t stream) {
  DeviceArray<KeyBucket> larger;
  if (const absl::Status status = larger.Allocate(buckets, "keys"); !status.ok()) return status;
  PS_DEVICE_OK(cudaMemsetAsync(larger.data(), 0, buckets * sizeof(KeyBucket), stream), kGrowing);
  KeyTableView view = view_;
  view.buckets = larger.data();
  view.count = buckets;
  PS_DEVICE_OK(LaunchInsertBuckets(view, view_.buckets, view_.count, stream), kGrowing);
  PS_DEVICE_OK(cudaStreamSynchronize(stream), kGrowing);  // before the smaller table ends
  view_ = view;
  buckets_ = std::move(larger);
  return absl::OkStatus();
}

absl::Status DeviceKeyTable::Insert(const KeyBucket* from, std::size_t count, cudaStream_t stream) {
  for (std::size_t first = 0; first < count; first += kStagedBuckets) {
    const std::size_t part = std::min(kStagedBuckets, count - first);
    PS_DEVICE_OK(CopyToDevice(staged_.data(), from + first, part, stream), kInserting);
    PS_DEVICE_OK(LaunchInsertBuckets(view_, staged_.data(), part, stream), kInserting);
  }
  PS_DEVICE_OK(cudaStreamSynchronize(stream), kInserting);
  return absl::OkStatus();
}

absl::Status DeviceKeyTable::Read(std::uint64_t first, std::size_t count, KeyBucket* to,
                                  cudaStream_t stream) const {
  PS_DEVICE_OK(CopyToHost(to, buckets_.data() + first, count, stream), kReading);
  PS_DEVICE_OK(cudaStreamSynchronize(stream), kReading);
  return absl::OkStatus();
}

}  // namespace ps
