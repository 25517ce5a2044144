#include "kernels/cuda/device_rows.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/cuda/margin_kernels.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// What errors say was being done.
constexpr char kLoadingKernels[] = "loading the kernels of trees", kLoadingRows[] = "loading rows",
               kMargins[] = "copying margins", kLargest[] = "looking for the largest gradient",
               kGradients[] = "computing gradients", kLeafSums[] = "summing leaves",
               kLeafValues[] = "adding the values of leaves";

}  // namespace

absl::Status DeviceRows::Load(const DeviceTreeInput& input) {
  rows_ = static_cast<std::uint32_t>(input.rows);
  classes_ = input.classes;
  const std::size_t norms = classes_ > 1 ? input.rows : 0;
  PS_DEVICE_OK(LoadTreeKernels(), kLoadingKernels);
  PS_DEVICE_OK(LoadLeafKernels(), kLoadingKernels);
  PS_DEVICE_OK(LoadMarginKernels(), kLoadingKernels);
  for (const absl::Status& status :
       {labels_.Allocate(input.rows, "labels"),
        weights_.Allocate(input.weights == nullptr ? 0 : input.rows, "weights"),
        margins_.Allocate(input.rows * classes_, "margins"),
        largest_margin_.Allocate(norms, "margins"), inverse_sum_.Allocate(norms, "margins"),
        fixed_.Allocate(input.rows, "gradients"),
        entries_[0].Allocate(input.rows, "rows of nodes"),
        entries_[1].Allocate(input.rows, "rows of nodes"), total_.Allocate(1, "a number"),
        largest_.Allocate(1, "a number")}) {
    PS_RETURN_IF_ERROR(status);
  }
  PS_RETURN_IF_ERROR(MakeRoom(static_cast<std::size_t>(input.max_leaves)));
  PS_DEVICE_OK(cudaStreamCreate(&stream_), kLoadingRows);
  PS_DEVICE_OK(CopyToDevice(labels_.data(), input.labels, rows_, stream_), kLoadingRows);
  if (input.weights != nullptr)
    PS_DEVICE_OK(CopyToDevice(weights_.data(), input.weights, rows_, stream_), kLoadingRows);
  return Finish(kLoadingRows);
}

absl::Status DeviceRows::MakeRoom(std::size_t leaves) {
  DeviceArray<LeafRange> ranges;
  DeviceArray<std::int64_t> sums;
  PS_RETURN_IF_ERROR(ranges.Allocate(leaves, "leaves"));
  PS_RETURN_IF_ERROR(sums.Allocate(2 * leaves, "leaves"));
  leaves_ = std::move(ranges);
  sums_ = std::move(sums);
  return absl::OkStatus();
}

std::uint64_t DeviceRows::memory_bytes() const {
  return labels_.bytes() + weights_.bytes() + margins_.bytes() + largest_margin_.bytes() +
         inverse_sum_.bytes() + fixed_.bytes() + 2 * entries_[0].bytes();
}

absl::Status DeviceRows::SetMargins(const std::vector<float>& margins) {
  PS_DEVICE_OK(CopyToDevice(margins_.data(), margins.data(), margins_.size(), stream_), kMargins);
  return Finish(kMargins);
}

absl::StatusOr<std::vector<float>> DeviceRows::Margins() const {
  std::vector<float> margins(margins_.size());
  PS_DEVICE_OK(CopyToHost(margins.data(), margins_.data(), margins.size(), stream_), kMargins);
  PS_RETURN_IF_ERROR(Finish(kMargins));
  return margins;
}

absl::StatusOr<float> DeviceRows::LargestGradient() {
  PS_DEVICE_OK(cudaMemsetAsync(largest_.data(), 0, sizeof(int), stream_), kLargest);
  PS_DEVICE_OK(LaunchLargestGradient(MakeGradientWork(0), largest_.data(), stream_), kLargest);
  int bits = 0;
  PS_DEVICE_OK(CopyToHost(&bits, largest_.data(), 1, stream_), kLargest);
  PS_RETURN_IF_ERROR(Finish(kLargest));
  float largest;
  std::memcpy(&largest, &bits, sizeof largest);
  return largest;
}

absl::Status DeviceRows::BeginRound() {
  if (classes_ == 1) return absl::OkStatus();
  const NormWork work{rows_, classes_, margins_.data(), largest_margin_.data(), inverse_sum_.data()};
  return DeviceStatus(LaunchSoftmaxNorms(work, stream_), kGradients);
}

GradientWork DeviceRows::MakeGradientWork(std::size_t output) {
  GradientWork work;
  work.rows = rows_;
  work.margins = margins_on_device(output);
  work.largest = largest_margin_.data();
  work.inverse = inverse_sum_.data();
  work.number = static_cast<float>(output);
  work.labels = labels_.data();
  work.weights = weights_.size() == 0 ? nullptr : weights_.data();
  work.entries = entries_[0].data();
  work.fixed = fixed_.data();
  work.total = total_.data();
  return work;
}

absl::StatusOr<WideSum> DeviceRows::MakeGradients(const DeviceGradients& gradients) {
  GradientWork work = MakeGradientWork(gradients.output);
  work.kind = gradients.kind;
  work.quantisation = gradients.quantisation;
  work.first_global_row = gradients.first_global_row;
  work.sample_key = gradients.sample_key;
  work.sample_below = static_cast<std::uint64_t>(gradients.row_sample * 0x1p53);
  PS_DEVICE_OK(cudaMemsetAsync(total_.data(), 0, sizeof(WideSum), stream_), kGradients);
  PS_DEVICE_OK(LaunchGradients(work, stream_), kGradients);
  WideSum total = 0;
  PS_DEVICE_OK(CopyToHost(&total, total_.data(), 1, stream_), kGradients);
  PS_RETURN_IF_ERROR(Finish(kGradients));
  return total;
}

absl::Status DeviceRows::Part(PartitionWork work, const Place& from, SideCounts* sides) {
  work.range = from.range;
  work.from = entries_[from.buffer].data();
  work.to = entries_[1 - from.buffer].data();
  work.sides = sides;
  return DeviceStatus(LaunchPartition(work, stream_), "parting rows");
}

absl::Status DeviceRows::TakeBack(const Place& from) {
  const std::uint32_t begin = from.range.begin;
  return DeviceStatus(cudaMemcpyAsync(entries_[0].data() + begin, entries_[1].data() + begin,
                                      from.size() * sizeof(RowGradient), cudaMemcpyDeviceToDevice,
                                      stream_),
                      "parting rows");
}

absl::StatusOr<DeviceLeafSums> DeviceRows::SumLeaves(const std::vector<Place>& leaves) {
  const std::size_t count = leaves.size();
  PS_ASSIGN_OR_RETURN(const LeafWork work, UploadLeaves(leaves, {}));
  PS_DEVICE_OK(cudaMemsetAsync(sums_.data(), 0, sums_.bytes(), stream_), kLeafSums);
  PS_DEVICE_OK(LaunchLeafSums(work, fixed_.data(), sums_.data(), sums_.data() + count, stream_),
               kLeafSums);
  std::vector<std::int64_t> sums(2 * count);
  PS_DEVICE_OK(CopyToHost(sums.data(), sums_.data(), sums.size(), stream_), kLeafSums);
  PS_RETURN_IF_ERROR(Finish(kLeafSums));
  DeviceLeafSums of_leaves{std::vector<std::int64_t>(count), std::vector<std::int64_t>(count)};
  for (std::size_t i = 0; i < count; ++i) {
    of_leaves.g[order_[i]] = sums[i];
    of_leaves.h[order_[i]] = sums[count + i];
  }
  return of_leaves;
}

absl::Status DeviceRows::AddLeafValues(const std::vector<Place>& leaves,
                                       const std::vector<float>& values, std::size_t output) {
  PS_ASSIGN_OR_RETURN(const LeafWork work, UploadLeaves(leaves, values));
  PS_DEVICE_OK(LaunchLeafValues(work, margins_on_device(output), stream_), kLeafValues);
  return Finish(kLeafValues);
}

// In order of their ranges; leaf i of those is leaf order_[i] of the caller.
absl::StatusOr<LeafWork> DeviceRows::UploadLeaves(const std::vector<Place>& leaves,
                                                  const std::vector<float>& values) {
  if (leaves.size() > leaves_.size()) PS_RETURN_IF_ERROR(MakeRoom(2 * leaves.size()));
  order_.resize(leaves.size());
  for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
  std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
    // Empty ones first, so that the search for a place finds the one that has it.
    const EntryRange &x = leaves[a].range, &y = leaves[b].range;
    return x.begin != y.begin ? x.begin < y.begin : x.end < y.end;
  });
  leaf_ranges_.clear();
  for (const std::size_t leaf : order_) {
    leaf_ranges_.push_back(
        {leaves[leaf].range, leaves[leaf].buffer, leaf < values.size() ? values[leaf] : 0.0f});
  }
  PS_DEVICE_OK(CopyToDevice(leaves_.data(), leaf_ranges_.data(), leaf_ranges_.size(), stream_),
               "copying the ranges of leaves");
  return LeafWork{leaves_.data(),
                  static_cast<std::uint32_t>(leaf_ranges_.size()),
                  rows_,
                  {entries_[0].data(), entries_[1].data()}};
}

}  // namespace ps
