// Histograms of sparse rows.
#include <algorithm>

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/histogram_source.h"
#include "kernels/cuda/pinned_array.h"
#include "kernels/cuda/sparse_kernels.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// A node with more than one row in this many is summed by cells, which looks at all rows' values.
constexpr std::uint64_t kByCells = 4;

constexpr char kMarkingRows[] = "marking the rows of a split",
               kTurningOver[] = "sorting values by cells";

class SparseHistograms final : public DeviceHistogramSource {
 public:
  SparseHistograms(int processors, cudaStream_t stream)
      : DeviceHistogramSource(processors, stream) {}

  absl::Status Load(const DeviceTreeInput& input, std::size_t slots) {
    PS_DEVICE_OK(LoadSparseKernels(), "loading the kernels of sparse rows");
    PS_DEVICE_OK(LoadSparseScanKernels(), "loading the kernels of sparse rows");
    const DeviceSparseRows& from = input.sparse;
    const std::size_t columns = input.bins.size();
    rows_ = static_cast<std::uint32_t>(input.rows);
    first_cell_of_.assign(from.first_cell, from.first_cell + columns + 1);
    cells_ = first_cell_of_.back();
    values_ = from.row_begin[rows_];
    const std::size_t stretches = BlocksOfValues();
    for (const absl::Status& status :
         {row_begin_.Allocate(input.rows + 1, "the values of all rows"),
          row_cells_.Allocate(values_, "the values of all rows"),
          cell_begin_.Allocate(std::size_t{cells_} + 1, "the values by cell"),
          cell_rows_.Allocate(stretches * kStretchValues, "the values by cell"),
          stretch_cell_.Allocate(stretches + 1, "the values by cell"),
          first_cell_.Allocate(columns + 1, "columns"),
          zero_bin_.Allocate(from.zero_bin == nullptr ? 0 : columns, "columns"),
          chosen_.Allocate(columns, "columns"),
          directions_.Allocate(input.directions.size(), "columns"),
          AllocateSlots(slots, cells_),
          gradient_of_row_.Allocate(input.rows, "gradients"),
          marks_.Allocate(input.rows, "rows of a split"),
          of_blocks_.Allocate(
              2 * SparseScanBlocks(static_cast<std::uint32_t>(columns), processors_), "cuts"),
          findings_.Allocate(2, "cuts"), answer_.Allocate(2)}) {
      PS_RETURN_IF_ERROR(status);
    }
    for (const cudaError_t error :
         {CopyToDevice(row_begin_.data(), from.row_begin, input.rows + 1, stream_),
          CopyToDevice(row_cells_.data(), from.cells, values_, stream_),
          CopyToDevice(first_cell_.data(), from.first_cell, columns + 1, stream_),
          CopyToDevice(zero_bin_.data(), from.zero_bin, zero_bin_.size(), stream_),
          CopyToDevice(directions_.data(), input.directions.data(), directions_.size(), stream_),
          cudaMemsetAsync(marks_.data(), 0, marks_.bytes(), stream_)}) {
      PS_DEVICE_OK(error, "loading rows");
    }
    by_row_ = {row_begin_.data(), row_cells_.data(), rows_};
    by_cell_ = {cell_begin_.data(), cell_rows_.data(), stretch_cell_.data(), values_};
    return TurnOver();
  }

  std::uint64_t memory_bytes() const override {
    return row_begin_.bytes() + row_cells_.bytes() + cell_begin_.bytes() + cell_rows_.bytes() +
           slots_.bytes() + gradient_of_row_.bytes() + marks_.bytes();
  }

  DeviceBinRows rows() const override {
    return {rows_, DenseBins(), row_cells_.data(), row_begin_.data()};
  }

  absl::Status BeginTree(const DeviceTreeRules& rules) override {
    rules_ = rules;
    if (rules_.chosen.empty()) return absl::OkStatus();
    return DeviceStatus(
        CopyToDevice(chosen_.data(), rules_.chosen.data(), rules_.chosen.size(), stream_),
        kFindingCuts);
  }

  // Marks the rows that do not go where missing values go: bins that do not are side by side. A mark
  // counts for one split, so that most of the time none has to be taken back.
  absl::Status PlaceSplit(const DeviceSplit& split, PartitionWork* work) override {
    if (++mark_ == 0) {
      PS_DEVICE_OK(cudaMemsetAsync(marks_.data(), 0, marks_.bytes(), stream_), kMarkingRows);
      mark_ = 1;
    }
    const bool missing_left = GoesLeft(split, 0);
    const std::uint32_t first = first_cell_of_[split.column];
    const std::uint32_t bins = first_cell_of_[split.column + 1] - first;
    std::uint32_t begin = 1;
    while (begin <= bins && GoesLeft(split, begin) == missing_left) ++begin;
    std::uint32_t end = begin;
    while (end <= bins && GoesLeft(split, end) != missing_left) ++end;
    const std::uint64_t before = values_before_[first + begin - 1],
                        marked = values_before_[first + end - 1] - before;
    PS_DEVICE_OK(LaunchMarkRows(cell_rows_.data() + before, marked, mark_, processors_, marks_.data(),
                                stream_),
                 kMarkingRows);
    left_share_ = static_cast<double>(missing_left ? rows_ - marked : marked) / rows_;
    // Marks are a matrix of one column.
    work->matrix = {marks_.data(), 1, 1};
    work->column = 0;
    std::fill(std::begin(work->goes_left), std::end(work->goes_left), missing_left ? ~0u : 0u);
    work->goes_left[mark_ / 32] ^= 1u << (mark_ % 32);
    return absl::OkStatus();
  }

  double left_share() const override { return left_share_; }

  absl::Status Sum(const NodeEntries& node, std::uint64_t expected_rows,
                   std::size_t slot) override {
    PS_RETURN_IF_ERROR(ClearSlot(slot));
    if (kByCells * expected_rows <= rows_) {
      return DeviceStatus(LaunchRowSums(by_row_, node, processors_, Slot(slot), stream_),
                          kSummingRows);
    }
    PS_DEVICE_OK(cudaMemsetAsync(gradient_of_row_.data(), 0, gradient_of_row_.bytes(), stream_),
                 kSummingRows);
    PS_DEVICE_OK(LaunchSpreadGradients(node, processors_, gradient_of_row_.data(), stream_),
                 kSummingRows);
    return DeviceStatus(LaunchCellSums(by_cell_, gradient_of_row_.data(), Slot(slot), stream_),
                        kSummingRows);
  }

  const WideSum* ByColumn(const WideSum* cells) override { return cells; }

  absl::Status FindSplits(const Nodes& nodes) override {
    SparseScanWork scan;
    scan.columns = static_cast<std::uint32_t>(first_cell_of_.size() - 1);
    scan.first_cell = first_cell_.data();
    scan.zero_bin = zero_bin_.size() == 0 ? nullptr : zero_bin_.data();
    scan.chosen = rules_.chosen.empty() ? nullptr : chosen_.data();
    scan.summed = Slot(nodes.slot);
    scan.parent = nodes.parent_slot == kNoSlot ? nullptr : Slot(nodes.parent_slot);
    std::copy(std::begin(nodes.totals), std::end(nodes.totals), std::begin(totals_));
    std::copy(std::begin(nodes.totals), std::end(nodes.totals), std::begin(scan.totals));
    scan.params = rules_.scan;
    scan.directions = directions_.size() == 0 ? nullptr : directions_.data();
    std::copy(std::begin(nodes.bounds), std::end(nodes.bounds), std::begin(scan.bounds));
    scan.of_blocks = of_blocks_.data();
    scan.findings = findings_.data();
    PS_DEVICE_OK(LaunchSparseScan(scan, processors_, stream_), kFindingCuts);
    const std::size_t count = scan.parent == nullptr ? 1 : 2;
    return DeviceStatus(CopyToHost(answer_.data(), findings_.data(), count, stream_), kFindingCuts);
  }

  void TakeSplits(std::size_t node, DeviceNodeSplits* splits) const override {
    const SparseFinding& found = answer_[node];
    splits->clear();
    if (found.score < 0) return;
    splits->push_back({found.column, found.score, found.left, found.missing, totals_[node],
                       found.bin, found.missing_left != 0, nullptr});
  }

 private:
  std::size_t BlocksOfValues() const { return (values_ + kStretchValues - 1) / kStretchValues; }

  // The other order of the values. Counting and filling are the device's; a histogram's memory counts.
  absl::Status TurnOver() {
    auto* const counts = reinterpret_cast<std::uint64_t*>(Slot(0));
    PS_RETURN_IF_ERROR(ClearSlot(0));
    PS_DEVICE_OK(LaunchCellCounts(by_row_, counts, stream_), kTurningOver);
    std::vector<std::uint64_t>& begin = values_before_;
    begin.assign(std::size_t{cells_} + 1, 0);
    PS_DEVICE_OK(CopyToHost(begin.data() + 1, counts, cells_, stream_), kTurningOver);
    PS_DEVICE_OK(cudaStreamSynchronize(stream_), kTurningOver);
    std::vector<std::uint32_t> stretch_cell;
    for (std::uint32_t cell = 0; cell < cells_; ++cell) {
      begin[cell + 1] += begin[cell];
      while (stretch_cell.size() * kStretchValues < begin[cell + 1])
        stretch_cell.push_back(cell);
    }
    stretch_cell.push_back(cells_ - 1);
    for (const cudaError_t error :
         {CopyToDevice(cell_begin_.data(), begin.data(), begin.size(), stream_),
          CopyToDevice(counts, begin.data(), cells_, stream_),
          CopyToDevice(stretch_cell_.data(), stretch_cell.data(), stretch_cell.size(), stream_)}) {
      PS_DEVICE_OK(error, kTurningOver);
    }
    PS_DEVICE_OK(LaunchCellFill(by_row_, counts, cell_rows_.data(), stream_), kTurningOver);
    return DeviceStatus(cudaStreamSynchronize(stream_), kTurningOver);
  }

  std::uint32_t rows_ = 0;
  std::uint64_t values_ = 0;
  std::uint32_t cells_ = 0;
  std::vector<std::uint32_t> first_cell_of_;  // of columns
  std::vector<std::uint64_t> values_before_;  // of cells and the end, in their order
  double left_share_ = 0.5;                   // of the last split
  DeviceArray<std::uint64_t> row_begin_, cell_begin_;
  DeviceArray<std::uint32_t> row_cells_, cell_rows_, stretch_cell_, first_cell_;
  DeviceArray<std::uint8_t> zero_bin_, chosen_;
  DeviceArray<Direction> directions_;
  RowCells by_row_;
  CellRows by_cell_;
  DeviceArray<std::uint16_t> gradient_of_row_;  // of the node that is summed by cells
  DeviceArray<std::uint8_t> marks_;             // of rows
  std::uint8_t mark_ = 0;                       // of the last split
  DeviceArray<SparseFinding> of_blocks_, findings_;
  PinnedArray<SparseFinding> answer_;
  WideSum totals_[2] = {};  // of the answer's nodes
  DeviceTreeRules rules_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceHistogramSource>> MakeSparseHistograms(
    const DeviceTreeInput& input, std::size_t slots, int processors, cudaStream_t stream) {
  auto histograms = std::make_unique<SparseHistograms>(processors, stream);
  PS_RETURN_IF_ERROR(histograms->Load(input, slots));
  return histograms;
}

}  // namespace ps
