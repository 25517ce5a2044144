#include "kernels/cuda/linear_model.h"

#include <algorithm>
#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "absl/status/status.h"
#include "kernels/batch_learner.h"
#include "kernels/cuda/device.h"
#include "kernels/cuda/device_memory.h"
#include "kernels/cuda/entry_store.h"
#include "kernels/cuda/key_table.h"
#include "kernels/cuda/linear_kernels.h"
#include "kernels/cuda/work_slot.h"

namespace ps {
namespace {

// States that are on the way between the host's array and entries.
constexpr std::size_t kStagedStates = 1 << 18;

// What errors say was being done.
constexpr char kLoadingLinear[] = "loading the kernels of linear models",
               kFindingKeys[] = "finding keys", kLearning[] = "learning a batch",
               kMovingStates[] = "moving the state of features";

class LinearModel final : public DeviceLinearModel {
 public:
  ~LinearModel() override {
    // Kernels that are under way end before their memory does.
    for (const cudaStream_t stream : {streams_.up, streams_.compute, streams_.down}) {
      if (stream == nullptr) continue;
      cudaStreamSynchronize(stream);
      cudaStreamDestroy(stream);
    }
  }

  absl::Status Start() {
    PS_DEVICE_OK(LoadLinearKernels(), kLoadingLinear);
    PS_DEVICE_OK(LoadKeyKernels(), kLoadingLinear);
    // Entries and buckets lie anywhere: what the device fetches beside their sectors is for
    // nothing. A device that does not listen is as right.
    if (cudaDeviceSetLimit(cudaLimitMaxL2FetchGranularity, 32) != cudaSuccess) cudaGetLastError();
    for (cudaStream_t* const stream : {&streams_.up, &streams_.compute, &streams_.down})
      PS_DEVICE_OK(cudaStreamCreate(stream), "preparing for rows");
    for (WorkSlot& slot : slots_)
      if (const absl::Status status = slot.Start(); !status.ok()) return status;
    return absl::OkStatus();
  }

  absl::Status Load(LaneSettings lanes, const float* state, std::size_t ids) override {
    batch_ = 0;
    floats_ = StateFloats(lanes[0].type);
    // Reserved now: a model that has filled the memory must still be able to leave it.
    const std::size_t staged = kStagedStates * static_cast<std::size_t>(floats_) * lanes.size();
    absl::Status status;
    if (staged_.data() == nullptr || staged_.size() < staged) {
      staged_ = {};
      status = staged_.Allocate(staged, "states on their way");
    }
    if (status.ok()) status = entries_.Reset(lanes, ids, streams_.compute);
    if (!status.ok()) return status;
    return MoveStates(ids, [&](std::size_t first, std::size_t count, std::size_t floats) {
      const cudaError_t error =
          CopyToDevice(staged_.data(), state + first * floats, count * floats, streams_.compute);
      if (error != cudaSuccess) return error;
      return LaunchStoreStates(view(), floats_, first, count, staged_.data(), streams_.compute);
    });
  }

  absl::Status Reserve(std::size_t ids) override { return entries_.Reserve(ids, streams_.compute); }

  absl::Status StartKeys(std::uint32_t next_id) override {
    keys_.emplace();
    absl::Status status = keys_->Start(next_id, streams_.compute);
    if (status.ok()) status = keys_->Reserve(next_id, streams_.compute);
    if (!status.ok()) keys_.reset();
    end_id_ = next_id;
    return status;
  }
  absl::Status AddKeys(absl::Span<const KeyBucket> known) override {
    return keys_->Insert(known.data(), known.size(), streams_.compute);
  }
  std::uint64_t key_buckets() const override { return keys_ ? keys_->buckets() : 0; }
  absl::Status ReadKeys(std::uint64_t first, absl::Span<KeyBucket> to) override {
    return keys_->Read(first, to.size(), to.data(), streams_.compute);
  }
  void EndKeys() override { keys_.reset(); }

  std::size_t under_way() const override { return begun_ - ended_; }

  absl::Status Begin(const DeviceWork& work) override {
    // One more would take the slot whose answer is not read yet.
    if (under_way() >= kMostUnderWay)
      return absl::FailedPreconditionError("device: work is begun before other work is ended");
    WorkSlot& slot = slots_[begun_ % slots_.size()];
    if (const absl::Status status = slot.Fit(work, view().lanes); !status.ok()) return status;
    // Each key may be new; what work before this has inserted is known exactly once it has ended.
    if (slot.key_count() > 0) {
      const std::size_t ids = end_id_ + maybe_new_ + slot.most_new();
      absl::Status status = Reserve(ids);  // the first to say that there are no such ids
      if (status.ok()) status = keys_->Reserve(ids, streams_.compute);
      if (!status.ok()) return status;
    }
    absl::Status status = slot.Upload(work, streams_);
    if (status.ok()) status = Launch(work, slot);
    if (status.ok()) status = slot.Download(streams_);
    // Some batches may be learnt: a lack of memory here must not look like one before.
    if (!status.ok()) return absl::InternalError(status.message());
    maybe_new_ += slot.most_new();
    ++begun_;
    return absl::OkStatus();
  }

  absl::StatusOr<DeviceAnswer> End() override {
    WorkSlot& slot = slots_[ended_++ % slots_.size()];
    absl::StatusOr<DeviceAnswer> answer = slot.Wait();
    if (!answer.ok()) return absl::InternalError(answer.status().message());
    if (slot.key_count() > 0) end_id_ = answer->end_id;
    maybe_new_ -= slot.most_new();
    return answer;
  }

  absl::Status Copy(std::size_t ids, float* state) override {
    return MoveStates(ids, [&](std::size_t first, std::size_t count, std::size_t floats) {
      const cudaError_t error =
          LaunchFetchStates(view(), floats_, first, count, staged_.data(), streams_.compute);
      if (error != cudaSuccess) return error;
      return CopyToHost(state + first * floats, staged_.data(), count * floats, streams_.compute);
    });
  }

  std::uint64_t memory_bytes() const override {
    std::uint64_t bytes = entries_.bytes() + staged_.bytes() + (keys_ ? keys_->bytes() : 0);
    for (const WorkSlot& slot : slots_) bytes += slot.bytes();
    return bytes;
  }

 private:
  const LinearModelView& view() const { return entries_.view(); }

  // Gives the kernels of a piece of work to the stream.
  absl::Status Launch(const DeviceWork& work, const WorkSlot& slot) {
    const ResolvedRows& rows = work.rows;
    const LinearRowsView& on_device = slot.rows();
    const cudaStream_t stream = streams_.compute;
    if (slot.key_count() > 0) {
      PS_DEVICE_OK(keys_->FindOrInsert(slot.keys(), slot.key_count(), slot.ids(), stream),
                   kFindingKeys);
      PS_DEVICE_OK(cudaMemcpyAsync(slot.end_id(), keys_->next_id(), sizeof(std::uint32_t),
                                   cudaMemcpyDeviceToDevice, stream),
                   kFindingKeys);
      if (work.bias_id != kPaddingId) {
        PS_DEVICE_OK(LaunchSetBias(on_device.row_begin, on_device.base,
                                   static_cast<std::uint32_t>(rows.rows), work.bias_id, slot.ids(),
                                   stream),
                     kFindingKeys);
      }
    }
    if (rows.rows == 0) return absl::OkStatus();
    if (!work.learns) {
      PS_DEVICE_OK(LaunchMargins(view(), on_device, 0, static_cast<std::uint32_t>(rows.rows),
                                 slot.margins(), stream),
                   "predicting rows");
      return absl::OkStatus();
    }
    const SumScale scale = ScaleOfGradients(GradientBound(rows), work.batch_rows);
    for (std::size_t first = 0; first < rows.rows; first += work.batch_rows) {
      const std::size_t end = std::min(rows.rows, first + work.batch_rows);
      if (batch_ == std::numeric_limits<std::uint32_t>::max()) {
        PS_DEVICE_OK(entries_.ClearMarks(stream), kLearning);
        batch_ = 0;
      }
      ++batch_;
      PS_DEVICE_OK(LaunchGradientSums(view(), on_device, scale, static_cast<std::uint32_t>(first),
                                      static_cast<std::uint32_t>(end), slot.margins(), stream),
                   kLearning);
      PS_DEVICE_OK(LaunchSteps(view(), on_device.ids, rows.row_begin[first] - on_device.base,
                               rows.row_begin[end] - on_device.base, scale, batch_, stream),
                   kLearning);
    }
    return absl::OkStatus();
  }

  // Calls move(first id, ids, floats of an id) for all ids, a stage after the other.
  template <typename Move>
  absl::Status MoveStates(std::size_t ids, const Move& move) {
    const std::size_t floats =
        static_cast<std::size_t>(floats_) * static_cast<std::size_t>(view().lanes);
    for (std::size_t first = 0; first < ids; first += kStagedStates)
      PS_DEVICE_OK(move(first, std::min(kStagedStates, ids - first), floats), kMovingStates);
    PS_DEVICE_OK(cudaStreamSynchronize(streams_.compute), kMovingStates);
    return absl::OkStatus();
  }

  WorkStreams streams_;
  DeviceEntries entries_;
  std::optional<DeviceKeyTable> keys_;
  int floats_ = 2;           // of a lane
  std::uint32_t batch_ = 0;  // the last one
  DeviceArray<float> staged_;

  // An answer is read while further work is under way.
  std::array<WorkSlot, kMostUnderWay + 1> slots_;
  std::size_t begun_ = 0, ended_ = 0;  // pieces of work
  std::size_t end_id_ = 0;             // with keys: after the work that has ended
  std::size_t maybe_new_ = 0;          // keys of the work under way
};

}  // namespace

absl::StatusOr<std::unique_ptr<DeviceLinearModel>> DeviceLinearModel::Make() {
  if (const absl::StatusOr<DeviceInfo> device = FindDevice(); !device.ok()) return device.status();
  auto model = std::make_unique<LinearModel>();
  if (const absl::Status status = model->Start(); !status.ok()) return status;
  return model;
}

}  // namespace ps
