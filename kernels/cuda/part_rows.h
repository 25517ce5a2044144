// A part of a job's rows in the memory of a device: what a worker of a cluster does to rows and asks of
// them. Nodes have numbers of whoever calls; a node that is split stays, since perhaps nothing comes of
// the split. What is summed and where it is decided upon is the caller's. The results are the same bits
// as those of the processor's kernels.
//
// One caller at a time. A call that fails leaves nothing to go on with, but for refused arguments.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/tree_margins.h"
#include "kernels/cuda/tree_rows.h"

namespace ps {

class DevicePartRows {
 public:
  // NotFound without a device; ResourceExhausted where its memory is too small.
  static absl::StatusOr<std::unique_ptr<DevicePartRows>> Load(const DeviceTreeInput& input);
  virtual ~DevicePartRows() = default;

  virtual const std::string& device_name() const = 0;
  virtual std::uint64_t memory_bytes() const = 0;
  // Margin m of row r is at [m * rows + r].
  virtual absl::Status SetMargins(const std::vector<float>& margins) = 0;
  virtual absl::StatusOr<std::vector<float>> Margins() = 0;
  // The largest magnitude of a gradient of squared errors.
  virtual absl::StatusOr<float> LargestGradient() = 0;

  // As DeviceTreeRows::BeginRound.
  virtual absl::Status BeginRound() = 0;
  // A new tree: all rows are node 0, whose histogram is summed, too. Returns its sum.
  virtual absl::StatusOr<WideSum> Begin(const DeviceGradients& gradients) = 0;
  virtual void ForgetNodes() = 0;
  virtual bool Has(std::uint32_t node) const = 0;
  // Of a node that is there; only the column and the bins of `split` count. The right child is left + 1.
  // One of the two is summed where it is wanted.
  enum class Summed { kNone, kLeft, kRight };
  virtual absl::Status Split(std::uint32_t node, std::uint32_t left, const DeviceSplit& split,
                             Summed summed) = 0;
  // Of the root, or of the child that was summed since: dense rows have kBinsPerColumn cells a column,
  // sparse ones those of their columns. Holds until the next call that sums.
  virtual const WideSum* Histogram() = 0;

  // Whether these nodes have all rows, each once.
  virtual bool AreLeaves(const std::vector<std::uint32_t>& nodes) const = 0;
  // Of such nodes.
  virtual absl::StatusOr<DeviceLeafSums> SumLeaves(const std::vector<std::uint32_t>& nodes) = 0;
  // Adds each node's value to margin `output` of its rows.
  virtual absl::Status AddLeafValues(const std::vector<std::uint32_t>& nodes,
                                     const std::vector<float>& values, std::size_t output) = 0;
  // A tree that was grown elsewhere: adds each row's leaf. As DeviceTreeMargins::Add.
  virtual absl::Status AddTree(const std::vector<DeviceTreeNode>& nodes,
                               const std::vector<float>& leaf_values, std::size_t output) = 0;
};

}  // namespace ps
