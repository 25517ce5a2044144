#include <cuda_runtime.h>

#include "kernels/cuda/key_kernels.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/relaxed.h"
#include "ps/base/key.h"

namespace ps {
namespace {

constexpr unsigned kThreads = 256;
constexpr std::uint32_t kUnknownId = 0;  // of key 0; of a cell, and of its key: not written yet
constexpr std::uint32_t kPending = 0xffffffff;  // of a key whose id the second launch reads

// The buckets where a key may be, in order. The home, and its neighbour in the line of 128 bytes;
// then pairs by rehashing; then, for keys that were made to collide, one after the other to the
// end.
class Probe {
 public:
  __device__ Probe(const KeyTableView& table, unsigned long long key) : table_(table), key_(key) {
    bucket_ = __umul64hi(key, table.count);
  }
  __device__ KeyBucket* bucket() const { return table_.buckets + bucket_; }
  __device__ void Next() {
    ++step_;
    if (step_ > kRehashed) {
      bucket_ = bucket_ + 1 == table_.count ? 0 : bucket_ + 1;
    } else if (step_ % 2 == 1) {
      bucket_ ^= 1;
    } else {
      bucket_ = __umul64hi(Mix64(key_ + step_), table_.count);
    }
  }

 private:
  static constexpr unsigned kRehashed = 63;
  const KeyTableView& table_;
  const unsigned long long key_;
  std::uint64_t bucket_ = 0;
  unsigned step_ = 0;
};

// Where a key is. Null: nowhere.
struct Place {
  KeyBucket* bucket = nullptr;
  unsigned cell = 0;
  bool is_new = false;  // inserted by this thread, which must write its id
};

// The keys of a bucket that are in its first sector. A key that is read has been written whole;
// what reads as free is not taken without a compare-and-swap.
struct FirstKeys {
  static constexpr unsigned kCount = 4;
  unsigned long long keys[kCount];
  __device__ explicit FirstKeys(const KeyBucket* bucket) {
    const auto* const pairs = reinterpret_cast<const ulonglong2*>(bucket->keys);
    const ulonglong2 first = LoadRelaxed(pairs), second = LoadRelaxed(pairs + 1);
    keys[0] = first.x;
    keys[1] = first.y;
    keys[2] = second.x;
    keys[3] = second.y;
  }
};

// All threads that look for a key pass the same cells in the same order, so only one of them can
// insert it, and the others meet it there.
__device__ Place FindOrClaim(const KeyTableView& table, unsigned long long key) {
  for (Probe probe(table, key);; probe.Next()) {
    KeyBucket* const bucket = probe.bucket();
    const FirstKeys first(bucket);
#pragma unroll
    for (unsigned cell = 0; cell < KeyBucket::kCells; ++cell) {
      unsigned long long there =
          cell < FirstKeys::kCount ? first.keys[cell] : LoadRelaxed(&bucket->keys[cell]);
      if (there == kEmptyKey) {
        there = atomicCAS(&bucket->keys[cell], static_cast<unsigned long long>(kEmptyKey), key);
        if (there == kEmptyKey) return {bucket, cell, true};
      }
      if (there == key) return {bucket, cell, false};
    }
  }
}

// A thread a key.
__global__ void __launch_bounds__(kThreads)
    FindOrInsertKernel(KeyTableView table, const unsigned long long* keys, std::uint64_t count,
                       std::uint32_t* ids) {
  const std::uint64_t at = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  const unsigned long long key = at < count ? keys[at] : kEmptyKey;
  Place place;
  if (key != kEmptyKey) place = FindOrClaim(table, key);
  // New ids of a warp are taken at once.
  const unsigned is_new = __ballot_sync(kAllLanes, place.is_new);
  std::uint32_t first_id = 0;
  if (is_new != 0) {
    if (threadIdx.x % kWarp == 0)
      first_id = atomicAdd(table.next_id, static_cast<std::uint32_t>(__popc(is_new)));
    first_id = __shfl_sync(kAllLanes, first_id, 0);
  }
  if (at >= count) return;
  std::uint32_t id = kUnknownId;
  if (place.is_new) {
    const unsigned before = is_new & ((1u << threadIdx.x % kWarp) - 1);
    id = first_id + static_cast<std::uint32_t>(__popc(before));
    StoreRelaxed(&place.bucket->ids[place.cell], id);
  } else if (place.bucket != nullptr) {
    id = LoadRelaxed(&place.bucket->ids[place.cell]);
    if (id == kUnknownId) id = kPending;
  }
  ids[at] = id;
}

__global__ void __launch_bounds__(kThreads)
    PendingIdsKernel(KeyTableView table, const unsigned long long* keys, std::uint64_t count,
                     std::uint32_t* ids) {
  const std::uint64_t at = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at >= count || ids[at] != kPending) return;
  const Place place = FindOrClaim(table, keys[at]);
  ids[at] = place.bucket->ids[place.cell];
}

// A thread a cell.
__global__ void __launch_bounds__(kThreads)
    InsertBucketsKernel(KeyTableView table, const KeyBucket* from, std::uint64_t count) {
  const std::uint64_t at = std::uint64_t{blockIdx.x} * kThreads + threadIdx.x;
  if (at >= count * KeyBucket::kCells) return;
  const KeyBucket& bucket = from[at / KeyBucket::kCells];
  const unsigned cell = at % KeyBucket::kCells;
  if (bucket.keys[cell] == kEmptyKey) return;
  const Place place = FindOrClaim(table, bucket.keys[cell]);
  place.bucket->ids[place.cell] = bucket.ids[cell];
}

}  // namespace

cudaError_t LoadKeyKernels() {
  return LoadKernels(FindOrInsertKernel, PendingIdsKernel, InsertBucketsKernel);
}

cudaError_t LaunchFindOrInsert(const KeyTableView& table, const unsigned long long* keys,
                               std::uint64_t count, std::uint32_t* ids, cudaStream_t stream) {
  const Grid grid{BlocksFor(count, kThreads)};
  const cudaError_t error =
      Launch(FindOrInsertKernel, grid, kThreads, stream, table, keys, count, ids);
  if (error != cudaSuccess) return error;
  return Launch(PendingIdsKernel, grid, kThreads, stream, table, keys, count, ids);
}

cudaError_t LaunchInsertBuckets(const KeyTableView& table, const KeyBucket* from,
                                std::uint64_t count, cudaStream_t stream) {
  return Launch(InsertBucketsKernel, {BlocksFor(count * KeyBucket::kCells, kThreads)}, kThreads,
                stream, table, from, count);
}

}  // namespace ps
