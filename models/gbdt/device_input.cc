#include "models/gbdt/device_input.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "models/gbdt/histogram_source.h"

namespace ps {

// What sums of a thousand rows in 16 bits take (kernels/cuda/sparse_kernels.h, tree_kernels.cu).
static_assert(kGradientSteps <= 31 && kHessianSteps < 63);

absl::Status CheckForDevice(const BinnedRows& rows, const std::vector<BinColumn>& columns) {
  if (rows.rows == 0 || columns.empty())
    return absl::UnimplementedError("there is nothing to split by");
  for (const BinColumn& column : columns) {
    if (rows.sparse && column.kind == ColumnKind::kCategory)
      return absl::UnimplementedError("categories of sparse rows are not grown on a device yet");
  }
  return absl::OkStatus();
}

DeviceInput DeviceInputOf(const BinnedRows& rows, const std::vector<BinColumn>& columns,
                          const BoostParams& params) {
  DeviceInput made;
  DeviceTreeInput& input = made.input;
  input.rows = rows.rows;
  input.labels = rows.labels.data();
  input.weights = rows.weights.empty() ? nullptr : rows.weights.data();
  for (const BinColumn& column : columns) {
    input.bins.push_back(static_cast<std::uint8_t>(column.bins()));
    input.is_category.push_back(column.kind == ColumnKind::kCategory);
    if (params.grow.absent_is_zero) made.zero_bins.push_back(BinOf(column, 0.0f));
    input.directions.push_back(column.direction);
  }
  const auto is_free = [](Direction direction) { return direction == Direction::kFree; };
  if (std::all_of(input.directions.begin(), input.directions.end(), is_free)) input.directions.clear();
  input.is_sparse = rows.sparse;
  if (rows.sparse) {
    input.sparse = {rows.row_begin.data(), rows.cells.data(), rows.first_cell.data(),
                    params.grow.absent_is_zero ? made.zero_bins.data() : nullptr};
  } else {
    input.matrix = rows.dense();
  }
  input.max_leaves = params.grow.max_leaves;
  input.classes = params.classes;
  return made;
}

DeviceGradients DeviceGradientsOf(const BoostParams& params, const GradientScale& scale,
                                  std::uint64_t tree) {
  DeviceGradients gradients;
  gradients.kind = params.objective == Objective::kSquared   ? GradientKind::kSquared
                   : params.objective == Objective::kSoftmax ? GradientKind::kSoftmax
                                                             : GradientKind::kLogistic;
  gradients.output = static_cast<std::uint32_t>(tree % params.classes);
  gradients.quantisation = QuantisationOf(scale, TreeKey(params.seed, tree));
  gradients.first_global_row = params.first_global_row;
  gradients.row_sample = params.row_sample;
  gradients.sample_key = SampleKey(params.seed, tree);
  return gradients;
}

DeviceSplit DeviceSplitOf(const SplitChoice& choice) {
  DeviceSplit split;
  split.column = choice.column;
  split.left = choice.left;
  for (unsigned bin = 0; bin < kBinsPerColumn; ++bin) {
    if (GoesLeft(choice, static_cast<std::uint8_t>(bin)))
      split.goes_left[bin / 32] |= 1u << (bin % 32);
  }
  return split;
}

void DeviceNodesOf(const Tree& tree, const BinnedRows& rows, std::vector<DeviceTreeNode>* nodes) {
  nodes->clear();
  for (const TreeNode& node : tree.nodes) {
    DeviceTreeNode walked;
    walked.column = node.column;
    if (rows.sparse) {
      walked.first_cell = rows.first_cell[node.column];
      walked.end_cell = rows.first_cell[node.column + 1];
    }
    walked.left = node.left;
    walked.right = node.right;
    for (unsigned bin = 0; bin < kBinsPerColumn; ++bin) {
      if (GoesLeft(tree, node, static_cast<std::uint8_t>(bin))) walked.goes_left[bin / 32] |= 1u << (bin % 32);
    }
    nodes->push_back(walked);
  }
}

}  // namespace ps
