// One piece of work on its way to a device and back: what DeviceWork holds, in one pinned buffer
// and one copy to the device; the answer in one copy back. One thread. An idle slot can be used
// again.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/linear_kernels.h"
#include "kernels/cuda/linear_model.h"

namespace ps {

// Copies to the device, kernels, copies from it.
struct WorkStreams {
  cudaStream_t up = nullptr, compute = nullptr, down = nullptr;
};

class WorkSlot {
 public:
  ~WorkSlot();
  // Once, before all else.
  absl::Status Start();
  // Makes room for the work. ResourceExhausted: there is none.
  absl::Status Fit(const DeviceWork& work, int lanes);
  // Takes the work, and gives the copy to the streams: kernels that are launched next find it
  // there.
  absl::Status Upload(const DeviceWork& work, const WorkStreams& streams);
  // When kernels launched so far have run, the answer is copied back.
  absl::Status Download(const WorkStreams& streams);
  // Waits for it.
  absl::StatusOr<DeviceAnswer> Wait();

  // On the device. Ids of rows with keys are those that are to be found.
  const LinearRowsView& rows() const { return rows_; }
  const unsigned long long* keys() const { return keys_; }
  std::size_t key_count() const { return key_count_; }  // of all rows
  std::size_t most_new() const { return most_new_; }    // of them, if none is known
  std::uint32_t* ids() const { return ids_; }           // of all keys, to be written
  std::uint32_t* end_id() const { return end_id_; }     // likewise
  float* margins() const { return margins_; }
  std::uint64_t bytes() const { return in_.bytes() + out_.bytes(); }

 private:
  // Of the buffers: bytes from their beginning.
  struct InLayout {
    std::size_t keys = 0, ids = 0, values = 0, row_begin = 0, labels = 0, weights = 0, end = 0;
  };
  struct OutLayout {
    std::size_t ids = 0, end_id = 0, margins = 0, end = 0;
    std::size_t wanted = 0;  // from here on
  };

  InLayout in_layout_;
  OutLayout out_layout_;
  DeviceArray<unsigned char> in_, out_;
  PinnedBytes up_, down_;
  cudaEvent_t uploaded_ = nullptr, learnt_ = nullptr, downloaded_ = nullptr;

  LinearRowsView rows_;
  const unsigned long long* keys_ = nullptr;
  std::size_t key_count_ = 0, most_new_ = 0, places_ = 0, more_count_[DeviceWork::kMoreKeys] = {},
              margin_count_ = 0;
  std::uint32_t *ids_ = nullptr, *end_id_ = nullptr;
  float* margins_ = nullptr;
};

}  // namespace ps
