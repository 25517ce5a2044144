// Distinct keys of an array, in ascending order, in the memory of a device: a stable radix sort, a
// byte at a time, two kernels each, and two more that number what is left. Sorting, not a table,
// because keys are to leave in order, and because places of a key that stay in their order are what
// sums in the order of rows need. Eight bytes cost the same whatever the keys are: no set of keys
// is slow.
//
// Owns the memory that a sort needs; what it finds is the caller's, but for the keys. One thread.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/sort_kernels.h"

namespace ps {

class DeviceKeySort {
 public:
  // What there is of keys after Run, in one piece: two counts, as DistinctKeysView has them, and
  // from kKeysAt bytes on the keys.
  static constexpr std::size_t kKeysAt = 16;

  // Room for `size` keys, fewer than 2^32. ResourceExhausted: there is none, and no keys are there
  // any more.
  absl::Status Reserve(std::size_t size);
  // Where they are to be put.
  unsigned long long* keys() const { return keys_.data(); }
  // Finds those of the first `size` keys, at least one. `to` has its places filled in but for
  // counts and keys.
  [[nodiscard]] cudaError_t Run(std::size_t size, DistinctKeysView to, cudaStream_t stream);
  const unsigned char* found() const {
    return reinterpret_cast<const unsigned char*>(found_.data());
  }
  std::uint64_t bytes() const {
    return keys_.bytes() + found_.bytes() + order_.bytes() + other_order_.bytes() + counts_.bytes();
  }

 private:
  DeviceArray<unsigned long long> keys_, found_;
  DeviceArray<std::uint32_t> order_, other_order_, counts_;
};

}  // namespace ps
