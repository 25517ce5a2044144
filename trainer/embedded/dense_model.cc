#include "trainer/embedded/dense_model.h"

#include <glog/logging.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::uint32_t kReserveStep = 1u << 16;  // ids a step

int StateFloatsOf(LaneSettings lanes) {
  return static_cast<int>(lanes.size()) * StateFloats(lanes[0].type);
}

}  // namespace

DenseModel::DenseModel(const Options& options)
    : options_(options),
      lanes_(options.lanes),
      floats_(StateFloatsOf(options.lanes)),
      index_(kSlotBits, kFirstKeyId) {
  ReserveState(kFirstKeyId);
  if (options.min_count > 1) filter_ = std::make_unique<AdmissionFilter>(kSlotBits, options.min_count);
}

void DenseModel::ReserveState(std::uint32_t ids) {
  if (ids <= reserved_ids_.load(std::memory_order_acquire)) return;
  std::lock_guard<std::mutex> lock(reserve_mutex_);
  std::uint32_t reserved = reserved_ids_.load(std::memory_order_relaxed);
  while (reserved < ids) {
    const std::uint64_t begin = state_memory_.Allocate(std::uint64_t{kReserveStep} * floats_ * 4);
    CHECK_EQ(begin, std::uint64_t{reserved} * floats_ * 4);
    reserved += kReserveStep;
  }
  reserved_ids_.store(reserved, std::memory_order_release);
}

absl::Status DenseModel::CheckIds() const {
  if (ids() <= options_.most_ids) return absl::OkStatus();
  return absl::ResourceExhaustedError(
      absl::StrCat("the data have more than ", options_.most_ids,
                   " features, and one process has no ids for 2^32 of them: train on servers (--local, cluster), or set "
                   "model.min_count"));
}

void DenseModel::Resolve(const RowBlock& block, Scratch* scratch, ResolvedBlock* out) {
  if (keys_on_device()) {
    Assemble(block, block.key, kEmptyKey, &out->keys, out);
    out->ids.clear();
    return;
  }
  scratch->ids.resize(block.features());
  index_.Resolve(block.key, &scratch->recent, scratch->ids.data());
  ReserveState(index_.end_id());
  Assemble(block, scratch->ids, kBiasId, &out->ids, out);
  out->keys.clear();
}

void DenseModel::ResolveAdmitted(const RowBlock& block, Scratch* scratch, ResolvedBlock* out) {
  scratch->ids.resize(block.features());
  index_.Find(block.key, &scratch->recent, scratch->ids.data());
  for (std::size_t i = 0; i < block.key.size(); ++i) {
    std::uint32_t& id = scratch->ids[i];
    if (id < admitted_.size() && admitted_[id]) continue;
    id = kPaddingId;
    if (!filter_->Admit(block.key[i], 1)) continue;
    index_.Resolve({&block.key[i], 1}, &scratch->recent, &id);
    if (id >= admitted_.size()) admitted_.resize(id + id / 4 + 1);
    admitted_[id] = true;
  }
  ReserveState(index_.end_id());
  Assemble(block, scratch->ids, kBiasId, &out->ids, out);
  out->keys.clear();
}

void DenseModel::Find(const RowBlock& block, Scratch* scratch, ResolvedBlock* out) const {
  DCHECK(!keys_on_device());
  scratch->ids.resize(block.features());
  index_.Find(block.key, &scratch->recent, scratch->ids.data());
  Assemble(block, scratch->ids, kBiasId, &out->ids, out);
  out->keys.clear();
}

template <typename T>
void DenseModel::Assemble(const RowBlock& block, const std::vector<T>& of_feature, T bias,
                          std::vector<T>* places, ResolvedBlock* out) const {
  constexpr T kNone = 0;
  static_assert(kPaddingId == 0 && kEmptyKey == 0);
  out->labels.assign(block.label.begin(), block.label.end());
  out->weights.assign(block.weight.begin(), block.weight.end());
  const std::size_t rows = block.rows();
  const std::size_t most = block.features() + rows * kGroup;
  const bool with_values = !block.value.empty();
  // Sized to the upper bound first, so that the loop below only copies; old contents are overwritten.
  if (places->size() < most) places->resize(most);
  if (with_values && out->values.size() < most) out->values.resize(most);
  if (!with_values) out->values.clear();
  out->row_begin.resize(rows + 1);
  std::uint32_t at = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    out->row_begin[r] = at;
    const std::uint32_t begin = block.row_begin[r], count = block.row_begin[r + 1] - begin;
    if (options_.bias) {
      (*places)[at] = bias;
      if (with_values) out->values[at] = 1.0f;
      ++at;
    }
    if (count > 0) {
      std::memcpy(&(*places)[at], &of_feature[begin], count * sizeof(T));
      if (with_values) {
        // A key without an id must weigh nothing, like padding.
        for (std::uint32_t i = 0; i < count; ++i) {
          out->values[at + i] = of_feature[begin + i] == kNone ? 0.0f : block.value[begin + i];
        }
      }
      at += count;
    }
    for (; at % kGroup != 0; ++at) {
      (*places)[at] = kNone;
      if (with_values) out->values[at] = 0.0f;
    }
  }
  out->row_begin[rows] = at;
  places->resize(at);
  if (with_values) out->values.resize(at);
}

absl::Status DenseModel::Learn(const ResolvedRows& rows, std::vector<float>* margins) {
  margins->resize(rows.rows * lanes_.size());
  if (steps_ != nullptr) {
    if (const absl::Status begun = Begin(rows); !begun.ok()) return begun;
    return End(nullptr, margins);
  }
  LearnRowLanes(lanes_, rows, state(), margins->data());
  return absl::OkStatus();
}

absl::Status DenseModel::Settle() {
  if (steps_ == nullptr) return absl::OkStatus();
  ReserveState(static_cast<std::uint32_t>(steps_->ids()));
  return steps_->Settle(dense_state());
}

absl::Status DenseModel::Score(const ResolvedBlock& block, std::vector<float>* margins) {
  if (steps_ != nullptr && !steps_->settled()) {
    const absl::Status begun =
        steps_->Begin(lanes_, {.rows = block.View(), .learns = false}, known_ids(), dense_state());
    if (begun.ok()) return End(nullptr, margins);
    PS_RETURN_IF_ERROR(absl::IsResourceExhausted(begun) ? LeaveDevice(begun) : begun);
  }
  margins->resize(block.rows() * lanes_.size());
  RowLaneMargins(lanes_, block.View(), state(), margins->data());
  return absl::OkStatus();
}

void DenseModel::SetStates(std::uint32_t id, float weight) {
  if (steps_ != nullptr) steps_->Changed();
  const std::size_t count = lanes_.size();
  float* const entry = state() + std::size_t{id} * floats_;
  for (std::size_t k = 0; k < count; ++k) {
    float one[2];
    SetStateToWeight(lanes_[k], weight, one);
    for (int i = 0; i < StateFloats(lanes_[k].type); ++i) entry[i * count + k] = one[i];
  }
}

void DenseModel::SetWeights(absl::Span<const Key> keys, absl::Span<const float> weights,
                            Scratch* scratch) {
  DCHECK(!keys_on_device());
  scratch->ids.resize(keys.size());
  index_.Resolve(keys, &scratch->recent, scratch->ids.data());
  ReserveState(index_.end_id());
  if (filter_ != nullptr) {
    admitted_.assign(index_.end_id(), true);
    admitted_[kPaddingId] = false;  // what Find says of keys that were not seen
  }
  for (std::size_t i = 0; i < keys.size(); ++i) {
    SetStates(scratch->ids[i], weights[i]);
  }
}

void DenseModel::SetBias(float weight) { SetStates(kBiasId, weight); }

void DenseModel::ChangeLanes(std::vector<OptimizerParams> lanes,
                             absl::Span<const LaneOrigin> origins) {
  // Those who resolve reserve state for new ids meanwhile, and do not touch it.
  std::lock_guard<std::mutex> lock(reserve_mutex_);
  if (steps_ != nullptr) steps_->Changed();
  const std::uint32_t reserved = reserved_ids_.load(std::memory_order_relaxed);
  KeepLanes(lanes_, lanes, origins, reserved, state());
  lanes_ = std::move(lanes);
  floats_ = StateFloatsOf(lanes_);
  state_memory_.Truncate(std::uint64_t{reserved} * floats_ * 4);
}

std::vector<float> DenseModel::CopyLane(int lane) const {
  const int each = StateFloats(lanes_[lane].type);
  const std::size_t ids = this->ids(), count = lanes_.size();
  std::vector<float> saved(ids * each);
  for (std::size_t id = 0; id < ids; ++id) {
    for (int i = 0; i < each; ++i) saved[id * each + i] = state()[id * floats_ + i * count + lane];
  }
  return saved;
}

void DenseModel::RestoreState(const OptimizerParams& setting, const std::vector<float>& saved) {
  if (lanes_.size() > 1) ChangeLanes({setting}, {{0, false}});
  if (steps_ != nullptr) steps_->Changed();
  lanes_ = {setting};
  const int floats = StateFloatsOf(lanes_);
  CHECK_LE(floats, floats_);
  if (floats < floats_) {
    std::lock_guard<std::mutex> lock(reserve_mutex_);
    floats_ = floats;
    state_memory_.Truncate(std::uint64_t{reserved_ids_.load(std::memory_order_relaxed)} * floats_ * 4);
  }
  const std::size_t all = ids() * floats_;
  CHECK_LE(saved.size(), all);
  std::memcpy(state(), saved.data(), saved.size() * sizeof(float));
  std::fill(state() + saved.size(), state() + all, 0.0f);
}

std::uint64_t DenseModel::LearntFeatures() const {
  // What was learnt has a history; ids beyond the reserved ones were given after the last row
  // learnt.
  const std::size_t ids = known_ids();
  const float* const roots = state() + lanes_.size();  // FTRL
  std::uint64_t features = 0;
  for (std::size_t id = kFirstKeyId; id < ids; ++id) features += roots[id * floats_] != 0;
  return features;
}

std::uint64_t DenseModel::memory_bytes() const {
  return index_.memory_bytes() + state_memory_.used_bytes();
}

float DenseModel::bias() const { return options_.bias ? WeightAt(kBiasId) : 0.0f; }

void DenseModel::SlotWeights(SlotIndex slot, std::vector<Key>* keys,
                             std::vector<float>* weights) const {
  struct Cell {
    Key key;
    std::uint32_t id;
  };
  std::vector<Cell> cells;
  index_.ForEachInSlot(slot, [&](Key key, std::uint32_t id) { cells.push_back({key, id}); });
  // Keys are uniform: dealt out by their next bits they are almost in order, which leaves an insertion sort little.
  int bits = 1;
  while (bits < 16 && (cells.size() >> bits) > 4) ++bits;
  const auto pile = [bits](Key key) { return (key << kSlotBits) >> (64 - bits); };
  std::vector<std::uint32_t> next((std::size_t{1} << bits) + 1);
  for (const Cell& cell : cells) ++next[pile(cell.key) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<Cell> sorted(cells.size());
  for (const Cell& cell : cells) sorted[next[pile(cell.key)]++] = cell;
  for (std::size_t i = 1; i < sorted.size(); ++i) {
    const Cell cell = sorted[i];
    std::size_t at = i;
    for (; at > 0 && sorted[at - 1].key > cell.key; --at) sorted[at] = sorted[at - 1];
    sorted[at] = cell;
  }
  constexpr std::size_t kAhead = 16;
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    if (i + kAhead < sorted.size()) {
      __builtin_prefetch(state() + std::size_t{sorted[i + kAhead].id} * floats_);
    }
    const float weight = WeightAt(sorted[i].id);
    if (weight == 0.0f) continue;
    keys->push_back(sorted[i].key);
    weights->push_back(weight);
  }
}

}  // namespace ps
