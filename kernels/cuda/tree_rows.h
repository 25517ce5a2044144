// The rows of a job in the memory of a device, and all that a grower of trees asks of rows:
// gradients, histograms, the best cuts, parting, sums of leaves, margins. Which leaf is split, and
// by what, is decided by whoever calls. The results are the same bits as those of the processor's
// kernels.
//
// One caller at a time. A call that fails leaves nothing to go on with. Rows are dense or sparse, as
// BinnedRows (models/gbdt/binned_rows.h) has them; leaves are numbered as TreeBuilder does it: of a
// leaf that is split, the left child takes the place and the right one becomes the last.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/tree_margins.h"
#include "kernels/bounded_split.h"
#include "kernels/gradients.h"
#include "kernels/histogram.h"
#include "kernels/split_scan.h"

namespace ps {

struct DeviceSparseRows {
  const std::uint64_t* row_begin = nullptr;  // rows + 1, into cells
  const std::uint32_t* cells = nullptr;
  const std::uint32_t* first_cell = nullptr;  // columns + 1
  // Of each column the bin that absent values are in; null: they are missing.
  const std::uint8_t* zero_bin = nullptr;
};

// Arrays are read while the rows are loaded only.
struct DeviceTreeInput {
  std::size_t rows = 0;            // 1 to 2^32 - 2
  const float* labels = nullptr;
  const float* weights = nullptr;  // null: all 1
  std::vector<std::uint8_t> bins;  // of each column
  std::vector<bool> is_category;   // of each column; of sparse rows none is
  std::vector<Direction> directions;  // of each column; empty: all are free
  bool is_sparse = false;
  DenseBins matrix;         // dense
  DeviceSparseRows sparse;  // sparse
  int max_leaves = 2;       // of a tree
  std::uint32_t classes = 1;  // of softmax: margins of a row; else 1
};

// How a tree's gradients are made.
struct DeviceGradients {
  GradientKind kind = GradientKind::kLogistic;
  std::uint32_t output = 0;  // the margin that the tree adds to: of softmax the number of its class
  Quantisation quantisation;
  std::uint64_t first_global_row = 0;
  double row_sample = 1;
  std::uint64_t sample_key = 0;  // decides the rows that are sampled
};

// By what the columns of a tree are split.
struct DeviceTreeRules {
  ScanParams scan;
  std::vector<std::uint8_t> chosen;  // a byte a column: whether it may be used; empty: all
};

// The best cut of a node by one column. Of categories only the cells and the total count.
struct DeviceColumnSplit {
  std::uint32_t column = 0;
  double score = -1;  // negative: no cut is allowed
  WideSum left = 0, missing = 0, total = 0;
  int bin = 0;
  bool missing_left = false;          // meaningful where missing is not 0
  const WideSum* category = nullptr;  // kBinsPerColumn cells, until the next call
};
// What a node may be split by, ascending columns. Of dense rows each column that may be used; of sparse
// ones the best, if there is one: the highest score, among equals the lowest column.
using DeviceNodeSplits = std::vector<DeviceColumnSplit>;

struct DeviceSplit {
  std::uint32_t leaf = 0;
  std::uint32_t column = 0;
  std::uint32_t goes_left[kBinsPerColumn / 32] = {};  // a bit a bin; bin 0 is a missing value
  WideSum left = 0;                                   // the sum of the left child
  bool find_splits = false;                           // of both children
  ValueBounds bounds[2];  // of the left and the right child, where columns have directions
};
inline bool GoesLeft(const DeviceSplit& split, unsigned bin) {
  return (split.goes_left[bin / 32] >> (bin % 32)) & 1;
}

struct DeviceLeafSums {
  std::vector<std::int64_t> g, h;
};

class DeviceTreeRows {
 public:
  // NotFound without a device; ResourceExhausted where its memory is too small.
  static absl::StatusOr<std::unique_ptr<DeviceTreeRows>> Load(const DeviceTreeInput& input);
  virtual ~DeviceTreeRows() = default;

  virtual const std::string& device_name() const = 0;
  virtual std::uint64_t memory_bytes() const = 0;
  // Margin m of row r is at [m * rows + r].
  virtual absl::Status SetMargins(const std::vector<float>& margins) = 0;
  virtual absl::StatusOr<std::vector<float>> Margins() = 0;
  // The largest magnitude of a gradient of squared errors.
  virtual absl::StatusOr<float> LargestGradient() = 0;

  // Of softmax, before any tree of a round enters the margins: gradients of all of its trees are of the
  // margins as they are now.
  virtual absl::Status BeginRound() = 0;
  // A new tree of one leaf. Returns its sum; `root`: what its histogram says.
  virtual absl::StatusOr<WideSum> BeginTree(const DeviceGradients& gradients,
                                            const DeviceTreeRules& rules,
                                            DeviceNodeSplits* root) = 0;
  // The splits of the children, where they are asked for.
  virtual absl::Status Split(const DeviceSplit& split, DeviceNodeSplits* left,
                             DeviceNodeSplits* right) = 0;
  // Of the leaves there are now.
  virtual absl::StatusOr<DeviceLeafSums> SumLeaves() = 0;
  // Adds each leaf's value to margin `output` of its rows.
  virtual absl::Status AddLeafValues(const std::vector<float>& values, std::size_t output) = 0;
  // A tree that was not grown here: adds each row's leaf. As DeviceTreeMargins::Add.
  virtual absl::Status AddTree(const std::vector<DeviceTreeNode>& nodes,
                               const std::vector<float>& leaf_values, std::size_t output) = 0;
};

}  // namespace ps
