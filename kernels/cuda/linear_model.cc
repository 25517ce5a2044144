#include "kernels/cuda/linear_model.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/status/status.h"
#include "kernels/batch_learner.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/linear_kernels.h"

#define PS_CUDA_OK(expression)                                        \
  do {                                                                \
    if (const cudaError_t error = (expression); error != cudaSuccess) \
      return DeviceStatus(error, "learning a linear model");          \
  } while (false)

namespace ps {
namespace {

// States that are on the way between the host's array and entries.
constexpr std::size_t kStagedStates = 1 << 18;

class LinearModel final : public DeviceLinearModel {
 public:
  ~LinearModel() override {
    if (stream_ != nullptr) cudaStreamDestroy(stream_);
  }

  absl::Status Start() {
    PS_CUDA_OK(cudaStreamCreate(&stream_));
    return absl::OkStatus();
  }

  absl::Status Load(LaneSettings lanes, const float* state, std::size_t ids) override {
    entries_ = {};
    ids_ = 0;
    batch_ = 0;
    view_.lanes = static_cast<int>(lanes.size());
    view_.stride = LinearModelView::StrideOf(view_.lanes);
    std::copy(lanes.begin(), lanes.end(), view_.settings);
    floats_ = StateFloats(lanes[0].type);
    // Reserved now: a model that has filled the memory must still be able to leave it.
    const auto floats = static_cast<std::size_t>(floats_ * view_.lanes);
    for (const absl::Status& status :
         {staged_.size() < kStagedStates * floats
              ? Replace(kStagedStates * floats, "states on their way", &staged_)
              : absl::OkStatus(),
          Reserve(ids)}) {
      if (!status.ok()) return status;
    }
    return MoveStates(ids, [&](std::size_t first, std::size_t count, std::size_t floats) {
      const cudaError_t error =
          cudaMemcpyAsync(staged_.data(), state + first * floats, count * floats * sizeof(float),
                          cudaMemcpyHostToDevice, stream_);
      if (error == cudaSuccess)
        LaunchStoreStates(view_, floats_, first, count, staged_.data(), stream_);
      return error;
    });
  }

  absl::Status Reserve(std::size_t ids) override {
    if (ids <= ids_) return absl::OkStatus();
    if (const std::size_t room = entries_.bytes() / view_.stride; ids > room) {
      // Half as many again, or what there is room for.
      DeviceArray<unsigned char> larger;
      absl::Status status = larger.Allocate(std::max(ids, room + room / 2) * view_.stride, "features");
      if (absl::IsResourceExhausted(status)) status = larger.Allocate(ids * view_.stride, "features");
      if (!status.ok()) return status;
      if (ids_ > 0) {
        PS_CUDA_OK(cudaMemcpyAsync(larger.data(), entries_.data(), ids_ * view_.stride,
                                   cudaMemcpyDeviceToDevice, stream_));
        PS_CUDA_OK(cudaStreamSynchronize(stream_));
      }
      entries_ = std::move(larger);
      view_.entries = entries_.data();
    }
    PS_CUDA_OK(cudaMemsetAsync(entries_.data() + ids_ * view_.stride, 0,
                               (ids - ids_) * view_.stride, stream_));
    ids_ = ids;
    return absl::OkStatus();
  }

  absl::Status Learn(const ResolvedRows& rows, std::size_t batch_rows, float* margins) override {
    if (rows.rows == 0) return absl::OkStatus();
    const std::uint32_t base = rows.row_begin[0];
    const std::size_t places = rows.row_begin[rows.rows] - base;
    LinearRowsView on_device;
    on_device.base = base;
    for (const absl::Status& status :
         {Up(rows.ids + base, places, &feature_ids_, &on_device.ids),
          Up(rows.values == nullptr ? nullptr : rows.values + base, places, &values_, &on_device.values),
          Up(rows.row_begin, rows.rows + 1, &row_begin_, &on_device.row_begin),
          Up(rows.labels, rows.rows, &labels_, &on_device.labels),
          Up(rows.weights, rows.rows, &weights_, &on_device.weights)}) {
      if (!status.ok()) return status;
    }
    const std::size_t answers = rows.rows * static_cast<std::size_t>(view_.lanes);
    if (const absl::Status status = Room(answers, "margins", &margins_); !status.ok()) return status;
    const SumScale scale = ScaleOfGradients(GradientBound(rows), batch_rows);
    for (std::size_t first = 0; first < rows.rows; first += batch_rows) {
      const std::size_t end = std::min(rows.rows, first + batch_rows);
      if (batch_ == std::numeric_limits<std::uint32_t>::max()) {
        LaunchClearMarks(view_, ids_, stream_);
        batch_ = 0;
      }
      ++batch_;
      LaunchGradientSums(view_, on_device, scale, static_cast<std::uint32_t>(first),
                         static_cast<std::uint32_t>(end), margins_.data(), stream_);
      LaunchSteps(view_, on_device.ids, rows.row_begin[first] - base, rows.row_begin[end] - base,
                  scale, batch_, stream_);
    }
    const cudaError_t copied = cudaMemcpyAsync(margins, margins_.data(), answers * sizeof(float),
                                               cudaMemcpyDeviceToHost, stream_);
    const absl::Status learnt =
        copied == cudaSuccess ? Finish() : DeviceStatus(copied, "learning a linear model");
    // Some batches may have been learnt: a lack of memory here must not look like one before.
    return learnt.ok() ? learnt : absl::InternalError(learnt.message());
  }

  absl::Status Copy(std::size_t ids, float* state) override {
    return MoveStates(ids, [&](std::size_t first, std::size_t count, std::size_t floats) {
      LaunchFetchStates(view_, floats_, first, count, staged_.data(), stream_);
      return cudaMemcpyAsync(state + first * floats, staged_.data(),
                             count * floats * sizeof(float), cudaMemcpyDeviceToHost, stream_);
    });
  }

  std::uint64_t memory_bytes() const override {
    return entries_.bytes() + staged_.bytes() + feature_ids_.bytes() + values_.bytes() +
           row_begin_.bytes() + labels_.bytes() + weights_.bytes() + margins_.bytes();
  }

 private:
  // Calls move(first id, ids, floats of an id) for all ids, a stage after the other.
  template <typename Move>
  absl::Status MoveStates(std::size_t ids, const Move& move) {
    const auto floats = static_cast<std::size_t>(floats_ * view_.lanes);
    for (std::size_t first = 0; first < ids; first += kStagedStates)
      PS_CUDA_OK(move(first, std::min(kStagedStates, ids - first), floats));
    return Finish();
  }

  // At least `size`; its contents are lost where it grows.
  template <typename T>
  absl::Status Room(std::size_t size, const char* what, DeviceArray<T>* array) {
    if (size <= array->size() && array->data() != nullptr) return absl::OkStatus();
    return Replace(size + size / 2, what, array);
  }
  template <typename T>
  absl::Status Replace(std::size_t size, const char* what, DeviceArray<T>* array) {
    *array = {};
    return array->Allocate(size, what);
  }

  // No array on the device where there is none on the host.
  template <typename T>
  absl::Status Up(const T* from, std::size_t size, DeviceArray<T>* array, const T** at) {
    *at = nullptr;
    if (from == nullptr) return absl::OkStatus();
    if (const absl::Status status = Room(size, "rows", array); !status.ok()) return status;
    PS_CUDA_OK(cudaMemcpyAsync(array->data(), from, size * sizeof(T), cudaMemcpyHostToDevice,
                               stream_));
    *at = array->data();
    return absl::OkStatus();
  }

  absl::Status Finish() {
    PS_CUDA_OK(cudaStreamSynchronize(stream_));
    PS_CUDA_OK(cudaGetLastError());
    return absl::OkStatus();
  }

  cudaStream_t stream_ = nullptr;
  LinearModelView view_;
  int floats_ = 2;              // of a lane
  std::size_t ids_ = 0;         // that are there; entries beyond are not set
  std::uint32_t batch_ = 0;     // the last one
  DeviceArray<unsigned char> entries_;
  DeviceArray<float> staged_;
  DeviceArray<std::uint32_t> feature_ids_, row_begin_;
  DeviceArray<float> values_, labels_, weights_, margins_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceLinearModel>> DeviceLinearModel::Make() {
  if (const absl::StatusOr<DeviceInfo> device = FindDevice(); !device.ok()) return device.status();
  auto model = std::make_unique<LinearModel>();
  if (const absl::Status status = model->Start(); !status.ok()) return status;
  return model;
}

}  // namespace ps
