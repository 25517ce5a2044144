// What rows are on a device beside their values, whatever the layout of those: labels, weights, margins,
// gradients, and the rows of nodes as ranges of two buffers, of which a node's rows are in one.
//
// One caller at a time. A call that fails leaves nothing to go on with.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/tree_kernels.h"
#include "kernels/cuda/tree_rows.h"

namespace ps {

class DeviceRows {
 public:
  // Where a node's rows are.
  struct Place {
    EntryRange range;
    std::uint32_t buffer = 0;
    std::uint32_t size() const { return range.end - range.begin; }
  };

  DeviceRows() = default;
  DeviceRows(const DeviceRows&) = delete;
  DeviceRows& operator=(const DeviceRows&) = delete;
  ~DeviceRows() {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  // Once, before anything else.
  absl::Status Load(const DeviceTreeInput& input);
  std::uint32_t count() const { return rows_; }
  cudaStream_t stream() const { return stream_; }
  std::uint64_t memory_bytes() const;
  // Waits for what was put on the stream; `doing` says what that was.
  absl::Status Finish(const char* doing) const {
    return DeviceStatus(cudaStreamSynchronize(stream_), doing);
  }

  absl::Status SetMargins(const std::vector<float>& margins);  // as DeviceTreeRows has them
  absl::StatusOr<std::vector<float>> Margins() const;
  float* margins_on_device(std::size_t output) const { return margins_.data() + output * rows_; }
  absl::StatusOr<float> LargestGradient();
  // As DeviceTreeRows::BeginRound.
  absl::Status BeginRound();

  // All rows become entries of buffer 0. Returns the sum of their quantised gradients.
  absl::StatusOr<WideSum> MakeGradients(const DeviceGradients& gradients);
  Place Root() const { return {{0, rows_}, 0}; }
  const RowGradient* entries(std::uint32_t buffer) const { return entries_[buffer].data(); }
  // Parts the rows at `from` into the same range of the other buffer: `work` says by what, and `sides`
  // counts them.
  absl::Status Part(PartitionWork work, const Place& from, SideCounts* sides);

  // So that ranges of buffer 0 alone name nodes: back from where Part put them.
  absl::Status TakeBack(const Place& from);

  // Leaves have all rows, each once.
  absl::StatusOr<DeviceLeafSums> SumLeaves(const std::vector<Place>& leaves);
  // Adds each leaf's value to margin `output` of its rows.
  absl::Status AddLeafValues(const std::vector<Place>& leaves, const std::vector<float>& values,
                             std::size_t output);

 private:
  absl::Status MakeRoom(std::size_t leaves);
  GradientWork MakeGradientWork(std::size_t output);
  absl::StatusOr<LeafWork> UploadLeaves(const std::vector<Place>& leaves,
                                        const std::vector<float>& values);

  std::uint32_t rows_ = 0;
  cudaStream_t stream_ = nullptr;
  std::uint32_t classes_ = 1;
  DeviceArray<float> labels_, weights_, margins_;
  DeviceArray<float> largest_margin_, inverse_sum_;  // of several classes: norms of the round's begin
  DeviceArray<FixedGradient> fixed_;
  DeviceArray<RowGradient> entries_[2];
  DeviceArray<WideSum> total_;
  DeviceArray<int> largest_;
  DeviceArray<LeafRange> leaves_;
  DeviceArray<std::int64_t> sums_;
  std::vector<std::size_t> order_;  // of the leaves, by their ranges
  std::vector<LeafRange> leaf_ranges_;
};

}  // namespace ps
