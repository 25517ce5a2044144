#include "kernels/cuda/key_sort.h"

#include <algorithm>
#include <utility>

namespace ps {
namespace {

constexpr std::size_t kCountsOfFound = DeviceKeySort::kKeysAt / sizeof(unsigned long long);
constexpr unsigned kKeyBits = 64, kDigitBits = 8;
static_assert((kKeyBits / kDigitBits) % 2 == 0, "sorted keys end where they began");

}  // namespace

absl::Status DeviceKeySort::Reserve(std::size_t size) {
  if (counts_.data() == nullptr) {
    const absl::Status status =
        counts_.Allocate(std::size_t{SortTiles::kMost} * SortTiles::kDigits, "counts of a sort");
    if (!status.ok()) return status;
  }
  if (keys_.data() != nullptr && size <= keys_.size()) return absl::OkStatus();
  keys_ = {};  // the last one to be there again
  absl::Status status;
  for (const std::size_t room : {size + size / 4, size}) {  // some to spare, where there is some
    status = found_.Allocate(room + kCountsOfFound, "sorted keys");
    if (status.ok()) status = order_.Allocate(room, "the order of keys");
    if (status.ok()) status = other_order_.Allocate(room, "the order of keys");
    if (status.ok()) status = keys_.Allocate(room, "keys");
    if (!absl::IsResourceExhausted(status)) break;
  }
  return status;
}

cudaError_t DeviceKeySort::Run(std::size_t size, DistinctKeysView to, cudaStream_t stream) {
  const SortTiles tiles = SortTiles::Of(size);
  to.counts = reinterpret_cast<std::uint32_t*>(found_.data());
  to.keys = found_.data() + kCountsOfFound;
  KeysWithOrder from = {keys_.data(), nullptr};
  KeysWithOrder other = {to.keys, other_order_.data()};
  for (unsigned shift = 0; shift < kKeyBits; shift += kDigitBits) {
    cudaError_t error = LaunchCountDigits(from.keys, tiles, shift, counts_.data(), stream);
    if (error == cudaSuccess)
      error = LaunchSortByDigit(from, tiles, shift, counts_.data(), other, stream);
    if (error != cudaSuccess) return error;
    if (from.order == nullptr) from.order = order_.data();
    std::swap(from, other);
  }
  cudaError_t error = LaunchCountHeads(from.keys, tiles, counts_.data(), stream);
  if (error == cudaSuccess) error = cudaMemsetAsync(to.counts, 0, kKeysAt, stream);
  return error != cudaSuccess ? error : LaunchNumberKeys(from, tiles, counts_.data(), to, stream);
}

}  // namespace ps
