// The device of a build without CUDA: there is none.
#include "kernels/cuda/batch_gradients.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/linear_model.h"
#include "kernels/cuda/part_rows.h"
#include "kernels/cuda/tree_margins.h"
#include "kernels/cuda/tree_rows.h"

namespace ps {
namespace {

absl::Status Absent() {
  return absl::NotFoundError(
      "this build has no CUDA: its toolkit was not found, or PS_CUDA is OFF");
}

}  // namespace

std::vector<int> UsableDevices() { return {}; }

absl::Status CheckFirstDevice() { return Absent(); }

absl::StatusOr<DeviceInfo> FindDevice() { return Absent(); }

absl::StatusOr<std::unique_ptr<DeviceTreeRows>> DeviceTreeRows::Load(const DeviceTreeInput&) {
  return Absent();
}

absl::StatusOr<std::unique_ptr<DevicePartRows>> DevicePartRows::Load(const DeviceTreeInput&) {
  return Absent();
}

absl::StatusOr<std::unique_ptr<DeviceTreeMargins>> DeviceTreeMargins::Load(const DeviceBinRows&, const float*,
                                                                           std::size_t) {
  return Absent();
}

absl::StatusOr<std::unique_ptr<DeviceLinearModel>> DeviceLinearModel::Make() { return Absent(); }

absl::StatusOr<std::unique_ptr<DeviceBatches>> DeviceBatches::Make() { return Absent(); }

}  // namespace ps
