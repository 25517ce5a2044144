#include "kernels/cuda/tree_margins.h"

#include <utility>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/margin_kernels.h"
#include "kernels/cuda/tree_walk.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr char kFetchingMargins[] = "fetching the margins of held-out rows";

class TreeMargins final : public DeviceTreeMargins {
 public:
  ~TreeMargins() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  absl::Status Load(const DeviceBinRows& rows, const float* margins, std::size_t outputs) {
    PS_RETURN_IF_ERROR(DeviceStatus(LoadMarginKernels(), "loading the kernel that walks trees"));
    PS_RETURN_IF_ERROR(DeviceStatus(cudaStreamCreate(&stream_), "loading held-out rows"));
    rows_ = rows;
    const bool sparse = rows.cells != nullptr;
    for (const absl::Status& status :
         {sparse ? Up(rows.cells, rows.row_begin[rows.rows], &cells_) : Up(rows.matrix.bins, rows.rows * rows.matrix.stride, &bins_),
          sparse ? Up(rows.row_begin, rows.rows + 1, &row_begin_) : absl::OkStatus(),
          Up(margins, outputs * rows.rows, &margins_)}) {
      PS_RETURN_IF_ERROR(status);
    }
    rows_.matrix.bins = bins_.data();
    rows_.cells = cells_.data();
    rows_.row_begin = row_begin_.data();
    return DeviceStatus(cudaStreamSynchronize(stream_), "loading held-out rows");
  }

  std::uint64_t memory_bytes() const override {
    return bins_.bytes() + cells_.bytes() + row_begin_.bytes() + margins_.bytes() + walk_.memory_bytes();
  }

  absl::Status Add(const std::vector<DeviceTreeNode>& nodes, const std::vector<float>& leaf_values,
                   std::size_t output) override {
    return walk_.Add(rows_, nodes, leaf_values, margins_.data() + output * rows_.rows, stream_);
  }

  absl::Status Copy(float* margins) override {
    PS_RETURN_IF_ERROR(DeviceStatus(CopyToHost(margins, margins_.data(), margins_.size(), stream_), kFetchingMargins));
    return DeviceStatus(cudaStreamSynchronize(stream_), kFetchingMargins);
  }

 private:
  template <typename T>
  absl::Status Up(const T* from, std::size_t count, DeviceArray<T>* to) {
    PS_RETURN_IF_ERROR(to->Allocate(count, "held-out rows"));
    return DeviceStatus(CopyToDevice(to->data(), from, count, stream_), "loading held-out rows");
  }

  cudaStream_t stream_ = nullptr;
  DeviceBinRows rows_;  // as they lie on the device
  DeviceArray<std::uint8_t> bins_;
  DeviceArray<std::uint32_t> cells_;
  DeviceArray<std::uint64_t> row_begin_;
  DeviceArray<float> margins_;
  DeviceTreeWalk walk_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceTreeMargins>> DeviceTreeMargins::Load(const DeviceBinRows& rows,
                                                                           const float* margins, std::size_t outputs) {
  if (const absl::StatusOr<DeviceInfo> device = FindDevice(); !device.ok()) return device.status();
  auto made = std::make_unique<TreeMargins>();
  PS_RETURN_IF_ERROR(made->Load(rows, margins, outputs));
  return made;
}

}  // namespace ps
