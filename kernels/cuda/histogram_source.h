// Where the histograms of nodes come from on a device, and what they say: one implementation a layout
// of the rows. Histograms are in slots; who asks knows which slot has which node.
//
// One caller at a time. All work is put on the stream; what comes back is there once the stream is
// done.
#pragma once

#include <cuda_runtime_api.h>

#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/tree_kernels.h"
#include "kernels/cuda/tree_margins.h"
#include "kernels/cuda/tree_rows.h"

namespace ps {

// What errors of the device say was being done.
inline constexpr char kSummingRows[] = "summing the rows of a node", kFindingCuts[] = "finding cuts";

class DeviceHistogramSource {
 public:
  virtual ~DeviceHistogramSource() = default;

  virtual std::uint64_t memory_bytes() const = 0;
  // All slots are free again. Before FindSplits, whose rules these are.
  virtual absl::Status BeginTree(const DeviceTreeRules& rules) = 0;

  // The rows' bins as they lie on the device.
  virtual DeviceBinRows rows() const = 0;

  // Fills in how the rows of a split's two sides are told apart; holds until the next call.
  virtual absl::Status PlaceSplit(const DeviceSplit& split, PartitionWork* work) = 0;
  // Of that split: the share of rows that goes left, a guess by the values of all rows.
  virtual double left_share() const = 0;

  // Sums a node into a slot, whatever was in it. `expected_rows`: a guess, which time alone depends on.
  virtual absl::Status Sum(const NodeEntries& node, std::uint64_t expected_rows,
                          std::size_t slot) = 0;

  std::size_t slot_cells() const { return slot_cells_; }
  // Copies a slot to slot_cells() cells of pinned memory.
  absl::Status Download(std::size_t slot, WideSum* cells) {
    return DeviceStatus(CopyToHost(cells, Slot(slot), slot_cells_, stream_), "fetching a histogram");
  }
  // Of what was copied, when the stream is done: dense rows have kBinsPerColumn cells a column, sparse
  // ones those of BinnedRows. Holds until the next call, and as long as `cells` do.
  virtual const WideSum* ByColumn(const WideSum* cells) = 0;

  // Finds the splits of the node in `slot`; with a parent those of the other child too, whose histogram
  // takes the place of the parent's.
  static constexpr std::size_t kNoSlot = ~std::size_t{0};
  struct Nodes {
    std::size_t slot = 0, parent_slot = kNoSlot;
    WideSum totals[2] = {};  // of the node in `slot`, of the other one
    ValueBounds bounds[2];   // likewise
  };
  virtual absl::Status FindSplits(const Nodes& nodes) = 0;
  // When the stream is done: of the node that was in `slot` (0), or of the other one (1).
  virtual void TakeSplits(std::size_t node, DeviceNodeSplits* splits) const = 0;

 protected:
  DeviceHistogramSource(int processors, cudaStream_t stream)
      : processors_(processors), stream_(stream) {}

  absl::Status AllocateSlots(std::size_t slots, std::size_t cells) {
    slot_cells_ = cells;
    return slots_.Allocate(slots * cells, "histograms of leaves");
  }
  WideSum* Slot(std::size_t slot) { return slots_.data() + slot * slot_cells_; }
  absl::Status ClearSlot(std::size_t slot) {
    return DeviceStatus(cudaMemsetAsync(Slot(slot), 0, slot_cells_ * sizeof(WideSum), stream_),
                        kSummingRows);
  }

  const int processors_;
  const cudaStream_t stream_;
  DeviceArray<WideSum> slots_;

 private:
  std::size_t slot_cells_ = 0;
};

// ResourceExhausted where the device's memory is too small.
absl::StatusOr<std::unique_ptr<DeviceHistogramSource>> MakeDenseHistograms(
    const DeviceTreeInput& input, std::size_t slots, int processors, cudaStream_t stream);
absl::StatusOr<std::unique_ptr<DeviceHistogramSource>> MakeSparseHistograms(
    const DeviceTreeInput& input, std::size_t slots, int processors, cudaStream_t stream);

}  // namespace ps
