#include "kernels/cuda/tree_rows.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/tree_kernels.h"

#define PS_CUDA_OK(expression)                                        \
  do {                                                                \
    if (const cudaError_t error = (expression); error != cudaSuccess) \
      return DeviceStatus(error, "growing trees");                    \
  } while (false)

namespace ps {
namespace {

class TreeRows final : public DeviceTreeRows {
 public:
  ~TreeRows() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
    cudaFreeHost(answer_);
  }

  absl::Status Load(const DeviceTreeInput& input, int processors) {
    processors_ = processors;
    rows_ = static_cast<std::uint32_t>(input.rows);
    columns_ = input.matrix.columns;
    max_leaves_ = static_cast<std::size_t>(input.max_leaves);
    is_category_ = input.is_category;
    slot_cells_ = static_cast<std::size_t>(ColumnGroups(columns_)) * kGroupCells;
    std::vector<std::int32_t> category;
    for (const bool is_category : input.is_category)
      category.push_back(is_category ? categories_++ : -1);
    for (const absl::Status& status :
         {bins_.Allocate(input.rows * input.matrix.stride, "the bins of all rows"),
          labels_.Allocate(input.rows, "labels"),
          weights_.Allocate(input.weights == nullptr ? 0 : input.rows, "weights"),
          margins_.Allocate(input.rows, "margins"), fixed_.Allocate(input.rows, "gradients"),
          entries_[0].Allocate(input.rows, "rows of nodes"),
          entries_[1].Allocate(input.rows, "rows of nodes"),
          slots_.Allocate(max_leaves_ * slot_cells_, "histograms of leaves"),
          sides_.Allocate(max_leaves_, "splits"),
          column_bins_.Allocate(input.bins.size(), "columns"),
          category_.Allocate(category.size(), "columns"), largest_.Allocate(1, "a number"),
          leaves_.Allocate(max_leaves_, "leaves"), sums_.Allocate(2 * max_leaves_, "leaves"),
          found_.Allocate(AnswerBytes(), "cuts")}) {
      if (!status.ok()) return status;
    }
    PS_CUDA_OK(
        cudaMallocHost(reinterpret_cast<void**>(&answer_), AnswerBytes() + sizeof(SideCounts)));
    PS_CUDA_OK(cudaStreamCreate(&stream_));
    PS_CUDA_OK(Up(bins_, input.matrix.bins));
    PS_CUDA_OK(Up(labels_, input.labels));
    if (input.weights != nullptr) PS_CUDA_OK(Up(weights_, input.weights));
    PS_CUDA_OK(Up(column_bins_, input.bins.data()));
    PS_CUDA_OK(Up(category_, category.data()));

    matrix_ = {bins_.data(), input.matrix.stride, columns_};
    return DeviceStatus(cudaStreamSynchronize(stream_), "loading rows");
  }

  std::uint64_t memory_bytes() const override {
    return bins_.bytes() + labels_.bytes() + weights_.bytes() + margins_.bytes() + fixed_.bytes() +
           2 * entries_[0].bytes() + slots_.bytes() + found_.bytes();
  }

  absl::Status SetMargins(float margin) override {
    const std::vector<float> margins(rows_, margin);
    PS_CUDA_OK(Up(margins_, margins.data()));
    return DeviceStatus(cudaStreamSynchronize(stream_), "setting margins");
  }

  absl::StatusOr<std::vector<float>> Margins() override {
    std::vector<float> margins(rows_);
    PS_CUDA_OK(Down(margins.data(), margins_.data(), rows_));
    PS_CUDA_OK(cudaStreamSynchronize(stream_));
    return margins;
  }

  absl::StatusOr<float> LargestGradient() override {
    PS_CUDA_OK(cudaMemsetAsync(largest_.data(), 0, sizeof(int), stream_));
    LaunchLargestGradient(MakeGradientWork(), largest_.data(), stream_);
    int bits = 0;
    PS_CUDA_OK(Down(&bits, largest_.data(), 1));
    PS_CUDA_OK(Finish());
    float largest;
    std::memcpy(&largest, &bits, sizeof largest);
    return largest;
  }

  absl::Status BeginTree(const DeviceGradients& gradients, const ScanParams& params,
                         DeviceNodeSplits* root) override {
    params_ = params;
    GradientWork work = MakeGradientWork();
    work.logistic = gradients.logistic;
    work.quantisation = gradients.quantisation;
    work.first_global_row = gradients.first_global_row;
    work.sample_key = gradients.sample_key;
    work.sample_below = static_cast<std::uint64_t>(gradients.row_sample * 0x1p53);
    LaunchGradients(work, stream_);
    PS_CUDA_OK(cudaMemsetAsync(slots_.data(), 0, slots_.bytes(), stream_));
    PS_CUDA_OK(cudaMemsetAsync(sides_.data(), 0, sides_.bytes(), stream_));
    nodes_.assign(1, Node{{0, rows_}, 0, 0});
    LaunchHistogram({matrix_, entries_[0].data(), nodes_[0].range, Side::kAll, nullptr, Slot(0)},
                    processors_, stream_);
    if (const absl::Status status = Scan(0, nullptr, nullptr); !status.ok()) return status;
    TakeSplits(0, root);
    return absl::OkStatus();
  }

  absl::Status Split(const DeviceSplit& split, DeviceNodeSplits* left,
                     DeviceNodeSplits* right) override {
    const Node parent = nodes_[split.leaf];
    const std::size_t last = nodes_.size();
    SideCounts* const sides = sides_.data() + last - 1;  // of this split; 0 since the tree began
    PartitionWork part;
    part.matrix = matrix_;
    part.column = split.column;
    std::copy(std::begin(split.goes_left), std::end(split.goes_left), part.goes_left);
    part.range = parent.range;
    part.from = entries_[parent.buffer].data();
    part.to = entries_[1 - parent.buffer].data();
    part.sides = sides;
    LaunchPartition(part, stream_);
    if (split.find_splits) {
      // The small child takes the next free slot, the large one that of their parent.
      LaunchHistogram({matrix_, part.to, parent.range,
                       split.left_is_small ? Side::kLeft : Side::kRight, sides, Slot(last)},
                      processors_, stream_);
      const absl::Status status = Scan(last, Slot(parent.slot), sides);
      if (!status.ok()) return status;
      TakeSplits(0, split.left_is_small ? left : right);
      TakeSplits(1, split.left_is_small ? right : left);
    } else {
      PS_CUDA_OK(Down(Counts(), sides, 1));
      PS_CUDA_OK(Finish());
    }
    const std::uint32_t middle = parent.range.begin + Counts()->left;
    const std::size_t left_slot = split.left_is_small ? last : parent.slot;
    nodes_[split.leaf] = {{parent.range.begin, middle}, 1 - parent.buffer, left_slot};
    nodes_.push_back(
        {{middle, parent.range.end}, 1 - parent.buffer, last + parent.slot - left_slot});
    return absl::OkStatus();
  }

  absl::StatusOr<DeviceLeafSums> SumLeaves() override {
    const std::size_t count = nodes_.size();
    PS_CUDA_OK(cudaMemsetAsync(sums_.data(), 0, sums_.bytes(), stream_));
    PS_CUDA_OK(UploadLeaves({}));
    LaunchLeafSums(MakeLeafWork(), fixed_.data(), sums_.data(), sums_.data() + count, stream_);
    std::vector<std::int64_t> sums(2 * count);
    PS_CUDA_OK(Down(sums.data(), sums_.data(), sums.size()));
    PS_CUDA_OK(Finish());
    DeviceLeafSums of_leaves{std::vector<std::int64_t>(count), std::vector<std::int64_t>(count)};
    for (std::size_t i = 0; i < count; ++i) {
      of_leaves.g[order_[i]] = sums[i];
      of_leaves.h[order_[i]] = sums[count + i];
    }
    return of_leaves;
  }

  absl::Status AddLeafValues(const std::vector<float>& values) override {
    PS_CUDA_OK(UploadLeaves(values));
    LaunchLeafValues(MakeLeafWork(), margins_.data(), stream_);
    return DeviceStatus(Finish(), "adding a tree");
  }

 private:
  struct Node {
    EntryRange range;
    std::uint32_t buffer = 0;
    std::size_t slot = 0;
  };

  // Errors of launches, then of what ran.
  cudaError_t Finish() {
    const cudaError_t launched = cudaGetLastError();
    return launched != cudaSuccess ? launched : cudaStreamSynchronize(stream_);
  }
  template <typename T>
  cudaError_t Up(const DeviceArray<T>& to, const T* from) {
    return cudaMemcpyAsync(to.data(), from, to.bytes(), cudaMemcpyHostToDevice, stream_);
  }
  template <typename T>
  cudaError_t Down(T* to, const T* from, std::size_t count) {
    return cudaMemcpyAsync(to, from, count * sizeof(T), cudaMemcpyDeviceToHost, stream_);
  }

  WideSum* Slot(std::size_t slot) { return slots_.data() + slot * slot_cells_; }

  // Findings of two nodes, then the cells of their categories.
  std::size_t CellsOffset() const {
    return 2 * static_cast<std::size_t>(columns_) * sizeof(ColumnFinding);
  }
  std::size_t AnswerBytes() const {
    return CellsOffset() +
           2 * static_cast<std::size_t>(categories_) * kBinsPerColumn * sizeof(WideSum);
  }

  // Of the last split, behind the answer.
  SideCounts* Counts() { return reinterpret_cast<SideCounts*>(answer_ + AnswerBytes()); }

  GradientWork MakeGradientWork() {
    GradientWork work;
    work.rows = rows_;
    work.margins = margins_.data();
    work.labels = labels_.data();
    work.weights = weights_.size() == 0 ? nullptr : weights_.data();
    work.entries = entries_[0].data();
    work.fixed = fixed_.data();
    return work;
  }

  absl::Status Scan(std::size_t slot, WideSum* parent, const SideCounts* sides) {
    ScanWork scan;
    scan.columns = columns_;
    scan.bins = column_bins_.data();
    scan.category = category_.data();
    scan.categories = categories_;
    scan.summed = Slot(slot);
    scan.parent = parent;
    scan.params = params_;
    scan.findings = reinterpret_cast<ColumnFinding*>(found_.data());
    scan.category_cells = reinterpret_cast<WideSum*>(found_.data() + CellsOffset());
    LaunchScan(scan, stream_);
    PS_CUDA_OK(Down(answer_, found_.data(), AnswerBytes()));
    if (sides != nullptr) PS_CUDA_OK(Down(Counts(), sides, 1));
    PS_CUDA_OK(Finish());
    return absl::OkStatus();
  }

  // Of the node that was summed (0) or of the other one (1), from the answer.
  void TakeSplits(std::size_t node, DeviceNodeSplits* splits) const {
    const auto columns = static_cast<std::size_t>(columns_);
    const auto* finding = reinterpret_cast<const ColumnFinding*>(answer_) + node * columns;
    const auto* cells = reinterpret_cast<const WideSum*>(answer_ + CellsOffset()) +
                        node * static_cast<std::size_t>(categories_) * kBinsPerColumn;
    splits->assign(columns, {});
    for (std::size_t c = 0; c < columns; ++c, ++finding) {
      (*splits)[c] = {finding->score,
                      finding->left,
                      finding->missing,
                      finding->total,
                      finding->bin,
                      finding->missing_left != 0,
                      is_category_[c] ? cells : nullptr};
      if (is_category_[c]) cells += kBinsPerColumn;
    }
  }

  // In order of their ranges; leaf i of those is leaf order_[i] of the tree.
  cudaError_t UploadLeaves(const std::vector<float>& values) {
    order_.resize(nodes_.size());
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = i;
    std::sort(order_.begin(), order_.end(), [&](std::size_t a, std::size_t b) {
      // Empty ones first, so that the search for a place finds the one that has it.
      const EntryRange &x = nodes_[a].range, &y = nodes_[b].range;
      return x.begin != y.begin ? x.begin < y.begin : x.end < y.end;
    });
    leaf_ranges_.clear();
    for (const std::size_t leaf : order_) {
      leaf_ranges_.push_back(
          {nodes_[leaf].range, nodes_[leaf].buffer, leaf < values.size() ? values[leaf] : 0.0f});
    }
    return cudaMemcpyAsync(leaves_.data(), leaf_ranges_.data(),
                           leaf_ranges_.size() * sizeof(LeafRange), cudaMemcpyHostToDevice,
                           stream_);
  }
  LeafWork MakeLeafWork() const {
    return {leaves_.data(),
            static_cast<std::uint32_t>(leaf_ranges_.size()),
            rows_,
            {entries_[0].data(), entries_[1].data()}};
  }

  int processors_ = 1;
  std::uint32_t rows_ = 0;
  int columns_ = 0, categories_ = 0;
  std::vector<bool> is_category_;
  std::size_t max_leaves_ = 0, slot_cells_ = 0;
  cudaStream_t stream_ = nullptr;
  DenseBins matrix_;
  DeviceArray<std::uint8_t> bins_, column_bins_;
  DeviceArray<float> labels_, weights_, margins_;
  DeviceArray<FixedGradient> fixed_;
  DeviceArray<RowGradient> entries_[2];
  DeviceArray<WideSum> slots_;  // a histogram a leaf
  DeviceArray<SideCounts> sides_;
  DeviceArray<std::int32_t> category_;
  DeviceArray<int> largest_;
  DeviceArray<LeafRange> leaves_;
  DeviceArray<std::int64_t> sums_;
  DeviceArray<std::uint8_t> found_;
  std::uint8_t* answer_ = nullptr;  // found_, then counts of a split, in pinned memory of the host

  // Of the current tree.
  ScanParams params_;
  std::vector<Node> nodes_;  // its leaves
  std::vector<std::size_t> order_;
  std::vector<LeafRange> leaf_ranges_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceTreeRows>> DeviceTreeRows::Load(const DeviceTreeInput& input) {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) return device.status();
  auto rows = std::make_unique<TreeRows>();
  if (const absl::Status status = rows->Load(input, device->processors); !status.ok())
    return status;
  return rows;
}

}  // namespace ps
