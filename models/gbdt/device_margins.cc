#include "models/gbdt/device_margins.h"

#include "models/gbdt/device_input.h"
#include "ps/base/status_macros.h"

namespace ps {

absl::StatusOr<std::unique_ptr<DeviceMargins>> DeviceMargins::Make(const BinnedRows* rows,
                                                                   const std::vector<float>& margins) {
  DeviceBinRows on_device;
  on_device.rows = rows->rows;
  if (rows->sparse) {
    on_device.cells = rows->cells.data();
    on_device.row_begin = rows->row_begin.data();
  } else {
    on_device.matrix = rows->dense();
  }
  PS_ASSIGN_OR_RETURN(std::unique_ptr<DeviceTreeMargins> device,
                      DeviceTreeMargins::Load(on_device, margins.data(), margins.size() / rows->rows));
  return std::unique_ptr<DeviceMargins>(new DeviceMargins(rows, margins.size(), std::move(device)));
}

absl::Status DeviceMargins::Add(const Tree& tree, std::size_t output) {
  DeviceNodesOf(tree, rows_, &nodes_);
  return device_->Add(nodes_, tree.leaf_value, output);
}

absl::Status DeviceMargins::Copy(std::vector<float>* margins) {
  margins->resize(margins_);
  return device_->Copy(margins->data());
}

}  // namespace ps
