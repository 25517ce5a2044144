#include "kernels/cuda/part_rows.h"

#include <algorithm>
#include <map>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/device_rows.h"
#include "kernels/cuda/histogram_source.h"
#include "kernels/cuda/pinned_array.h"
#include "kernels/cuda/tree_walk.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr char kSplittingNode[] = "splitting a node";

class PartRows final : public DevicePartRows {
 public:
  absl::Status Load(const DeviceTreeInput& input, const DeviceInfo& device) {
    device_name_ = device.name;
    PS_RETURN_IF_ERROR(rows_.Load(input));
    PS_RETURN_IF_ERROR(sides_.Allocate(1, "a split"));
    PS_RETURN_IF_ERROR(sides_of_split_.Allocate(1));
    constexpr std::size_t kSlots = 1;  // others keep the histograms
    PS_ASSIGN_OR_RETURN(source_, (input.is_sparse ? MakeSparseHistograms : MakeDenseHistograms)(
                                     input, kSlots, device.processors, rows_.stream()));
    PS_RETURN_IF_ERROR(histogram_.Allocate(source_->slot_cells()));
    return walk_.Reserve(static_cast<std::size_t>(input.max_leaves));
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

  absl::StatusOr<WideSum> Begin(const DeviceGradients& gradients) override {
    const DeviceRows::Place root = rows_.Root();
    nodes_ = {{0, root}};
    PS_ASSIGN_OR_RETURN(const WideSum total, rows_.MakeGradients(gradients));
    PS_RETURN_IF_ERROR(Sum({rows_.entries(0), root.range}, root.size()));
    PS_RETURN_IF_ERROR(rows_.Finish("beginning a tree"));
    return total;
  }

  void ForgetNodes() override { nodes_.clear(); }
  bool Has(std::uint32_t node) const override { return nodes_.count(node) > 0; }

  // All nodes are ranges of one buffer: parting a node changes the order of rows inside of its range
  // only, so that the ranges of the nodes above it hold as well.
  absl::Status Split(std::uint32_t node, std::uint32_t left, const DeviceSplit& split,
                     Summed summed) override {
    const DeviceRows::Place place = nodes_.at(node);
    PartitionWork part;
    PS_RETURN_IF_ERROR(source_->PlaceSplit(split, &part));
    PS_DEVICE_OK(cudaMemsetAsync(sides_.data(), 0, sizeof(SideCounts), rows_.stream()), kSplittingNode);
    PS_RETURN_IF_ERROR(rows_.Part(part, place, sides_.data()));
    PS_RETURN_IF_ERROR(rows_.TakeBack(place));
    if (summed != Summed::kNone) {
      const bool is_left = summed == Summed::kLeft;
      const double share = is_left ? source_->left_share() : 1 - source_->left_share();
      PS_RETURN_IF_ERROR(Sum({rows_.entries(0), place.range, is_left ? Side::kLeft : Side::kRight,
                              sides_.data()},
                             static_cast<std::uint64_t>(share * place.size())));
    }
    PS_DEVICE_OK(CopyToHost(sides_of_split_.data(), sides_.data(), 1, rows_.stream()), kSplittingNode);
    PS_RETURN_IF_ERROR(rows_.Finish(kSplittingNode));
    const std::uint32_t middle = place.range.begin + sides_of_split_[0].left;
    nodes_[left] = {{place.range.begin, middle}, 0};
    nodes_[left + 1] = {{middle, place.range.end}, 0};
    return absl::OkStatus();
  }

  const WideSum* Histogram() override { return source_->ByColumn(histogram_.data()); }

  bool AreLeaves(const std::vector<std::uint32_t>& nodes) const override {
    std::vector<EntryRange> ranges;
    for (const std::uint32_t node : nodes) ranges.push_back(nodes_.at(node).range);
    std::sort(ranges.begin(), ranges.end(), [](const EntryRange& a, const EntryRange& b) {
      return a.begin != b.begin ? a.begin < b.begin : a.end < b.end;
    });
    std::uint32_t end = 0;
    for (const EntryRange& range : ranges) {
      if (range.begin != end) return false;
      end = range.end;
    }
    return end == rows_.count();
  }

  absl::StatusOr<DeviceLeafSums> SumLeaves(const std::vector<std::uint32_t>& nodes) override {
    return rows_.SumLeaves(PlacesOf(nodes));
  }
  absl::Status AddLeafValues(const std::vector<std::uint32_t>& nodes,
                             const std::vector<float>& values, std::size_t output) override {
    return rows_.AddLeafValues(PlacesOf(nodes), values, output);
  }

  absl::Status AddTree(const std::vector<DeviceTreeNode>& nodes,
                       const std::vector<float>& leaf_values, std::size_t output) override {
    return walk_.Add(source_->rows(), nodes, leaf_values, rows_.margins_on_device(output),
                     rows_.stream());
  }

 private:
  // Both the sum and its copy are there once the stream is done.
  absl::Status Sum(const NodeEntries& node, std::uint64_t expected_rows) {
    PS_RETURN_IF_ERROR(source_->Sum(node, expected_rows, 0));
    return source_->Download(0, histogram_.data());
  }
  std::vector<DeviceRows::Place> PlacesOf(const std::vector<std::uint32_t>& nodes) const {
    std::vector<DeviceRows::Place> places;
    for (const std::uint32_t node : nodes) places.push_back(nodes_.at(node));
    return places;
  }

  std::string device_name_;
  DeviceRows rows_;
  DeviceArray<SideCounts> sides_;
  PinnedArray<SideCounts> sides_of_split_;
  std::unique_ptr<DeviceHistogramSource> source_;
  PinnedArray<WideSum> histogram_;  // that was summed last, as the source has it
  DeviceTreeWalk walk_;
  std::map<std::uint32_t, DeviceRows::Place> nodes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DevicePartRows>> DevicePartRows::Load(const DeviceTreeInput& input) {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) return device.status();
  auto rows = std::make_unique<PartRows>();
  PS_RETURN_IF_ERROR(rows->Load(input, *device));
  return rows;
}

}  // namespace ps
