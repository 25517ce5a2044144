#include <cuda_runtime_api.h>

#include <cstdio>
#include <numeric>
#include <vector>

#include "bench/device_atomics.h"
#include "bench/device_rates.h"
#include "bench/device_timer.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/histogram_source.h"
#include "kernels/cuda/tree_kernels.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

absl::StatusOr<double> AtomicsPerMs(std::uint64_t cells) {
  constexpr std::uint64_t kSums = 100'000'000;
  DeviceArray<WideSum> sums;
  PS_RETURN_IF_ERROR(sums.Allocate(cells, "cells"));
  PS_RETURN_IF_ERROR(DeviceStatus(cudaMemset(sums.data(), 0, sums.bytes()), "clearing cells"));
  PS_ASSIGN_OR_RETURN(const double ms,
                      MedianMs(NoPreparation, [&] {
                        return DeviceStatus(LaunchAtomics(sums.data(), cells, kSums, nullptr), "atomic sums");
                      }));
  return static_cast<double>(kSums) / ms;
}

}  // namespace

absl::Status PrintSparseKernels(const BinnedRows& rows, const DeviceInfo& device) {
  const std::uint64_t values = rows.row_begin[rows.rows], cells = rows.first_cell.back();
  const auto columns = static_cast<std::size_t>(rows.columns);
  PS_ASSIGN_OR_RETURN(const double bytes_per_ms, CopyBytesPerMs(std::size_t{1} << 30));
  PS_ASSIGN_OR_RETURN(const double atomics_per_ms, AtomicsPerMs(cells));
  std::printf("%zu x %zu sparse rows, %.1f values a row, %.2f M cells\n", rows.rows, columns,
              static_cast<double>(values) / static_cast<double>(rows.rows), static_cast<double>(cells) / 1e6);
  std::printf("copy: %.2f TB/s; atomic sums at random cells: %.1f G/s\n", bytes_per_ms / 1e9, atomics_per_ms / 1e6);

  DeviceTreeInput input;
  input.rows = rows.rows;
  input.bins.resize(columns);
  input.is_sparse = true;
  input.sparse = {rows.row_begin.data(), rows.cells.data(), rows.first_cell.data(), nullptr};
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<DeviceHistogramSource> source,
                      MakeSparseHistograms(input, 2, device.processors, nullptr));
  PS_RETURN_IF_ERROR(source->BeginTree({}));
  std::vector<RowGradient> entries;
  for (std::uint32_t r = 0; r < rows.rows; ++r) entries.push_back({r, PackGradient(static_cast<int>(r % 25) - 12, 1)});
  DeviceArray<RowGradient> on_device;
  PS_RETURN_IF_ERROR(on_device.Allocate(entries.size(), "rows"));
  PS_RETURN_IF_ERROR(DeviceStatus(
      cudaMemcpy(on_device.data(), entries.data(), on_device.bytes(), cudaMemcpyHostToDevice), "loading"));

  const auto all = static_cast<std::uint32_t>(rows.rows);
  const auto sum = [&](std::uint32_t count, std::uint64_t expected, std::size_t slot) {
    return MedianMs(NoPreparation, [&, count, expected, slot] {
      return source->Sum({on_device.data(), {0, count}}, expected, slot);
    });
  };
  const double clearing = static_cast<double>(cells) * sizeof(WideSum);
  PS_ASSIGN_OR_RETURN(const double by_cells_ms, sum(all, all, 1));
  PrintKernel("sums by cells, all rows", by_cells_ms,
              clearing * 4 + static_cast<double>(values) * sizeof(std::uint32_t), bytes_per_ms);
  const std::uint32_t few = all / 10;
  PS_ASSIGN_OR_RETURN(const double by_rows_ms, sum(few, 0, 0));
  const double floor_ms = static_cast<double>(rows.row_begin[few]) / atomics_per_ms + clearing / bytes_per_ms;
  std::printf("%-28s %9.3f ms, its atomic sums and clearing take %8.3f ms: %5.1f %%\n", "sums by rows, a tenth",
              by_rows_ms, floor_ms, 100 * floor_ms / by_rows_ms);
  // The histogram that was summed is read for both nodes, that of the parent is read and written.
  const DeviceHistogramSource::Nodes nodes{0, 1, {WideSum{few} << 32, WideSum{all - few} << 32}};
  const auto sum_parent = [&] { return source->Sum({on_device.data(), {0, all}}, all, 1); };
  PS_ASSIGN_OR_RETURN(const double scan_ms,
                      MedianMs(sum_parent, [&] { return source->FindSplits(nodes); }));
  PrintKernel("splits of two nodes", scan_ms, clearing * 4, bytes_per_ms);
  DeviceSplit split;
  split.goes_left[0] = 6;  // bins 1 and 2 of the first column
  PartitionWork work;
  PS_ASSIGN_OR_RETURN(const double mark_ms,
                      MedianMs(NoPreparation, [&] { return source->PlaceSplit(split, &work); }));
  std::printf("%-28s %9.3f ms\n", "marking the rows of a split", mark_ms);
  return absl::OkStatus();
}

}  // namespace ps
