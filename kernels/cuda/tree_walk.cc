#include "kernels/cuda/tree_walk.h"

#include <algorithm>
#include <utility>

#include "kernels/cuda/margin_kernels.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr char kAdding[] = "adding a tree to margins";

template <typename T>
absl::Status MakeRoom(std::size_t count, DeviceArray<T>* array) {
  if (count <= array->size()) return absl::OkStatus();
  *array = {};  // before there are two
  DeviceArray<T> larger;
  PS_RETURN_IF_ERROR(larger.Allocate(count, "a tree"));
  *array = std::move(larger);
  return absl::OkStatus();
}

}  // namespace

absl::Status DeviceTreeWalk::Reserve(std::size_t leaves) {
  PS_RETURN_IF_ERROR(MakeRoom(leaves, &nodes_));
  return MakeRoom(leaves, &leaf_values_);
}

absl::Status DeviceTreeWalk::Add(const DeviceBinRows& rows, const std::vector<DeviceTreeNode>& nodes,
                                 const std::vector<float>& leaf_values, float* margins, cudaStream_t stream) {
  PS_RETURN_IF_ERROR(Reserve(std::max(nodes.size(), leaf_values.size())));
  WalkWork work;
  work.rows = rows;
  work.nodes = nodes_.data();
  work.has_nodes = !nodes.empty();
  work.leaf_values = leaf_values_.data();
  work.margins = margins;
  for (const cudaError_t error : {CopyToDevice(nodes_.data(), nodes.data(), nodes.size(), stream),
                                  CopyToDevice(leaf_values_.data(), leaf_values.data(), leaf_values.size(), stream)}) {
    PS_DEVICE_OK(error, kAdding);
  }
  PS_DEVICE_OK(LaunchWalk(work, stream), kAdding);
  return DeviceStatus(cudaStreamSynchronize(stream), kAdding);  // what was copied belongs to the caller
}

}  // namespace ps
