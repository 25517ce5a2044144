#include "kernels/cuda/entry_store.h"

#include <algorithm>
#include <utility>

#include "kernels/cuda/entry_segments.h"

namespace ps {
namespace {

constexpr char kMakingRoom[] = "making room for features";

}  // namespace

absl::Status DeviceEntries::Reset(LaneSettings lanes, std::size_t ids, cudaStream_t stream) {
  segments_.clear();
  ids_ = 0;
  view_.lanes = static_cast<int>(lanes.size());
  view_.stride = LinearModelView::StrideOf(view_.lanes);
  std::copy(lanes.begin(), lanes.end(), view_.settings);
  if (addresses_.data() == nullptr) {
    const absl::Status status = addresses_.Allocate(EntrySegment::kMost, "addresses");
    if (!status.ok()) return status;
    view_.segments = addresses_.data();
  }
  return Reserve(ids, stream);
}

absl::Status DeviceEntries::Reserve(std::size_t ids, cudaStream_t stream) {
  // The last number of 32 bits is no id: the kernels of keys mean something else by it.
  if (ids > 0xffffffff)
    return absl::ResourceExhaustedError("device: 2^32 features and more have no ids");
  while (ids_ < ids) {
    const auto number = static_cast<std::uint32_t>(segments_.size());
    const std::size_t end = EntrySegment::Begin(number + 1);
    DeviceArray<unsigned char> segment;
    if (const absl::Status status = segment.Allocate((end - ids_) * view_.stride, "features");
        !status.ok()) {
      return status;
    }
    unsigned char* const address = segment.data();
    PS_DEVICE_OK(cudaMemsetAsync(address, 0, segment.bytes(), stream), kMakingRoom);
    PS_DEVICE_OK(CopyToDevice(addresses_.data() + number, &address, 1, stream), kMakingRoom);
    PS_DEVICE_OK(cudaStreamSynchronize(stream), kMakingRoom);  // `address` ends here
    segments_.push_back(std::move(segment));
    ids_ = end;
  }
  return absl::OkStatus();
}

std::uint64_t DeviceEntries::bytes() const {
  std::uint64_t bytes = addresses_.bytes();
  for (const DeviceArray<unsigned char>& segment : segments_) bytes += segment.bytes();
  return bytes;
}

}  // namespace ps
