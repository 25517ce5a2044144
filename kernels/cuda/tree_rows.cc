#include "kernels/cuda/tree_rows.h"

#include <algorithm>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/device_rows.h"
#include "kernels/cuda/histogram_source.h"
#include "kernels/cuda/pinned_array.h"
#include "kernels/cuda/tree_walk.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr char kRoot[] = "beginning a tree", kSplit[] = "splitting a leaf";

class TreeRows final : public DeviceTreeRows {
 public:
  absl::Status Load(const DeviceTreeInput& input, const DeviceInfo& device) {
    device_name_ = device.name;
    PS_RETURN_IF_ERROR(rows_.Load(input));
    const auto leaves = static_cast<std::size_t>(input.max_leaves);
    PS_RETURN_IF_ERROR(sides_.Allocate(leaves, "splits"));
    PS_RETURN_IF_ERROR(sides_of_split_.Allocate(1));
    PS_ASSIGN_OR_RETURN(source_, (input.is_sparse ? MakeSparseHistograms : MakeDenseHistograms)(
                                     input, leaves, device.processors, rows_.stream()));
    return absl::OkStatus();
  }

  const std::string& device_name() const override { return device_name_; }
  std::uint64_t memory_bytes() const override {
    return rows_.memory_bytes() + source_->memory_bytes() + walk_.memory_bytes();
  }
  absl::Status SetMargins(const std::vector<float>& margins) override {
    return rows_.SetMargins(margins);
  }
  absl::StatusOr<std::vector<float>> Margins() override { return rows_.Margins(); }
  absl::StatusOr<float> LargestGradient() override { return rows_.LargestGradient(); }
  absl::Status BeginRound() override { return rows_.BeginRound(); }

  absl::StatusOr<WideSum> BeginTree(const DeviceGradients& gradients, const DeviceTreeRules& rules,
                                    DeviceNodeSplits* root) override {
    PS_ASSIGN_OR_RETURN(const WideSum total, rows_.MakeGradients(gradients));
    PS_RETURN_IF_ERROR(source_->BeginTree(rules));
    PS_DEVICE_OK(cudaMemsetAsync(sides_.data(), 0, sides_.bytes(), rows_.stream()), kRoot);
    const DeviceRows::Place all = rows_.Root();
    places_.assign(1, all);
    nodes_.assign(1, {total, 0});
    PS_RETURN_IF_ERROR(source_->Sum({rows_.entries(0), all.range}, rows_.count(), 0));
    PS_RETURN_IF_ERROR(source_->FindSplits({0, DeviceHistogramSource::kNoSlot, {total}, {}}));
    PS_RETURN_IF_ERROR(rows_.Finish(kRoot));
    source_->TakeSplits(0, root);
    return total;
  }

  absl::Status Split(const DeviceSplit& split, DeviceNodeSplits* left,
                     DeviceNodeSplits* right) override {
    const Node parent = nodes_[split.leaf];
    const DeviceRows::Place place = places_[split.leaf];
    const std::size_t last = nodes_.size();
    SideCounts* const sides = sides_.data() + last - 1;  // of this split; 0 since the tree began
    PartitionWork part;
    PS_RETURN_IF_ERROR(source_->PlaceSplit(split, &part));
    PS_RETURN_IF_ERROR(rows_.Part(part, place, sides));
    // Hessians stand for rows. The small child takes the next free slot, the large one that of their
    // parent.
    const WideSum rest = parent.total - split.left;
    const bool left_is_small = WideHessian(split.left) <= WideHessian(rest);
    const std::uint32_t buffer = 1 - place.buffer;
    if (split.find_splits) {
      const WideSum small = left_is_small ? split.left : rest;
      const NodeEntries entries{rows_.entries(buffer), place.range,
                                left_is_small ? Side::kLeft : Side::kRight, sides};
      PS_RETURN_IF_ERROR(source_->Sum(entries, ExpectedRows(place, small, parent.total), last));
      PS_RETURN_IF_ERROR(
          source_->FindSplits({last,
                               parent.slot,
                               {small, parent.total - small},
                               {split.bounds[left_is_small ? 0 : 1], split.bounds[left_is_small ? 1 : 0]}}));
    }
    PS_DEVICE_OK(CopyToHost(sides_of_split_.data(), sides, 1, rows_.stream()), kSplit);
    PS_RETURN_IF_ERROR(rows_.Finish(kSplit));
    if (split.find_splits) {
      source_->TakeSplits(0, left_is_small ? left : right);
      source_->TakeSplits(1, left_is_small ? right : left);
    }
    const std::uint32_t middle = place.range.begin + sides_of_split_[0].left;
    const std::size_t left_slot = left_is_small ? last : parent.slot;
    places_[split.leaf] = {{place.range.begin, middle}, buffer};
    places_.push_back({{middle, place.range.end}, buffer});
    nodes_[split.leaf] = {split.left, left_slot};
    nodes_.push_back({rest, last + parent.slot - left_slot});
    return absl::OkStatus();
  }

  absl::StatusOr<DeviceLeafSums> SumLeaves() override { return rows_.SumLeaves(places_); }
  absl::Status AddLeafValues(const std::vector<float>& values, std::size_t output) override {
    return rows_.AddLeafValues(places_, values, output);
  }
  absl::Status AddTree(const std::vector<DeviceTreeNode>& nodes,
                       const std::vector<float>& leaf_values, std::size_t output) override {
    return walk_.Add(source_->rows(), nodes, leaf_values, rows_.margins_on_device(output),
                     rows_.stream());
  }

 private:
  struct Node {
    WideSum total = 0;
    std::size_t slot = 0;
  };

  static std::uint64_t ExpectedRows(const DeviceRows::Place& parent, WideSum part, WideSum total) {
    const double share = 1.0 * WideHessian(part) / std::max(1, WideHessian(total));
    return static_cast<std::uint64_t>(share * parent.size());
  }

  std::string device_name_;
  DeviceRows rows_;
  DeviceArray<SideCounts> sides_;
  PinnedArray<SideCounts> sides_of_split_;  // of the last one
  std::unique_ptr<DeviceHistogramSource> source_;
  DeviceTreeWalk walk_;

  // Leaves of the current tree.
  std::vector<DeviceRows::Place> places_;
  std::vector<Node> nodes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceTreeRows>> DeviceTreeRows::Load(const DeviceTreeInput& input) {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) return device.status();
  auto rows = std::make_unique<TreeRows>();
  PS_RETURN_IF_ERROR(rows->Load(input, *device));
  return rows;
}

}  // namespace ps
