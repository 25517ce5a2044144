// Histograms of a matrix of bins.
#include <algorithm>

#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/histogram_source.h"
#include "kernels/cuda/pinned_array.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

class DenseHistograms final : public DeviceHistogramSource {
 public:
  DenseHistograms(int processors, cudaStream_t stream) : DeviceHistogramSource(processors, stream) {}

  absl::Status Load(const DeviceTreeInput& input, std::size_t slots) {
    columns_ = input.matrix.columns;
    is_category_ = input.is_category;
    std::vector<std::int32_t> category;
    for (const bool is_category : input.is_category)
      category.push_back(is_category ? categories_++ : -1);
    for (const absl::Status& status :
         {bins_.Allocate(input.rows * input.matrix.stride, "the bins of all rows"),
          AllocateSlots(slots, static_cast<std::size_t>(ColumnGroups(columns_)) * kGroupCells),
          column_bins_.Allocate(input.bins.size(), "columns"),
          directions_.Allocate(input.directions.size(), "columns"),
          category_.Allocate(category.size(), "columns"), found_.Allocate(AnswerBytes(), "cuts"),
          answer_.Allocate(AnswerBytes())}) {
      PS_RETURN_IF_ERROR(status);
    }
    is_zero_.assign(slots, false);
    matrix_ = {bins_.data(), input.matrix.stride, columns_};
    for (const cudaError_t error :
         {CopyToDevice(bins_.data(), input.matrix.bins, bins_.size(), stream_),
          CopyToDevice(column_bins_.data(), input.bins.data(), input.bins.size(), stream_),
          CopyToDevice(category_.data(), category.data(), category.size(), stream_),
          CopyToDevice(directions_.data(), input.directions.data(), directions_.size(), stream_),
          cudaStreamSynchronize(stream_)}) {
      PS_RETURN_IF_ERROR(DeviceStatus(error, "loading rows"));
    }
    return absl::OkStatus();
  }

  std::uint64_t memory_bytes() const override {
    return bins_.bytes() + slots_.bytes() + found_.bytes();
  }

  DeviceBinRows rows() const override {
    return {bins_.size() / matrix_.stride, matrix_, nullptr, nullptr};
  }

  absl::Status BeginTree(const DeviceTreeRules& rules) override {
    rules_ = rules;
    is_zero_.assign(is_zero_.size(), true);
    return DeviceStatus(cudaMemsetAsync(slots_.data(), 0, slots_.bytes(), stream_), kSummingRows);
  }

  absl::Status PlaceSplit(const DeviceSplit& split, PartitionWork* work) override {
    work->matrix = matrix_;
    work->column = split.column;
    std::copy(std::begin(split.goes_left), std::end(split.goes_left), work->goes_left);
    return absl::OkStatus();
  }

  double left_share() const override { return 0.5; }  // sums do not ask for it

  absl::Status Sum(const NodeEntries& node, std::uint64_t, std::size_t slot) override {
    if (!is_zero_[slot]) PS_RETURN_IF_ERROR(ClearSlot(slot));
    is_zero_[slot] = false;
    return DeviceStatus(LaunchHistogram({matrix_, node, Slot(slot)}, processors_, stream_),
                        kSummingRows);
  }

  const WideSum* ByColumn(const WideSum* cells) override {
    by_column_.resize(static_cast<std::size_t>(columns_) * kBinsPerColumn);
    WideSum* to = by_column_.data();
    for (int c = 0; c < columns_; ++c) {
      for (int bin = 0; bin < kBinsPerColumn; ++bin) *to++ = cells[DenseCell(c, bin)];
    }
    return by_column_.data();
  }

  absl::Status FindSplits(const Nodes& nodes) override {
    ScanWork scan;
    scan.columns = columns_;
    scan.bins = column_bins_.data();
    scan.category = category_.data();
    scan.categories = categories_;
    scan.summed = Slot(nodes.slot);
    scan.parent = nodes.parent_slot == kNoSlot ? nullptr : Slot(nodes.parent_slot);
    scan.params = rules_.scan;
    scan.directions = directions_.size() == 0 ? nullptr : directions_.data();
    std::copy(std::begin(nodes.bounds), std::end(nodes.bounds), std::begin(scan.bounds));
    scan.findings = reinterpret_cast<ColumnFinding*>(found_.data());
    scan.category_cells = reinterpret_cast<WideSum*>(found_.data() + CellsOffset());
    PS_DEVICE_OK(LaunchScan(scan, stream_), kFindingCuts);
    return DeviceStatus(CopyToHost(answer_.data(), found_.data(), AnswerBytes(), stream_),
                        kFindingCuts);
  }

  void TakeSplits(std::size_t node, DeviceNodeSplits* splits) const override {
    const auto columns = static_cast<std::size_t>(columns_);
    const auto* const findings =
        reinterpret_cast<const ColumnFinding*>(answer_.data()) + node * columns;
    const auto* cells = reinterpret_cast<const WideSum*>(answer_.data() + CellsOffset()) +
                        node * static_cast<std::size_t>(categories_) * kBinsPerColumn;
    splits->clear();
    for (std::size_t c = 0; c < columns; ++c) {
      const ColumnFinding& finding = findings[c];
      if (rules_.chosen.empty() || rules_.chosen[c] != 0) {
        splits->push_back({static_cast<std::uint32_t>(c), finding.score, finding.left,
                           finding.missing, finding.total, finding.bin, finding.missing_left != 0,
                           is_category_[c] ? cells : nullptr});
      }
      if (is_category_[c]) cells += kBinsPerColumn;
    }
  }

 private:
  // An answer: findings of two nodes, then the cells of their categories.
  std::size_t CellsOffset() const {
    return 2 * static_cast<std::size_t>(columns_) * sizeof(ColumnFinding);
  }
  std::size_t AnswerBytes() const {
    return CellsOffset() +
           2 * static_cast<std::size_t>(categories_) * kBinsPerColumn * sizeof(WideSum);
  }

  int columns_ = 0, categories_ = 0;
  std::vector<bool> is_category_;
  DenseBins matrix_;
  DeviceArray<std::uint8_t> bins_, column_bins_;
  std::vector<bool> is_zero_;  // slots
  std::vector<WideSum> by_column_;
  DeviceArray<std::int32_t> category_;
  DeviceArray<Direction> directions_;
  DeviceArray<std::uint8_t> found_;
  PinnedArray<std::uint8_t> answer_;
  DeviceTreeRules rules_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceHistogramSource>> MakeDenseHistograms(
    const DeviceTreeInput& input, std::size_t slots, int processors, cudaStream_t stream) {
  auto histograms = std::make_unique<DenseHistograms>(processors, stream);
  PS_RETURN_IF_ERROR(histograms->Load(input, slots));
  return histograms;
}

}  // namespace ps
