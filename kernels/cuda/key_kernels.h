// Kernels of DeviceKeyTable. Pointers are of the device; launches return at once, with an error where
// nothing, or the first of two alone, was launched.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>

#include "kernels/key_bucket.h"

namespace ps {

struct KeyTableView {
  KeyBucket* buckets = nullptr;
  std::uint64_t count = 0;           // of buckets; even
  std::uint32_t* next_id = nullptr;  // of the next new key
};

// Loads all of them (launch.h says why).
cudaError_t LoadKeyKernels();

// ids[i] = id of keys[i], where that is new the next one; 0 for key 0. There are free cells for all
// keys that may be new. Two launches: who meets a key that another thread has just inserted cannot
// know its id before the second one.
[[nodiscard]] cudaError_t LaunchFindOrInsert(const KeyTableView& table,
                                             const unsigned long long* keys, std::uint64_t count,
                                             std::uint32_t* ids, cudaStream_t stream);
// Inserts what buckets of another table, or of none, hold: keys that are not there yet, with their
// ids.
[[nodiscard]] cudaError_t LaunchInsertBuckets(const KeyTableView& table, const KeyBucket* from,
                                              std::uint64_t count, cudaStream_t stream);

}  // namespace ps
