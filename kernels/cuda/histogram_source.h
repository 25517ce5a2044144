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
#include "kernels/cuda/tree_kernels.h"
#include "kernels/cuda/tree_margins.h"
#include "kernels/cuda/tree_rows.h"

namespace ps {

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

  virtual std::size_t slot_cells() const = 0;
  // Copies a slot to slot_cells() cells of pinned memory.
  virtual absl::Status Download(std::size_t slot, WideSum* cells) = 0;
  // Of what was copied, when the stream is done: dense rows have kBinsPerColumn cells a column, sparse
  // ones those of BinnedRows. Holds until the next call, and as long as `cells` do.
  virtual const WideSum* ByColumn(const WideSum* cells) = 0;

  // Finds the splits of the node in `slot`; with a parent those of the other child too, whose histogram
  // takes the place of the parent's.
  static constexpr std::size_t kNoSlot = ~std::size_t{0};
  struct Nodes {
    std::size_t slot = 0, parent_slot = kNoSlot;
    WideSum totals[2] = {};  // of the node in `slot`, of the other one
  };
  virtual absl::Status FindSplits(const Nodes& nodes) = 0;
  // When the stream is done: of the node that was in `slot` (0), or of the other one (1).
  virtual void TakeSplits(std::size_t node, DeviceNodeSplits* splits) const = 0;
};

// ResourceExhausted where the device's memory is too small.
absl::StatusOr<std::unique_ptr<DeviceHistogramSource>> MakeDenseHistograms(
    const DeviceTreeInput& input, std::size_t slots, int processors, cudaStream_t stream);
absl::StatusOr<std::unique_ptr<DeviceHistogramSource>> MakeSparseHistograms(
    const DeviceTreeInput& input, std::size_t slots, int processors, cudaStream_t stream);

}  // namespace ps
