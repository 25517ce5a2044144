// A table of keys on a GPU, beside the least that its sectors could take. Linear models, whole calls beside the processor's, and batches of a worker of a cluster. Trees on a GPU: the time of each kernel beside the least that its bytes could take on this device, by
// copies measured here, or its atomic sums; then whole trees beside the processor's. What atomic sums in shared memory cost has no such floor yet.
//
//   build/bin/device_bench --rows=10000000 --leaves=255 --trees=5
#include <gflags/gflags.h>

#include <cstdio>
#include <string>
#include <thread>

#include "bench/device_batches.h"
#include "bench/device_keys.h"
#include "bench/device_linear.h"
#include "bench/device_trees.h"
#include "kernels/cuda/device.h"
#include "ps/base/status_macros.h"

DEFINE_uint64(rows, 10'000'000, "dense rows that trees grow on");
DEFINE_int32(leaves, 255, "leaves of a tree on them");
DEFINE_uint64(sparse_rows, 500'000, "sparse rows that trees grow on");
DEFINE_int32(sparse_leaves, 31, "leaves of a tree on them");
DEFINE_int32(trees, 5, "trees that are timed; two more come first");
DEFINE_uint64(keys, 1'000'000'000, "keys in the table, or fewer where memory holds no more");
DEFINE_uint64(key_batch, 1'000'000, "keys of its batches");
DEFINE_uint64(features, 200'000'000, "features of the linear model");
DEFINE_uint64(linear_rows, 1'000'000, "rows that it learns");
DEFINE_uint64(batch_rows, 65536, "rows of its batches");
DEFINE_uint64(worker_batch_rows, 2048, "rows of a batch of a worker of a cluster");
DEFINE_int32(threads, static_cast<int>(std::thread::hardware_concurrency()),
             "threads of the processor");

namespace ps {
namespace {

absl::Status PrintAll(const DeviceInfo& device) {
  PS_RETURN_IF_ERROR(PrintKeyUpdates(FLAGS_keys, FLAGS_key_batch));
  PS_RETURN_IF_ERROR(PrintLinearModels(FLAGS_features, FLAGS_linear_rows, FLAGS_batch_rows));
  PS_RETURN_IF_ERROR(PrintWorkerBatches(FLAGS_features, FLAGS_worker_batch_rows));
  PS_RETURN_IF_ERROR(PrintDenseTrees({FLAGS_rows, FLAGS_leaves, FLAGS_trees, FLAGS_threads}, device));
  return PrintSparseTrees({FLAGS_sparse_rows, FLAGS_sparse_leaves, FLAGS_trees, FLAGS_threads}, device);
}

int Main() {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) {
    std::fprintf(stderr, "device_bench: %s\n", std::string(device.status().message()).c_str());
    return 5;
  }
  std::printf("%s, %d multiprocessors, %.1f GiB\n", device->name.c_str(), device->processors,
              static_cast<double>(device->memory_bytes) / (1 << 30));
  const absl::Status status = PrintAll(*device);
  if (!status.ok()) std::fprintf(stderr, "device_bench: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return ps::Main();
}
