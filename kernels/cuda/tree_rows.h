// The rows of a job in the memory of a device, and all that a grower of trees asks of rows:
// gradients, histograms, the best cuts, parting, sums of leaves, margins. Which leaf is split, and
// by what, is decided by whoever calls. The results are the same bits as those of the processor's
// kernels.
//
// One caller at a time. A call that fails leaves nothing to go on with. Rows are those of a dense
// matrix; leaves are numbered as TreeBuilder does it: of a leaf that is split, the left child takes
// the place and the right one becomes the last.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/gradients.h"
#include "kernels/histogram.h"
#include "kernels/split_scan.h"

namespace ps {

struct DeviceTreeInput {
  DenseBins matrix;
  std::size_t rows = 0;            // 1 to 2^32 - 2
  const float* labels = nullptr;   // read while the rows are loaded only
  const float* weights = nullptr;  // null: all 1
  std::vector<std::uint8_t> bins;  // of each column
  std::vector<bool> is_category;   // of each column
  int max_leaves = 2;              // of a tree
};

// How a tree's gradients are made.
struct DeviceGradients {
  bool logistic = true;  // else squared error
  Quantisation quantisation;
  std::uint64_t first_global_row = 0;
  double row_sample = 1;
  std::uint64_t sample_key = 0;  // decides the rows that are sampled
};

// What a node's histogram says of one column. Of categories only the cells and the total count.
struct DeviceColumnSplit {
  double score = -1;  // negative: no cut is allowed
  WideSum left = 0, missing = 0, total = 0;
  int bin = 0;
  bool missing_left = false;          // meaningful where missing is not 0
  const WideSum* category = nullptr;  // kBinsPerColumn cells, until the next call
};
using DeviceNodeSplits = std::vector<DeviceColumnSplit>;  // one a column

struct DeviceSplit {
  std::uint32_t leaf = 0;
  std::uint32_t column = 0;
  std::uint32_t goes_left[kBinsPerColumn / 32] = {};  // a bit a bin
  bool find_splits = false;                           // of both children
  bool left_is_small = false;                         // a guess of which child has fewer rows
};

struct DeviceLeafSums {
  std::vector<std::int64_t> g, h;
};

class DeviceTreeRows {
 public:
  // NotFound without a device; ResourceExhausted where its memory is too small.
  static absl::StatusOr<std::unique_ptr<DeviceTreeRows>> Load(const DeviceTreeInput& input);
  virtual ~DeviceTreeRows() = default;

  virtual std::uint64_t memory_bytes() const = 0;
  virtual absl::Status SetMargins(float margin) = 0;  // of all rows
  virtual absl::StatusOr<std::vector<float>> Margins() = 0;
  // The largest magnitude of a gradient of squared errors.
  virtual absl::StatusOr<float> LargestGradient() = 0;

  // A new tree of one leaf. `root`: what its histogram says.
  virtual absl::Status BeginTree(const DeviceGradients& gradients, const ScanParams& params,
                                 DeviceNodeSplits* root) = 0;
  // Of the children, where they are asked for.
  virtual absl::Status Split(const DeviceSplit& split, DeviceNodeSplits* left,
                             DeviceNodeSplits* right) = 0;
  // Of the leaves there are now.
  virtual absl::StatusOr<DeviceLeafSums> SumLeaves() = 0;
  // Adds each leaf's value to the margins of its rows.
  virtual absl::Status AddLeafValues(const std::vector<float>& values) = 0;
};

}  // namespace ps
