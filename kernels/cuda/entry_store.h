// The entries of a linear model in the memory of a device: what LinearModelView shows. One thread;
// work is given to the stream of the call.
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/linear_kernels.h"
#include "kernels/lane_learner.h"

namespace ps {

class DeviceEntries {
 public:
  // Replaces all by entries of `lanes` for ids [0, ids), all zeros. ResourceExhausted: they do not
  // fit, and there are none any more.
  absl::Status Reset(LaneSettings lanes, std::size_t ids, cudaStream_t stream);
  // Ids [0, ids) have entries from now on; new ones are zeros. ResourceExhausted: they do not fit,
  // and the entries are what they were.
  absl::Status Reserve(std::size_t ids, cudaStream_t stream);
  // Entries of all reserved ids become unmarked.
  [[nodiscard]] cudaError_t ClearMarks(cudaStream_t stream) const {
    return LaunchClearMarks(view_, ids_, stream);
  }

  const LinearModelView& view() const { return view_; }
  std::size_t ids() const { return ids_; }  // that have room
  std::uint64_t bytes() const;

 private:
  LinearModelView view_;
  std::vector<DeviceArray<unsigned char>> segments_;
  DeviceArray<unsigned char*> addresses_;  // of segments, as the device reads them
  std::size_t ids_ = 0;
};

}  // namespace ps
