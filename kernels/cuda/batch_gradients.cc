#include "kernels/cuda/batch_gradients.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <utility>

#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/gradient_kernels.h"
#include "kernels/cuda/key_sort.h"

namespace ps {
namespace {

constexpr char kSendingBatch[] = "sending a batch to the device", kFindingBatchKeys[] = "finding a batch's keys",
               kComputing[] = "computing gradients", kPreparing[] = "preparing for batches";

// What batches take turns at: a call leaves nothing under way.
struct Workplace {
  ~Workplace() {
    if (stream == nullptr) return;
    cudaStreamSynchronize(stream);
    cudaStreamDestroy(stream);
  }

  // Room that only grows, with some to spare where there is some: batches of a job are much alike.
  // Where there is no more, what was there stays, for other batches that count on it.
  static absl::Status Room(DeviceArray<unsigned char>* array, std::size_t bytes, const char* what) {
    if (array->data() != nullptr && bytes <= array->size()) return absl::OkStatus();
    DeviceArray<unsigned char> more;
    absl::Status status = more.Allocate(bytes + bytes / 4, what);
    if (absl::IsResourceExhausted(status)) status = more.Allocate(bytes, what);
    if (status.ok()) *array = std::move(more);
    return status;
  }
  static absl::Status Room(PinnedBytes* pinned, std::size_t bytes) {
    if (bytes <= pinned->size()) return absl::OkStatus();
    absl::Status status = pinned->Room(bytes + bytes / 4);
    return absl::IsResourceExhausted(status) ? pinned->Room(bytes) : status;
  }
  absl::Status Wait(const char* doing) {
    PS_DEVICE_OK(cudaStreamSynchronize(stream), doing);
    return absl::OkStatus();
  }

  cudaStream_t stream = nullptr;
  DeviceKeySort sort;
  DeviceArray<unsigned char> arrays;  // of Compute
  PinnedBytes up, found, down;        // found: keys, which their worker reads
};

class Batch final : public DeviceBatch {
 public:
  explicit Batch(std::shared_ptr<Workplace> place) : at_(std::move(place)), place_(*at_) {}

  absl::StatusOr<DeviceBatchKeys> FindKeys(const DeviceBatchInput& input) override {
    const LabelledRows& rows = input.rows;
    const bool has_bias = rows.bias && rows.rows > 0;
    features_ = rows.features();
    const std::size_t size = features_ + (has_bias ? 1 : 0);
    view_ = {};
    view_.rows = static_cast<std::uint32_t>(rows.rows);
    view_.lanes = input.lanes;
    if (size >= std::numeric_limits<std::uint32_t>::max())
      return absl::ResourceExhaustedError("device: no numbers for 2^32 features of a batch");
    if (const absl::Status status = LayOut(input, size); !status.ok()) return status;
    absl::Status status = Upload(input, size);
    DistinctKeysView distinct;
    distinct.begin = Part<std::uint32_t>(layout_.begin);
    distinct.ids = Part<std::uint32_t>(layout_.ids);
    distinct.sorted = Part<std::uint32_t>(layout_.sorted);
    distinct.long_ids = Part<std::uint32_t>(layout_.long_ids);
    DeviceBatchKeys found;
    if (status.ok() && size > 0) status = Find(size, distinct, input.wants_places, &found);
    if (!status.ok()) return absl::InternalError(status.message());
    view_.ids = distinct.ids;
    view_.sorted = distinct.sorted;
    view_.begin = distinct.begin;
    view_.long_ids = distinct.long_ids;
    view_.bias_id = has_bias ? distinct.ids + features_ : nullptr;
    if (status = ReserveArrays(); !status.ok()) return status;
    return found;
  }

  absl::Status Compute(const float* weight, float* gradient, float* margins) override {
    const absl::Status status = Run(weight, gradient, margins);
    return status.ok() ? status : absl::InternalError(status.message());
  }

 private:
  // In bytes of kept_: what stays of a batch, first what is sent.
  struct Layout {
    std::size_t values = 0, row_begin = 0, labels = 0, weights = 0, sent = 0;
    std::size_t begin = 0, ids = 0, sorted = 0, long_ids = 0, end = 0;
  };
  // Likewise of the workplace's arrays; gradients and margins come back together.
  struct ArrayLayout {
    std::size_t weight = 0, errors = 0, parts = 0, gradient = 0, margins = 0, end = 0;
  };

  template <typename T>
  T* Part(std::size_t at) const {
    return reinterpret_cast<T*>(kept_.data() + at);
  }

  absl::Status LayOut(const DeviceBatchInput& input, std::size_t size) {
    const LabelledRows& rows = input.rows;
    Layout& at = layout_ = {};
    at.values = TakeBytes(rows.values == nullptr ? 0 : features_ * sizeof(float), &at.end);
    at.row_begin = TakeBytes((rows.rows + 1) * sizeof(std::uint32_t), &at.end);
    at.labels = TakeBytes(rows.rows * sizeof(float), &at.end);
    at.weights = TakeBytes(rows.weights == nullptr ? 0 : rows.rows * sizeof(float), &at.end);
    at.sent = at.end;
    at.begin = TakeBytes((size + 1) * sizeof(std::uint32_t), &at.end);
    at.ids = TakeBytes(size * sizeof(std::uint32_t), &at.end);
    at.sorted = TakeBytes(size * sizeof(std::uint32_t), &at.end);
    const std::size_t most_long = size / DistinctKeysView::kShort;
    at.long_ids = TakeBytes(most_long * sizeof(std::uint32_t), &at.end);
    if (at.end > kept_.size()) kept_ = {};  // before there is more, as nobody counts on it
    const std::size_t places = input.wants_places ? (size + 1) * sizeof(std::uint32_t) : 0;
    for (const absl::Status& status :
         {Workplace::Room(&kept_, at.end, "rows"), place_.sort.Reserve(size),
          Workplace::Room(&place_.up, at.sent + size * sizeof(std::uint64_t)),
          Workplace::Room(&place_.found,
                          DeviceKeySort::kKeysAt + size * sizeof(std::uint64_t) + places)}) {
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Upload(const DeviceBatchInput& input, std::size_t size) {
    const LabelledRows& rows = input.rows;
    unsigned char* const up = place_.up.data();
    const auto put = [&](const auto* from, std::size_t count, std::size_t at) {
      if (from == nullptr || count == 0) return decltype(from){nullptr};
      std::memcpy(up + at, from, count * sizeof(*from));
      return reinterpret_cast<decltype(from)>(kept_.data() + at);
    };
    if (rows.rows > 0) {
      view_.base = rows.row_begin[0];
      view_.row_begin = put(rows.row_begin, rows.rows + 1, layout_.row_begin);
    }
    view_.values = put(rows.values, features_, layout_.values);
    view_.labels = put(rows.labels, rows.rows, layout_.labels);
    view_.weights = put(rows.weights, rows.rows, layout_.weights);
    PS_DEVICE_OK(CopyToDevice(kept_.data(), up, layout_.sent, place_.stream), kSendingBatch);
    if (size == 0) return place_.Wait(kSendingBatch);
    unsigned char* const keys = up + layout_.sent;
    if (features_ > 0) std::memcpy(keys, input.keys, features_ * sizeof(std::uint64_t));
    if (size > features_)
      std::memcpy(keys + features_ * sizeof(std::uint64_t), &input.bias_key, sizeof(std::uint64_t));
    PS_DEVICE_OK(CopyToDevice(place_.sort.keys(), reinterpret_cast<const unsigned long long*>(keys),
                              size, place_.stream),
                 kSendingBatch);
    return absl::OkStatus();
  }

  absl::Status Find(std::size_t size, const DistinctKeysView& distinct, bool wants_places,
                    DeviceBatchKeys* found) {
    PS_DEVICE_OK(place_.sort.Run(size, distinct, place_.stream), kFindingBatchKeys);
    // All that there may be: to ask how many there are first would take longer.
    unsigned char* const down = place_.found.data();
    const std::size_t keys_end = DeviceKeySort::kKeysAt + size * sizeof(std::uint64_t);
    PS_DEVICE_OK(CopyToHost(down, place_.sort.found(), keys_end, place_.stream), kFindingBatchKeys);
    auto* const places = reinterpret_cast<std::uint32_t*>(down + keys_end);
    if (wants_places)
      PS_DEVICE_OK(CopyToHost(places, distinct.begin, size + 1, place_.stream), kFindingBatchKeys);
    if (const absl::Status status = place_.Wait(kFindingBatchKeys); !status.ok()) return status;
    const auto* const counts = reinterpret_cast<const std::uint32_t*>(down);
    view_.id_count = counts[0];
    view_.long_count = counts[1];
    found->keys = {reinterpret_cast<const std::uint64_t*>(down + DeviceKeySort::kKeysAt),
                   counts[0]};
    if (wants_places) found->places_begin = {places, std::size_t{counts[0]} + 1};
    return absl::OkStatus();
  }

  // For Compute, which may come when other batches have filled the memory.
  absl::Status ReserveArrays() {
    const auto lanes = static_cast<std::size_t>(view_.lanes) * sizeof(float);
    ArrayLayout& at = arrays_ = {};
    at.weight = TakeBytes(view_.id_count * lanes, &at.end);
    at.errors = TakeBytes(view_.rows * lanes, &at.end);
    at.parts = TakeBytes((features_ + 1) * lanes, &at.end);
    at.gradient = TakeBytes(view_.id_count * lanes, &at.end);
    at.margins = TakeBytes(view_.rows * lanes, &at.end);
    for (const absl::Status& status : {Workplace::Room(&place_.arrays, at.end, "gradients"),
                                       Workplace::Room(&place_.up, view_.id_count * lanes),
                                       Workplace::Room(&place_.down, at.end - at.gradient)}) {
      if (!status.ok()) return status;
    }
    return absl::OkStatus();
  }

  absl::Status Run(const float* weight, float* gradient, float* margins) {
    const auto lanes = static_cast<std::size_t>(view_.lanes);
    const std::size_t of_ids = view_.id_count * lanes, of_rows = view_.rows * lanes;
    unsigned char* const memory = place_.arrays.data();
    const auto part = [&](std::size_t at) { return reinterpret_cast<float*>(memory + at); };
    std::copy_n(weight, of_ids, reinterpret_cast<float*>(place_.up.data()));
    PS_DEVICE_OK(CopyToDevice(part(arrays_.weight),
                              reinterpret_cast<const float*>(place_.up.data()), of_ids,
                              place_.stream),
                 kComputing);
    const GradientArrays arrays = {part(arrays_.weight), part(arrays_.margins),
                                   part(arrays_.errors), part(arrays_.parts),
                                   part(arrays_.gradient)};
    PS_DEVICE_OK(LaunchBatchMargins(view_, arrays, place_.stream), kComputing);
    PS_DEVICE_OK(LaunchGradientsOfIds(view_, arrays, place_.stream), kComputing);
    const std::size_t back = arrays_.end - arrays_.gradient;
    PS_DEVICE_OK(CopyToHost(place_.down.data(), memory + arrays_.gradient, back, place_.stream), kComputing);
    if (const absl::Status status = place_.Wait(kComputing); !status.ok()) return status;
    const unsigned char* const down = place_.down.data();
    std::copy_n(reinterpret_cast<const float*>(down), of_ids, gradient);
    std::copy_n(reinterpret_cast<const float*>(down + (arrays_.margins - arrays_.gradient)),
                of_rows, margins);
    return absl::OkStatus();
  }

  const std::shared_ptr<Workplace> at_;
  Workplace& place_;
  DeviceArray<unsigned char> kept_;
  Layout layout_;
  ArrayLayout arrays_;
  GradientBatchView view_;
  std::size_t features_ = 0;
};

class Batches final : public DeviceBatches {
 public:
  explicit Batches(std::string name) : name_(std::move(name)) {}

  absl::Status Start() {
    PS_DEVICE_OK(LoadSortKernels(), kPreparing);
    PS_DEVICE_OK(LoadGradientKernels(), kPreparing);
    PS_DEVICE_OK(cudaStreamCreate(&place_->stream), kPreparing);
    return absl::OkStatus();
  }
  const std::string& device_name() const override { return name_; }
  std::unique_ptr<DeviceBatch> NewBatch() override { return std::make_unique<Batch>(place_); }

 private:
  const std::string name_;
  const std::shared_ptr<Workplace> place_ = std::make_shared<Workplace>();
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceBatches>> DeviceBatches::Make() {
  const absl::StatusOr<DeviceInfo> device = FindDevice();
  if (!device.ok()) return device.status();
  auto batches = std::make_unique<Batches>(device->name);
  if (const absl::Status status = batches->Start(); !status.ok()) return status;
  return batches;
}

}  // namespace ps
