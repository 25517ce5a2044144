// Boosting on rows in the memory of a device: the same trees, bit for bit, as Booster grows on the
// processor. The device computes all that rows have a part in; which leaf is split by what is
// decided here. Rows are dense or sparse. One caller at a time.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/tree_rows.h"
#include "models/gbdt/binned_rows.h"
#include "models/gbdt/gradient_rows.h"
#include "models/gbdt/split_choice.h"
#include "models/gbdt/tree_builder.h"

namespace ps {

class DeviceBooster {
 public:
  // NotFound without a device, Unimplemented for rows that it cannot take, ResourceExhausted where
  // its memory is too small. `rows`, whose margins are begun with where they have some, and `columns`
  // must outlive it.
  static absl::StatusOr<std::unique_ptr<DeviceBooster>> Make(const BinnedRows* rows,
                                                             const std::vector<BinColumn>* columns,
                                                             const BoostParams& params);

  // The constants that the trees add to.
  const std::vector<double>& base_scores() const { return base_scores_; }
  const std::string& device_name() const { return rows_->device_name(); }
  std::uint64_t memory_bytes() const { return rows_->memory_bytes(); }  // of the device
  // Before the first: these were grown before, of the same rows and parameters. ResourceExhausted where
  // the device has no memory for one of them; then there is nothing to go on with.
  absl::Status GoOnAfter(const std::vector<Tree>& trees);
  // Of softmax, trees of a round are those of one class after the other.
  absl::StatusOr<Tree> GrowNext();
  // With all trees so far, as StartMargins lays them out.
  absl::StatusOr<std::vector<float>> Margins() { return rows_->Margins(); }

 private:
  DeviceBooster(const BinnedRows& rows, const std::vector<BinColumn>* columns,
                const BoostParams& params);
  SplitChoice ChoiceOf(const DeviceColumnSplit& found, const ValueBounds& bounds) const;
  void SetBest(std::size_t leaf, const DeviceNodeSplits& splits);
  absl::Status BeginRound();
  absl::Status SplitLeaf(std::size_t leaf);

  const BinnedRows& layout_;  // of the rows
  const std::vector<BinColumn>& columns_;
  const BoostParams params_;
  const LabelSums sums_;
  const std::vector<double> base_scores_;
  std::unique_ptr<DeviceTreeRows> rows_;
  std::uint64_t trees_;

  // Of the current tree.
  SplitRules rules_;
  TreeBuilder builder_;
};

}  // namespace ps
