#include "trainer/gbdt/distribution.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/progress/progress_line.h"

namespace ps {
namespace {

// Assumed: a network of 1 Gbit/s, and what text takes to be read. The work of a core is from
// histogram_codec_bench and from what 2M rows x 28 took more by columns than in one process.
constexpr double kWireBytesPerSecond = 125e6;               // of a node, each way
constexpr double kPackSeconds = 10e-9, kAddSeconds = 14e-9;  // a cell
constexpr double kGradientSeconds = 6e-9;                   // a row
constexpr double kPartSeconds = 20e-9;                      // a row and level
constexpr double kTextBytesPerSecond = 100e6;               // a thread

// Gradients are whole numbers of about this deviation, and hessians of neighbouring cells differ as
// if they were.
constexpr double kGradientDeviation = 4, kHessianDeviation = 3;
// Bits of a number that is normal with deviation 1.
constexpr double kNoiseBits = 2.05;
// Nodes that are split ahead of their turn, and in vain.
constexpr double kAhead = 1.05;

// Levels that a row passes on its way to its leaf, about.
double Levels(const DistributionShape& shape) {
  const double levels = std::log2(std::max(2, shape.leaves));
  return shape.max_depth > 0 ? std::min<double>(levels, shape.max_depth) : levels;
}

double BytesOfValues(const DistributionShape& shape) {
  // Sparse values are there by row and by cell, and a row has its beginning and its parts.
  return shape.sparse ? 8 * shape.values : shape.values;
}

double BytesOfRows(const DistributionShape& shape) {
  return kRowBytes + 4 * (shape.outputs - 1) + (shape.outputs > 1 ? 8 : 0) +
         (shape.sparse ? 40 : 0);
}

}  // namespace

DistributionCost CostByRows(const DistributionShape& shape) {
  DistributionCost cost;
  const double workers = shape.workers, servers = shape.servers;
  const double histograms = std::max(1, shape.leaves - 1) * kAhead;
  // The smaller children have half of the rows of each level, were trees even; they have less.
  const double rows = shape.rows * (1 + Levels(shape) / 4) / histograms / workers;
  const double values = rows * shape.values / std::max(1.0, shape.rows);
  const double filled = shape.cells * -std::expm1(-values / std::max(1.0, shape.cells));
  const double deviation = std::sqrt(std::max(1.0, values / std::max(1.0, filled)));
  const double bits = 2 * kNoiseBits + std::log2(kGradientDeviation * deviation) +
                      std::log2(kHessianDeviation * deviation);
  // Cells that no row has cost about a bit.
  const double bytes = (filled * bits + (shape.cells - filled)) / 8;
  cost.wire_bytes = histograms * workers * bytes;
  cost.tree_seconds = cost.wire_bytes / std::min(workers, servers) / kWireBytesPerSecond +
                      histograms * shape.cells * (kPackSeconds + kAddSeconds * workers / servers);
  cost.worker_bytes = kFixedBytes + BytesOfValues(shape) / workers +
                      shape.rows / workers * BytesOfRows(shape) + 16 * shape.cells;
  return cost;
}

DistributionCost CostByColumns(const DistributionShape& shape) {
  DistributionCost cost;
  const double workers = shape.workers;
  // A row's way to its leaf, told to every worker but the one that knows.
  const double bytes = shape.rows * Levels(shape) / 8 * kAhead;
  cost.wire_bytes = bytes * (workers - 1);
  const double twice = 1 - 1 / workers;  // of what every worker does, what others do too
  cost.tree_seconds = (workers > 1 ? bytes / kWireBytesPerSecond : 0) +
                      twice * shape.rows * (kGradientSeconds + Levels(shape) * kPartSeconds) /
                          std::max(1, shape.threads);
  cost.load_seconds = twice * shape.text_bytes / kTextBytesPerSecond / std::max(1, shape.threads);
  cost.worker_bytes = kFixedBytes + BytesOfValues(shape) / workers +
                      shape.rows * BytesOfRows(shape) +
                      8 * shape.cells / workers * (shape.leaves + 1);
  return cost;
}

DistributionChoice ChooseDistribution(const std::string& wanted, const DistributionShape& shape,
                                      std::uint64_t memory_limit) {
  DistributionChoice choice;
  choice.rows = CostByRows(shape);
  choice.columns = CostByColumns(shape);
  const auto seconds = [&](const DistributionCost& cost) {
    return cost.load_seconds + shape.trees * cost.tree_seconds;
  };
  const auto fits = [&](const DistributionCost& cost) {
    return memory_limit == 0 || cost.worker_bytes <= static_cast<double>(memory_limit);
  };
  choice.by_columns = wanted == "columns";
  if (wanted == "auto" && shape.rows_only.empty()) {
    choice.by_columns = fits(choice.columns) == fits(choice.rows)
                            ? seconds(choice.columns) < seconds(choice.rows)
                            : fits(choice.columns);
  }
  const auto describe = [&](const DistributionCost& cost) {
    return absl::StrFormat("%s a tree on the wire, %.1f s more than one process, %s a worker",
                           FormatBytes(static_cast<std::int64_t>(cost.wire_bytes)), seconds(cost),
                           FormatBytes(static_cast<std::int64_t>(cost.worker_bytes)));
  };
  choice.text = absl::StrFormat("distribution: %s (%s); estimates: by rows %s; by columns %s",
                                choice.by_columns ? "columns" : "rows",
                                wanted != "auto"          ? "as the job says"
                                : shape.rows_only.empty() ? "auto"
                                                          : absl::StrCat("auto, as ", shape.rows_only),
                                describe(choice.rows), describe(choice.columns));
  return choice;
}

}  // namespace ps
