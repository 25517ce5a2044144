// The linear model of the embedded trainer: keys become dense ids in a shared index, and the optimiser's state
// is one dense array in order of first appearance, so that frequent features share cache lines. An entry of that array
// holds one or several lanes (kernels/lane_learner.h).
//
// Where a device learns, it can have the index, too, for as long as there are new keys: Resolve then leaves keys to it,
// and they get ids in the order in which blocks are begun (dense_model_keys.cc).
//
// Threads: Resolve and Find may be called from any thread at any time. Learn, Begin and End, and what changes or reads
// the whole state, are for one thread at a time; Score may run beside Resolve but not beside Learn.
#pragma once

#include <glog/logging.h>

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/lane_learner.h"
#include "kernels/optimizer.h"
#include "models/data/row_block.h"
#include "ps/table/admission_filter.h"
#include "ps/table/huge_arena.h"
#include "ps/table/key_index.h"
#include "trainer/embedded/batch_steps.h"
#include "trainer/embedded/resolved_block.h"

namespace ps {

class DenseModel {
 public:
  struct Options {
    std::vector<OptimizerParams> lanes;  // one; or 2, 4, 8 or 16 of type kFtrl
    bool bias = true;
    int min_count = 1;               // a key is learnt from its min_count-th appearance on
    int threads = 1;                 // that take keys back from a device
    // Ids have 32 bits, and blocks are resolved ahead of the one whose turn it is.
    std::size_t most_ids = (std::size_t{1} << 32) - (std::size_t{1} << 26);
  };
  explicit DenseModel(const Options& options);

  // What a resolving thread keeps between calls.
  struct Scratch {
    KeyIndex::Recent recent;
    std::vector<std::uint32_t> ids;
  };
  // Replaces *out by the block's rows with ids, giving ids to new keys; or with the keys, while a device finds them.
  void Resolve(const RowBlock& block, Scratch* scratch, ResolvedBlock* out);
  // The same for rows to be learnt where min_count > 1: keys that have not appeared often enough weigh nothing.
  // Appearances count in the order of calls, so for one thread at a time.
  void ResolveAdmitted(const RowBlock& block, Scratch* scratch, ResolvedBlock* out);
  // The same without new keys: those not seen weigh nothing.
  void Find(const RowBlock& block, Scratch* scratch, ResolvedBlock* out) const;

  // Learns in batches from now on; null: row by row. Settled.
  void SetSteps(std::unique_ptr<BatchSteps> steps) { steps_ = std::move(steps); }
  // Of batches; null: row by row.
  BatchSteps* steps() const { return steps_.get(); }

  // Predicts, then learns row by row, or batch by batch. margins gets an element for every row and lane, a row's lanes
  // side by side. Internal: a device has failed.
  absl::Status Learn(const ResolvedRows& rows, std::vector<float>* margins);
  // Learning on a device while the block before is under way there. What is begun is ended in order; Learn, and all
  // that has to do with the state, waits until nothing is under way.
  bool learns_ahead() const { return steps_ != nullptr && steps_->device() != nullptr && lanes_.size() == 1; }
  static constexpr std::size_t kMostUnderWay = DeviceLinearModel::kMostUnderWay;
  // Rows of a block of the data, which may have keys instead of ids.
  struct Parts {
    ResolvedBlock *train = nullptr, *valid = nullptr, *test = nullptr;
    bool wants_ids = false;  // of train rows, too: they are kept
  };
  // The rows may change or go when it returns; the parts stay until End. Internal: a device has failed.
  absl::Status Begin(const ResolvedRows& rows);
  absl::Status Begin(const Parts& parts);
  // What was predicted of the rows that were begun first. Parts that it was begun with: ids take the place of keys,
  // in train rows where they are wanted.
  absl::Status End(const Parts* parts, std::vector<float>* margins);
  // Of parts that are not to be learnt ahead, all train rows included. Nothing is under way.
  absl::Status GiveIds(const Parts& parts);

  // Before threads resolve, and when they have ended: new keys are found by the device, if it has the room. If it has
  // none for keys, it learns all the same.
  absl::Status StartKeys();
  absl::Status EndKeys();
  bool keys_on_device() const { return keys_on_device_.load(std::memory_order_acquire); }

  // After learning and before whatever else has to do with the state: where a device learns, fetches it from there.
  absl::Status Settle();

  // Margins of rows with ids, as the model is: on the device where that has the newest state. Internal: it has failed.
  absl::Status Score(const ResolvedBlock& block, std::vector<float>* margins);

  // Sets weights to start from in every lane, with no evidence behind them (n = 0).
  void SetWeights(absl::Span<const Key> keys, absl::Span<const float> weights, Scratch* scratch);
  void SetBias(float weight);

  LaneSettings lanes() const { return lanes_; }
  // Fewer or other lanes from now on; memory that this frees goes back to the system. Like Learn, and may run beside
  // Resolve and Find.
  void ChangeLanes(std::vector<OptimizerParams> lanes, absl::Span<const LaneOrigin> origins);

  // State of one lane, which RestoreState makes the only one again; of a setting whose state is no larger.
  std::vector<float> CopyLane(int lane) const;
  void RestoreState(const OptimizerParams& setting, const std::vector<float>& state);

  // While a device finds keys: as of the rows that have been ended.
  std::uint64_t features() const { return ids() - kFirstKeyId; }
  // Features of the rows learnt so far, which threads that resolve ahead do not change. Reads all
  // of the state.
  std::uint64_t LearntFeatures() const;
  std::uint64_t memory_bytes() const;
  static constexpr std::uint32_t kBiasId = 1;
  // ResourceExhausted: further blocks may find no ids. Like Learn.
  absl::Status CheckIds() const;
  std::size_t ids() const { return keys_on_device() ? steps_->end_id() : index_.end_id(); }
  float bias() const;
  std::uint32_t slots() const { return index_.slots(); }
  // Appends the slot's non-zero weights in ascending key order. One lane must be left. Any thread, while nobody learns
  // or resolves.
  void SlotWeights(SlotIndex slot, std::vector<Key>* keys, std::vector<float>* weights) const;

 private:
  // Nothing is routed here, so slots need only be enough for threads not to meet at their locks: with 256 of
  // them what describes a slot stays in the first-level cache, which 4,096 do not.
  static constexpr int kSlotBits = 8;
  static constexpr std::uint32_t kFirstKeyId = 2;

  // `of_feature`, ids or keys of the block's features, to the places of padded rows.
  template <typename T>
  void Assemble(const RowBlock& block, const std::vector<T>& of_feature, T bias, std::vector<T>* places,
                ResolvedBlock* out) const;
  // Of ids [0, known_ids()) there is a state, and rows that have come to their turn have no others: threads that resolve
  // ahead give ids before they reserve them.
  std::size_t known_ids() const {
    return std::min<std::size_t>(reserved_ids_.load(std::memory_order_acquire), ids());
  }
  // On the device, or where that has no room on the processor, which then finds keys of `parts`.
  absl::Status BeginWork(const DeviceWork& work, const Parts* parts);
  absl::StatusOr<DeviceAnswer> EndWork();
  absl::Status LeaveDevice(const absl::Status& reason);
  absl::Status TakeKeys();  // from the device to the index
  void ResolveKeys(ResolvedBlock* block);
  // In place of the keys; none: they are not wanted. Where the key of the bias was, ids have it, or get it.
  static void SetIds(absl::Span<const std::uint32_t> ids, ResolvedBlock* block);
  void SetIdsAndBias(absl::Span<const std::uint32_t> ids, ResolvedBlock* block) const;
  void ReserveState(std::uint32_t ids);
  void SetStates(std::uint32_t id, float weight);  // of all lanes
  float* state() const {
    DCHECK(steps_ == nullptr || steps_->settled()) << "Settle first";
    return dense_state();
  }
  float* dense_state() const { return reinterpret_cast<float*>(state_memory_.base()); }
  float WeightAt(std::uint32_t id) const {
    return WeightOf(lanes_[0], state() + std::size_t{id} * floats_);
  }

  const Options options_;
  std::vector<OptimizerParams> lanes_;
  int floats_;                             // of state an id; also read under reserve_mutex_, and written there
  KeyIndex index_;
  std::unique_ptr<AdmissionFilter> filter_;  // null when every key is admitted at once
  std::vector<bool> admitted_;               // by id; held-out rows give ids to keys that were not
  HugeArena state_memory_;                 // zeroed: an id's first state is the optimiser's start
  std::unique_ptr<BatchSteps> steps_;
  std::atomic<bool> keys_on_device_{false};
  std::mutex reserve_mutex_;
  std::atomic<std::uint32_t> reserved_ids_{0};
};

}  // namespace ps
