// Times by a device's own clock. One caller.
#pragma once

#include <cuda_runtime_api.h>

#include <algorithm>
#include <functional>
#include <vector>

#include "absl/status/statusor.h"
#include "kernels/cuda/device_memory.h"
#include "ps/base/status_macros.h"

namespace ps {

using DeviceCall = std::function<absl::Status()>;  // puts work on the stream that all share
inline absl::Status NoPreparation() { return absl::OkStatus(); }

// Median time in ms of work; `prepare` is not counted. One more comes first.
inline absl::StatusOr<double> MedianMs(const DeviceCall& prepare, const DeviceCall& work) {
  constexpr int kRepeats = 9;
  cudaEvent_t start, end;
  PS_RETURN_IF_ERROR(DeviceStatus(cudaEventCreate(&start), "an event"));
  PS_RETURN_IF_ERROR(DeviceStatus(cudaEventCreate(&end), "an event"));
  std::vector<double> all;
  for (int i = -1; i < kRepeats; ++i) {
    PS_RETURN_IF_ERROR(prepare());
    PS_DEVICE_OK(cudaEventRecord(start, nullptr), "measuring");
    PS_RETURN_IF_ERROR(work());
    PS_DEVICE_OK(cudaEventRecord(end, nullptr), "measuring");
    PS_RETURN_IF_ERROR(DeviceStatus(cudaEventSynchronize(end), "running"));
    float ms = 0;
    cudaEventElapsedTime(&ms, start, end);
    if (i >= 0) all.push_back(ms);
  }
  cudaEventDestroy(start);
  cudaEventDestroy(end);
  std::sort(all.begin(), all.end());
  return all[all.size() / 2];
}

// Bytes a ms that a copy inside of the device reads and writes, together.
inline absl::StatusOr<double> CopyBytesPerMs(std::size_t bytes) {
  DeviceArray<unsigned char> from, to;
  PS_RETURN_IF_ERROR(from.Allocate(bytes, "a copy"));
  PS_RETURN_IF_ERROR(to.Allocate(bytes, "a copy"));
  PS_ASSIGN_OR_RETURN(const double ms, MedianMs(NoPreparation, [&] {
                        return DeviceStatus(
                            cudaMemcpyAsync(to.data(), from.data(), bytes,
                                            cudaMemcpyDeviceToDevice, nullptr),
                            "copying");
                      }));
  return 2 * static_cast<double>(bytes) / ms;
}

}  // namespace ps
