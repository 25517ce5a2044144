#include "kernels/cuda/tree_margins.h"

#include <utility>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/margin_kernels.h"

namespace ps {
namespace {

class TreeMargins final : public DeviceTreeMargins {
 public:
  ~TreeMargins() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  absl::Status Load(const DeviceBinRows& rows, const float* margins) {
    PS_DEVICE_OK(LoadMarginKernels());
    PS_DEVICE_OK(cudaStreamCreate(&stream_));
    work_.rows = rows;
    const bool sparse = rows.cells != nullptr;
    for (const absl::Status& status :
         {sparse ? Up(rows.cells, rows.row_begin[rows.rows], &cells_) : Up(rows.matrix.bins, rows.rows * rows.matrix.stride, &bins_),
          sparse ? Up(rows.row_begin, rows.rows + 1, &row_begin_) : absl::OkStatus(),
          Up(margins, rows.rows, &margins_)}) {
      if (!status.ok()) return status;
    }
    work_.rows.matrix.bins = bins_.data();
    work_.rows.cells = cells_.data();
    work_.rows.row_begin = row_begin_.data();
    work_.margins = margins_.data();
    return DeviceStatus(cudaStreamSynchronize(stream_), "loading held-out rows");
  }

  std::uint64_t memory_bytes() const override {
    return bins_.bytes() + cells_.bytes() + row_begin_.bytes() + margins_.bytes() + nodes_.bytes() +
           leaf_values_.bytes();
  }

  absl::Status Add(const std::vector<DeviceTreeNode>& nodes, const std::vector<float>& leaf_values) override {
    for (const absl::Status& status :
         {Room(nodes.size(), &nodes_), Room(leaf_values.size(), &leaf_values_)}) {
      if (!status.ok()) return status;
    }
    PS_DEVICE_OK(CopyToDevice(nodes_.data(), nodes.data(), nodes.size(), stream_));
    PS_DEVICE_OK(CopyToDevice(leaf_values_.data(), leaf_values.data(), leaf_values.size(), stream_));
    work_.nodes = nodes_.data();
    work_.has_nodes = !nodes.empty();
    work_.leaf_values = leaf_values_.data();
    LaunchWalk(work_, stream_);
    PS_DEVICE_OK(cudaGetLastError());
    // What was copied belongs to the caller.
    PS_DEVICE_OK(cudaStreamSynchronize(stream_));
    return absl::OkStatus();
  }

  absl::Status Copy(float* margins) override {
    PS_DEVICE_OK(CopyToHost(margins, margins_.data(), margins_.size(), stream_));
    PS_DEVICE_OK(cudaStreamSynchronize(stream_));
    return absl::OkStatus();
  }

 private:
  template <typename T>
  absl::Status Up(const T* from, std::size_t count, DeviceArray<T>* to) {
    if (const absl::Status status = to->Allocate(count, "held-out rows"); !status.ok()) return status;
    return DeviceStatus(CopyToDevice(to->data(), from, count, stream_), "loading held-out rows");
  }
  template <typename T>
  absl::Status Room(std::size_t count, DeviceArray<T>* array) {
    if (array->data() != nullptr && count <= array->size()) return absl::OkStatus();
    *array = {};
    return array->Allocate(count + count / 2, "a tree");
  }

  cudaStream_t stream_ = nullptr;
  WalkWork work_;
  DeviceArray<std::uint8_t> bins_;
  DeviceArray<std::uint32_t> cells_;
  DeviceArray<std::uint64_t> row_begin_;
  DeviceArray<float> margins_, leaf_values_;
  DeviceArray<DeviceTreeNode> nodes_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceTreeMargins>> DeviceTreeMargins::Load(const DeviceBinRows& rows,
                                                                           const float* margins) {
  if (const absl::StatusOr<DeviceInfo> device = FindDevice(); !device.ok()) return device.status();
  auto made = std::make_unique<TreeMargins>();
  if (const absl::Status status = made->Load(rows, margins); !status.ok()) return status;
  return made;
}

}  // namespace ps
