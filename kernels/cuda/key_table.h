// Keys to dense ids in the memory of a device: bulk find-or-insert by open addressing, exact keys,
// growth by rehashing on the device. The twin of ps/table/key_index.h; which key has which id
// depends on the threads, as it does there.
//
// A bucket is 64 bytes: five keys, then their ids. Its first sector of 32 bytes has four of the
// keys, the second the fifth and all ids. So a key that is found costs two sectors side by side,
// and at the highest load, 0.8, 1.24 buckets on average (a key that is absent: 2.4). A key takes 16
// to 32 bytes where memory allows the table to double, and while it grows both tables are there.
//
// One thread; work is given to the stream of the call.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/key_kernels.h"

namespace ps {

class DeviceKeyTable {
 public:
  // Once, before all else: an empty table, whose first key gets `first_id`, at least 1.
  // ResourceExhausted: there is none.
  absl::Status Start(std::uint32_t first_id, cudaStream_t stream);
  // Room for `keys` keys in all. Waits for the stream where the table grows. ResourceExhausted:
  // they do not fit, and the table is what it was.
  absl::Status Reserve(std::uint64_t keys, cudaStream_t stream);

  // ids[i] = id of keys[i], all in the memory of the device; of new keys the next ones, of key 0 0.
  // There is room for all keys that may be new. An error: they were not all looked for.
  [[nodiscard]] cudaError_t FindOrInsert(const unsigned long long* keys, std::size_t count,
                                         std::uint32_t* ids, cudaStream_t stream) const {
    return LaunchFindOrInsert(view_, keys, count, ids, stream);
  }
  // Inserts pairs that buckets in the memory of the host hold; keys are not there yet, their ids are
  // below the first one of Start, and there is room. Waits for the stream.
  absl::Status Insert(const KeyBucket* from, std::size_t count, cudaStream_t stream);

  std::uint64_t buckets() const { return view_.count; }
  // Copies buckets [first, first + count) to the memory of the host. Waits for the stream.
  absl::Status Read(std::uint64_t first, std::size_t count, KeyBucket* to,
                    cudaStream_t stream) const;
  // In the memory of the device: the id that the next new key gets.
  const std::uint32_t* next_id() const { return next_id_.data(); }
  std::uint64_t bytes() const { return buckets_.bytes() + staged_.bytes(); }

 private:
  absl::Status Rehash(std::uint64_t buckets, cudaStream_t stream);

  KeyTableView view_;
  DeviceArray<KeyBucket> buckets_, staged_;
  DeviceArray<std::uint32_t> next_id_;
};

}  // namespace ps
