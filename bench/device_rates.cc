#include "bench/device_rates.h"

#include <cuda_runtime_api.h>

#include <cstdio>

#include "bench/device_timer.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/tree_kernels.h"
#include "ps/base/status_macros.h"

namespace ps {

void PrintKernel(const char* kernel, double ms, double bytes, double bytes_per_ms) {
  const double floor = bytes / bytes_per_ms;
  std::printf("%-28s %9.3f ms, its bytes take %8.3f ms: %5.1f %%\n", kernel, ms, floor,
              100 * floor / ms);
}

absl::Status PrintDenseKernels(const BinnedRows& of, const DeviceInfo& device) {
  const DenseBins matrix = of.dense();
  const std::size_t rows = of.rows;
  DeviceArray<std::uint8_t> bins;
  DeviceArray<RowGradient> entries, parted;
  DeviceArray<FixedGradient> fixed;
  DeviceArray<float> margins;
  DeviceArray<WideSum> histogram;
  DeviceArray<SideCounts> sides;
  DeviceArray<WideSum> total;
  for (const absl::Status& status :
       {bins.Allocate(rows * matrix.stride, "bins"),
        entries.Allocate(rows, "rows"), parted.Allocate(rows, "rows"),
        fixed.Allocate(rows, "gradients"), margins.Allocate(rows, "margins"),
        histogram.Allocate(static_cast<std::size_t>(ColumnGroups(matrix.columns)) * kGroupCells,
                           "a histogram"),
        sides.Allocate(1, "counts"), total.Allocate(1, "a sum")}) {
    PS_RETURN_IF_ERROR(status);
  }
  PS_RETURN_IF_ERROR(DeviceStatus(
      cudaMemcpy(bins.data(), matrix.bins, bins.bytes(), cudaMemcpyHostToDevice), "loading"));
  cudaMemset(margins.data(), 0, margins.bytes());

  PS_ASSIGN_OR_RETURN(const double bytes_per_ms, CopyBytesPerMs(bins.bytes()));
  std::printf("copy: %.2f TB/s\n", bytes_per_ms / 1e9);

  GradientWork gradients;
  gradients.rows = static_cast<std::uint32_t>(rows);
  gradients.margins = gradients.labels = margins.data();
  gradients.quantisation = {7, 31, 248, 1 << 30, 1 << 30};
  gradients.sample_below = std::uint64_t{1} << 53;
  gradients.entries = entries.data();
  gradients.fixed = fixed.data();
  gradients.total = total.data();
  PS_ASSIGN_OR_RETURN(const double gradient_ms,
                      MedianMs(NoPreparation, [&] {
                        return DeviceStatus(LaunchGradients(gradients, nullptr), "gradients");
                      }));
  PrintKernel("gradients", gradient_ms, static_cast<double>(rows) * 24, bytes_per_ms);

  const DenseBins on_device{bins.data(), matrix.stride, matrix.columns};
  const EntryRange all{0, static_cast<std::uint32_t>(rows)};
  const double row_bytes = static_cast<double>(matrix.stride + sizeof(RowGradient));
  const auto sum = [&](const RowGradient* of, unsigned rows_at_once) {
    return MedianMs(NoPreparation, [&, of, rows_at_once] {
      return DeviceStatus(LaunchHistogram({on_device, {of, all}, histogram.data(), rows_at_once},
                                          device.processors, nullptr),
                          "a histogram");
    });
  };
  PS_ASSIGN_OR_RETURN(const double sum_ms, sum(entries.data(), kRowsAtOnce));
  PrintKernel("histogram, rows in order", sum_ms, static_cast<double>(rows) * row_bytes, bytes_per_ms);
  std::printf("  %.0f G sums of a row and a column a second\n",
              static_cast<double>(rows) * matrix.columns / sum_ms / 1e6);

  PartitionWork part;
  part.matrix = on_device;
  for (int i = 0; i < kBinsPerColumn / 32; ++i) part.goes_left[i] = 0x55555555u;
  part.range = all;
  part.from = entries.data();
  part.to = parted.data();
  part.sides = sides.data();
  PS_ASSIGN_OR_RETURN(
      const double part_ms,
      MedianMs(
          [&] {
            return DeviceStatus(cudaMemsetAsync(sides.data(), 0, sizeof(SideCounts), nullptr), "a partition");
          },
          [&] { return DeviceStatus(LaunchPartition(part, nullptr), "a partition"); }));
  // A sector of 32 bytes a row has the bin.
  PrintKernel("partition, rows in order", part_ms,
        static_cast<double>(rows) * (32 + 2 * sizeof(RowGradient)), bytes_per_ms);
  PS_ASSIGN_OR_RETURN(const double parted_ms, sum(parted.data(), kRowsAtOnce));
  PrintKernel("histogram, rows parted", parted_ms, static_cast<double>(rows) * row_bytes, bytes_per_ms);
  PS_ASSIGN_OR_RETURN(const double fewer_ms, sum(entries.data(), kFewerRowsAtOnce));
  PS_ASSIGN_OR_RETURN(const double fewer_parted_ms, sum(parted.data(), kFewerRowsAtOnce));
  std::printf("  with %u rows at once in place of %u: %.3f and %.3f ms\n", kFewerRowsAtOnce, kRowsAtOnce, fewer_ms,
              fewer_parted_ms);
  return absl::OkStatus();
}

}  // namespace ps
