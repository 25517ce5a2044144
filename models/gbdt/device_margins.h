// The margins of held-out rows in the memory of a device, where the trees of a job grow: the same bits as AddTree
// (booster.h) makes on the processor. One caller at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/tree_margins.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/tree.h"

namespace ps {

class DeviceMargins {
 public:
  // `rows`, at least one, must outlive it; `margins` are what they begin with, as StartMargins lays them out.
  // NotFound without a device; ResourceExhausted where its memory is too small.
  static absl::StatusOr<std::unique_ptr<DeviceMargins>> Make(const BinnedRows* rows,
                                                             const std::vector<float>& margins);

  std::uint64_t memory_bytes() const { return device_->memory_bytes(); }  // of the device
  // ResourceExhausted: the tree was not added. Internal: the device has failed.
  absl::Status Add(const Tree& tree, std::size_t output);
  // With all trees so far.
  absl::Status Copy(std::vector<float>* margins);

 private:
  DeviceMargins(const BinnedRows* rows, std::size_t margins, std::unique_ptr<DeviceTreeMargins> device)
      : rows_(*rows), margins_(margins), device_(std::move(device)) {}

  const BinnedRows& rows_;
  const std::size_t margins_;  // of all rows
  const std::unique_ptr<DeviceTreeMargins> device_;
  std::vector<DeviceTreeNode> nodes_;  // kept for their memory
};

}  // namespace ps
