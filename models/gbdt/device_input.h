// What a device is told of rows, settings and splits: the same for boosting in one process and for a
// worker's part of the rows. Pure functions, any thread.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "kernels/cuda/tree_margins.h"
#include "kernels/cuda/tree_rows.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/split_choice.h"
#include "models/gbdt/tree.h"

namespace ps {

// Unimplemented, with the reason, where a device cannot take such rows.
absl::Status CheckForDevice(const BinnedRows& rows, const std::vector<BinColumn>& columns);

// `input` points into the rows and into zero_bins.
struct DeviceInput {
  std::vector<std::uint8_t> zero_bins;
  DeviceTreeInput input;
};
DeviceInput DeviceInputOf(const BinnedRows& rows, const std::vector<BinColumn>& columns,
                          const BoostParams& params);

// Of a tree, counted from 0.
DeviceGradients DeviceGradientsOf(const BoostParams& params, const GradientScale& scale,
                                  std::uint64_t tree);

// Without whether splits are to be found.
DeviceSplit DeviceSplitOf(const SplitChoice& choice);

// The nodes of a tree for rows of such a layout. Replaces what is in `nodes`.
void DeviceNodesOf(const Tree& tree, const BinnedRows& rows, std::vector<DeviceTreeNode>* nodes);

}  // namespace ps
