// The margins of rows in the memory of a device, which finished trees are added to: the held-out rows of a job whose
// trees grow there. The twin of AddTree (models/gbdt/booster.h), with the same bits. One caller at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/histogram.h"

namespace ps {

// Rows as bins: a matrix, or with `cells` the ascending cells of each row (models/gbdt/binned_rows.h).
struct DeviceBinRows {
  std::size_t rows = 0;  // below 2^32
  DenseBins matrix;
  const std::uint32_t* cells = nullptr;       // null: the matrix
  const std::uint64_t* row_begin = nullptr;   // rows + 1, into cells
};

struct DeviceTreeNode {
  std::uint32_t column = 0;
  std::uint32_t first_cell = 0, end_cell = 0;  // of the column, where rows have cells
  std::int32_t left = 0, right = 0;            // a node, or ~leaf
  std::uint32_t goes_left[kBinsPerColumn / 32] = {};  // a bit a bin; bin 0 is missing
};

class DeviceTreeMargins {
 public:
  // A row has `outputs` margins: margin m of row r is at [m * rows + r]. NotFound without a device; ResourceExhausted
  // where its memory is too small. `rows` and `margins` are read during the call only.
  static absl::StatusOr<std::unique_ptr<DeviceTreeMargins>> Load(const DeviceBinRows& rows, const float* margins,
                                                                 std::size_t outputs);
  virtual ~DeviceTreeMargins() = default;

  virtual std::uint64_t memory_bytes() const = 0;
  // Adds each row's leaf to its margin `output`. `nodes`: the root first; none: leaf 0 is all. ResourceExhausted:
  // nothing was added. Internal: the device has failed.
  virtual absl::Status Add(const std::vector<DeviceTreeNode>& nodes, const std::vector<float>& leaf_values,
                           std::size_t output) = 0;
  // Of all rows, with all trees so far.
  virtual absl::Status Copy(float* margins) = 0;
};

}  // namespace ps
