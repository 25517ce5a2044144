#include "kernels/cuda/part_rows.h"

#include <algorithm>
#include <map>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/device_rows.h"
#include "kernels/cuda/histogram_source.h"
#include "kernels/cuda/pinned_array.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

class PartRows final : public DevicePartRows {
 public:
  absl::Status Load(const DeviceTreeInput& input, int processors) {
    PS_RETURN_IF_ERROR(rows_.Load(input));
    PS_RETURN_IF_ERROR(sides_.Allocate(1, "a split"));
    PS_RETURN_IF_ERROR(sides_of_split_.Allocate(1));
    constexpr std::size_t kSlots = 1;  // others keep the histograms
    PS_ASSIGN_OR_RETURN(source_, (input.is_sparse ? MakeSparseHistograms : MakeDenseHistograms)(
                                     input, kSlots, processors, rows_.stream()));
    return absl::OkStatus();
  }

  std::uint64_t memory_bytes() const override {
    return rows_.memory_bytes() + source_->memory_bytes();
  }
  absl::Status SetMargins(const std::vector<float>& margins) override {
    return rows_.SetMargins(margins);
  }
  absl::StatusOr<std::vector<float>> Margins() override { return rows_.Margins(); }
  absl::StatusOr<float> LargestGradient() override { return rows_.LargestGradient(); }

  absl::StatusOr<WideSum> Begin(const DeviceGradients& gradients) override {
    nodes_ = {{0, rows_.Root()}};
    return rows_.MakeGradients(gradients);
  }

  void ForgetNodes() override { nodes_.clear(); }
  bool Has(std::uint32_t node) const override { return nodes_.count(node) > 0; }

  // All nodes are ranges of one buffer: parting a node changes the order of rows inside of its range
  // only, so that the ranges of the nodes above it hold as well.
  absl::Status Split(std::uint32_t node, std::uint32_t left, const DeviceSplit& split) override {
    const DeviceRows::Place place = nodes_.at(node);
    PartitionWork part;
    PS_RETURN_IF_ERROR(source_->PlaceSplit(split, &part));
    PS_RETURN_IF_ERROR(
        TreeStatus(cudaMemsetAsync(sides_.data(), 0, sizeof(SideCounts), rows_.stream())));
    rows_.Part(part, place, sides_.data());
    PS_RETURN_IF_ERROR(rows_.TakeBack(place));
    PS_RETURN_IF_ERROR(
        TreeStatus(CopyToHost(sides_of_split_.data(), sides_.data(), 1, rows_.stream())));
    PS_RETURN_IF_ERROR(rows_.Finish());
    const std::uint32_t middle = place.range.begin + sides_of_split_[0].left;
    nodes_[left] = {{place.range.begin, middle}, 0};
    nodes_[left + 1] = {{middle, place.range.end}, 0};
    return absl::OkStatus();
  }

  absl::Status Sum(std::uint32_t node, WideSum* histogram) override {
    const DeviceRows::Place place = nodes_.at(node);
    PS_RETURN_IF_ERROR(source_->Sum({rows_.entries(0), place.range}, place.size(), 0));
    return source_->Download(0, histogram);
  }

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
                             const std::vector<float>& values) override {
    return rows_.AddLeafValues(PlacesOf(nodes), values);
  }

 private:
  std::vector<DeviceRows::Place> PlacesOf(const std::vector<std::uint32_t>& nodes) const {
    std::vector<DeviceRows::Place> places;
    for (const std::uint32_t node : nodes) places.push_back(nodes_.at(node));
    return places;
  }

  DeviceRows rows_;
  DeviceArray<SideCounts> sides_;
  PinnedArray<SideCounts> sides_of_split_;
  std::unique_ptr<DeviceHistogramSource> source_;
  std::map<std::uint32_t, DeviceRows::Place> nodes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DevicePartRows>> DevicePartRows::Load(const DeviceTreeInput& input) {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) return device.status();
  auto rows = std::make_unique<PartRows>();
  PS_RETURN_IF_ERROR(rows->Load(input, device->processors));
  return rows;
}

}  // namespace ps
