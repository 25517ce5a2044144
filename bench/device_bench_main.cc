// A table of keys on a GPU, beside the least that its sectors could take. Linear models, whole calls beside the
// processor's. Trees on a GPU: the time of each kernel beside the least that its bytes could take on this device, by
// copies measured here, then whole trees beside the processor's. What atomic sums cost has no such floor yet.
//
//   build/bin/device_bench --rows=10000000 --leaves=255 --trees=5
//
// Rows are made in memory: 28 columns of 255 bins, labels by a rule of several columns.
#include <gflags/gflags.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>

#include "bench/device_keys.h"
#include "bench/device_linear.h"
#include "bench/device_rates.h"
#include "kernels/cuda/device.h"
#include "models/gbdt/booster.h"
#include "models/gbdt/device_booster.h"
#include "ps/base/key.h"

DEFINE_uint64(rows, 10'000'000, "rows");
DEFINE_int32(leaves, 255, "leaves of a tree");
DEFINE_int32(trees, 5, "trees that are timed; two more come first");
DEFINE_uint64(keys, 1'000'000'000, "keys in the table, or fewer where memory holds no more");
DEFINE_uint64(key_batch, 1'000'000, "keys of its batches");
DEFINE_uint64(features, 200'000'000, "features of the linear model");
DEFINE_uint64(linear_rows, 1'000'000, "rows that it learns");
DEFINE_uint64(batch_rows, 65536, "rows of its batches");
DEFINE_int32(threads, static_cast<int>(std::thread::hardware_concurrency()),
             "threads of the processor");

namespace ps {
namespace {

constexpr int kColumns = 28;

BinnedRows MakeRows(Crew* crew) {
  BinnedRows rows;
  rows.rows = FLAGS_rows;
  rows.columns = kColumns;
  rows.stride = DenseStride(kColumns);
  rows.bins = HugeArray<std::uint8_t>(rows.rows * rows.stride + 64);
  rows.labels.resize(rows.rows);
  constexpr std::size_t kAtOnce = 65536;
  crew->ForEach((rows.rows + kAtOnce - 1) / kAtOnce, [&](int, std::size_t piece) {
    const std::size_t end = std::min(rows.rows, (piece + 1) * kAtOnce);
    for (std::size_t r = piece * kAtOnce; r < end; ++r) {
      std::uint8_t* const bins = rows.bins.data() + r * rows.stride;
      for (std::size_t c = 0; c < kColumns; c += 4) {
        std::uint64_t bits = Mix64(r * kColumns + c);
        for (std::size_t k = 0; k < 4; ++k, bits >>= 16)
          bins[c + k] = static_cast<std::uint8_t>(1 + (bits & 0xffff) % 255);
      }
      const double signal = bins[0] * (bins[1] > 128 ? 1.0 : -1.0) + 0.5 * bins[2] -
                            0.3 * std::max(bins[3], bins[4]) + bins[5] * bins[6] / 255.0;
      const double noise = static_cast<double>(Mix64(~r) >> 40) / 65536 - 128;
      rows.labels[r] = signal + noise > 100 ? 1.0f : 0.0f;
    }
  });
  return rows;
}

template <typename Grow>
double MedianMs(const Grow& grow) {
  std::vector<double> ms;
  for (int i = -2; i < FLAGS_trees; ++i) {
    const auto start = std::chrono::steady_clock::now();
    grow();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (i >= 0) ms.push_back(took.count());
  }
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

int Main() {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) {
    std::fprintf(stderr, "device_bench: %s\n", std::string(device.status().message()).c_str());
    return 5;
  }
  std::printf("%s, %d multiprocessors, %.1f GiB\n", device->name.c_str(), device->processors,
              static_cast<double>(device->memory_bytes) / (1 << 30));
  if (const absl::Status keys = PrintKeyUpdates(FLAGS_keys, FLAGS_key_batch); !keys.ok()) {
    std::fprintf(stderr, "device_bench: %s\n", keys.ToString().c_str());
    return 1;
  }
  if (const absl::Status linear = PrintLinearModels(FLAGS_features, FLAGS_linear_rows, FLAGS_batch_rows);
      !linear.ok()) {
    std::fprintf(stderr, "device_bench: %s\n", linear.ToString().c_str());
    return 1;
  }
  Crew crew(FLAGS_threads);
  const BinnedRows rows = MakeRows(&crew);
  const absl::Status kernels = PrintTreeKernels(rows.dense(), rows.rows, device->processors);
  if (!kernels.ok()) {
    std::fprintf(stderr, "device_bench: %s\n", kernels.ToString().c_str());
    return 1;
  }
  BinColumn column;
  for (int cut = 0; cut < 254; ++cut) column.cuts.push_back(static_cast<float>(cut) + 0.5f);
  const std::vector<BinColumn> columns(kColumns, column);
  BoostParams params;
  params.grow.max_leaves = FLAGS_leaves;
  const auto on_device = DeviceBooster::Make(&rows, &columns, params);
  if (!on_device.ok()) {
    std::fprintf(stderr, "device_bench: %s\n", on_device.status().ToString().c_str());
    return 1;
  }
  std::vector<float> of_device, of_processor;
  const double device_ms = MedianMs([&] {
    const absl::StatusOr<Tree> tree = (*on_device)->GrowNext();
    if (!tree.ok()) std::fprintf(stderr, "device_bench: %s\n", tree.status().ToString().c_str());
    if (tree.ok()) of_device = tree->leaf_value;
  });
  Booster on_processor(&rows, &columns, params, &crew);
  const double processor_ms = MedianMs([&] { of_processor = on_processor.GrowNext().leaf_value; });
  std::printf(
      "a tree of %d leaves on %zu x %d: device %.2f ms, %d threads %.1f ms: %.1f times; %s\n",
      FLAGS_leaves, rows.rows, kColumns, device_ms, FLAGS_threads, processor_ms,
      processor_ms / device_ms,
      of_device == of_processor ? "the last trees are the same" : "THE TREES DIFFER");
  return of_device == of_processor ? 0 : 1;
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  gflags::ParseCommandLineFlags(&argc, &argv, true);
  return ps::Main();
}
