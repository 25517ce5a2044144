#include "bench/device_trees.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <vector>

#include "bench/device_rates.h"
#include "models/gbdt/booster.h"
#include "models/gbdt/device_booster.h"
#include "ps/base/key.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr int kDenseColumns = 28, kSparseColumns = 100'000;
constexpr std::size_t kAtOnce = 65536;

// Calls fill(row) for all rows, on all threads.
template <typename Fill>
void ForEachRow(std::size_t rows, Crew* crew, const Fill& fill) {
  crew->ForEach((rows + kAtOnce - 1) / kAtOnce, [&](int, std::size_t piece) {
    const std::size_t end = std::min(rows, (piece + 1) * kAtOnce);
    for (std::size_t row = piece * kAtOnce; row < end; ++row) fill(row);
  });
}

std::vector<BinColumn> ColumnsOfBins(const std::vector<int>& bins) {
  std::vector<BinColumn> columns(bins.size());
  for (std::size_t c = 0; c < bins.size(); ++c) {
    for (int cut = 1; cut < bins[c]; ++cut) columns[c].cuts.push_back(static_cast<float>(cut) + 0.5f);
  }
  return columns;
}

BinnedRows MakeDenseRows(std::size_t count, Crew* crew) {
  BinnedRows rows;
  rows.rows = count;
  rows.columns = kDenseColumns;
  rows.stride = DenseStride(kDenseColumns);
  rows.bins = HugeArray<std::uint8_t>(rows.rows * rows.stride + 64);
  rows.labels.resize(rows.rows);
  ForEachRow(count, crew, [&](std::size_t r) {
    std::uint8_t* const bins = rows.bins.data() + r * rows.stride;
    for (std::size_t c = 0; c < kDenseColumns; c += 4) {
      std::uint64_t bits = Mix64(r * kDenseColumns + c);
      for (std::size_t k = 0; k < 4; ++k, bits >>= 16)
        bins[c + k] = static_cast<std::uint8_t>(1 + (bits & 0xffff) % 255);
    }
    const double signal = bins[0] * (bins[1] > 128 ? 1.0 : -1.0) + 0.5 * bins[2] -
                          0.3 * std::max(bins[3], bins[4]) + bins[5] * bins[6] / 255.0;
    const double noise = static_cast<double>(Mix64(~r) >> 40) / 65536 - 128;
    rows.labels[r] = signal + noise > 100 ? 1.0f : 0.0f;
  });
  return rows;
}

double UniformOf(std::uint64_t number) { return (static_cast<double>(Mix64(number) >> 11) + 0.5) * 0x1p-53; }

// As SparseTreeRows (bench/gbdt/tree_rows.h) has them, without their text.
class SparseShape {
 public:
  static constexpr int kDraws = 96;  // of columns, a row

  // How many rows of `rows` draw a column of this rank.
  static double Expected(std::size_t rows, std::size_t rank) {
    const double density = kPower * std::pow(static_cast<double>(rank) + kShift, kPower - 1) / (High() - Low());
    return static_cast<double>(rows) * kDraws * density;
  }
  static std::vector<std::uint32_t> ColumnsOf(std::uint64_t row) {
    std::vector<std::uint32_t> columns;
    for (std::uint64_t i = 0; i < kDraws; ++i) {
      const double rank = std::pow(Low() + (High() - Low()) * UniformOf(row * kDraws + i), 1 / kPower) - kShift;
      columns.push_back(static_cast<std::uint32_t>(std::clamp(rank, 0.0, kSparseColumns - 1.0)));
    }
    std::sort(columns.begin(), columns.end());
    columns.erase(std::unique(columns.begin(), columns.end()), columns.end());
    return columns;
  }

 private:
  static constexpr double kShift = 40, kPower = 0.15;
  static double Low() { return std::pow(kShift, kPower); }
  static double High() { return std::pow(kSparseColumns + kShift, kPower); }
};

std::vector<int> BinsOfSparseColumns(std::size_t rows) {
  constexpr double kRowsOfBin = 32;
  std::vector<int> bins;
  for (std::size_t c = 0; c < kSparseColumns; ++c)
    bins.push_back(static_cast<int>(std::clamp(SparseShape::Expected(rows, c) / kRowsOfBin, 1.0, 255.0)));
  return bins;
}

BinnedRows MakeSparseRows(std::size_t count, const std::vector<int>& bins, Crew* crew) {
  BinnedRows rows;
  rows.rows = count;
  rows.columns = kSparseColumns;
  rows.sparse = true;
  rows.first_cell = {0};
  for (const int of : bins) rows.first_cell.push_back(rows.first_cell.back() + static_cast<std::uint32_t>(of));
  rows.row_begin.resize(count + 1);
  rows.labels.resize(count);
  ForEachRow(count, crew, [&](std::size_t r) { rows.row_begin[r + 1] = SparseShape::ColumnsOf(r).size(); });
  for (std::size_t r = 0; r < count; ++r) rows.row_begin[r + 1] += rows.row_begin[r];
  rows.cells = HugeArray<std::uint32_t>(rows.row_begin[count] + 1);
  ForEachRow(count, crew, [&](std::size_t r) {
    double signal = 0;
    std::uint64_t place = rows.row_begin[r];
    for (const std::uint32_t column : SparseShape::ColumnsOf(r)) {
      const auto bin = Mix64(~(r * kSparseColumns + column)) % static_cast<std::uint64_t>(bins[column]);
      rows.cells[place++] = rows.first_cell[column] + static_cast<std::uint32_t>(bin);
      const double effect = UniformOf(column) < 0.3 ? UniformOf(~std::uint64_t{column}) - 0.5 : 0;
      signal += effect * (1 + static_cast<double>(bin) / bins[column]);
    }
    rows.labels[r] = signal + 2 * UniformOf(~r) > 1 ? 1.0f : 0.0f;
  });
  return rows;
}

template <typename Grow>
double MedianTreeMs(int trees, const Grow& grow) {
  std::vector<double> ms;
  for (int i = -2; i < trees; ++i) {
    const auto start = std::chrono::steady_clock::now();
    grow();
    const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
    if (i >= 0) ms.push_back(took.count());
  }
  std::sort(ms.begin(), ms.end());
  return ms[ms.size() / 2];
}

absl::Status PrintTrees(const TreeBench& bench, const BinnedRows& rows, const std::vector<BinColumn>& columns,
                        Crew* crew) {
  BoostParams params;
  params.grow.max_leaves = bench.leaves;
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<DeviceBooster> on_device, DeviceBooster::Make(&rows, &columns, params));
  std::vector<float> of_device, of_processor;
  absl::Status status;
  const double device_ms = MedianTreeMs(bench.trees, [&] {
    const absl::StatusOr<Tree> tree = on_device->GrowNext();
    status.Update(tree.status());
    if (tree.ok()) of_device = tree->leaf_value;
  });
  PS_RETURN_IF_ERROR(status);
  Booster on_processor(&rows, &columns, params, crew);
  const double processor_ms = MedianTreeMs(bench.trees, [&] { of_processor = on_processor.GrowNext().leaf_value; });
  std::printf("a tree of %d leaves on %zu x %d: device %.2f ms, %d threads %.1f ms: %.1f times\n", bench.leaves,
              rows.rows, rows.columns, device_ms, bench.threads, processor_ms, processor_ms / device_ms);
  return of_device == of_processor ? absl::OkStatus() : absl::InternalError("THE TREES DIFFER");
}

}  // namespace

absl::Status PrintDenseTrees(const TreeBench& bench, const DeviceInfo& device) {
  Crew crew(bench.threads);
  const BinnedRows rows = MakeDenseRows(bench.rows, &crew);
  PS_RETURN_IF_ERROR(PrintDenseKernels(rows, device));
  return PrintTrees(bench, rows, ColumnsOfBins(std::vector<int>(kDenseColumns, 255)), &crew);
}

absl::Status PrintSparseTrees(const TreeBench& bench, const DeviceInfo& device) {
  Crew crew(bench.threads);
  const std::vector<int> bins = BinsOfSparseColumns(bench.rows);
  const BinnedRows rows = MakeSparseRows(bench.rows, bins, &crew);
  PS_RETURN_IF_ERROR(PrintSparseKernels(rows, device));
  return PrintTrees(bench, rows, ColumnsOfBins(bins), &crew);
}

}  // namespace ps
