// The dense model on a device: blocks that are begun and ended there, and keys that it finds.
//
// Keys that are known when a device begins to find them are copied to it, and those that it has found come
// back when it ends, or when its memory is full: ids are the same in both places. So whatever comes after,
// export, further passes, other lanes, has the index of the host.
#include <glog/logging.h>

#include <algorithm>
#include <iterator>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

#include "ps/base/status_macros.h"
#include "trainer/embedded/dense_model.h"
#include "trainer/first_error.h"

namespace ps {

absl::Status DenseModel::StartKeys() {
  // The state first: where there is room for one of the two, it is better there.
  if (const absl::Status loaded = steps_->Load(lanes_, known_ids(), dense_state()); !loaded.ok())
    return absl::IsResourceExhausted(loaded) ? LeaveDevice(loaded) : loaded;
  const absl::Status started = steps_->StartKeys(index_.end_id());
  if (absl::IsResourceExhausted(started)) {
    steps_->KeepKeysHere(started);
    return absl::OkStatus();
  }
  PS_RETURN_IF_ERROR(started);
  std::vector<KeyBucket> known;  // of a slot
  for (SlotIndex slot = 0; slot < index_.slots(); ++slot) {
    known.clear();
    unsigned cell = KeyBucket::kCells;
    index_.ForEachInSlot(slot, [&](Key key, std::uint32_t id) {
      if (cell == KeyBucket::kCells) {
        known.emplace_back(KeyBucket{});
        cell = 0;
      }
      known.back().keys[cell] = key;
      known.back().ids[cell++] = id;
    });
    PS_RETURN_IF_ERROR(steps_->device()->AddKeys(known));
  }
  keys_on_device_.store(true, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status DenseModel::EndKeys() { return keys_on_device() ? TakeKeys() : absl::OkStatus(); }

absl::Status DenseModel::TakeKeys() {
  constexpr std::uint64_t kBucketsAtOnce = 1 << 14;  // a MiB
  DeviceLinearModel* const device = steps_->device();
  const std::uint64_t buckets = device->key_buckets();
  const std::uint32_t known = index_.end_id();
  std::mutex mutex;  // the device is for one thread at a time
  FirstError error;
  // Buckets that lie side by side hold keys of one slot of the index, which has one lock: so threads begin far from
  // each other.
  const auto work = [&](int thread) {
    const auto begin_of = [&](int part) {
      return buckets * static_cast<std::uint64_t>(part) / static_cast<std::uint64_t>(options_.threads);
    };
    std::uint64_t next = begin_of(thread);
    const std::uint64_t end = begin_of(thread + 1);
    std::vector<KeyBucket> some;
    std::vector<Key> keys;
    std::vector<std::uint32_t> ids;
    while (next < end && !error.failed()) {
      some.resize(std::min(kBucketsAtOnce, end - next));
      {
        const std::lock_guard<std::mutex> lock(mutex);
        if (absl::Status read = device->ReadKeys(next, absl::MakeSpan(some)); !read.ok())
          return error.Set(std::move(read));
      }
      next += some.size();
      keys.clear();
      ids.clear();
      for (const KeyBucket& bucket : some) {
        for (unsigned c = 0; c < KeyBucket::kCells; ++c) {
          if (bucket.keys[c] == kEmptyKey || bucket.ids[c] < known) continue;
          keys.push_back(bucket.keys[c]);
          ids.push_back(bucket.ids[c]);
        }
      }
      index_.Add(keys, ids);
    }
  };
  std::vector<std::thread> threads;
  for (int t = 1; t < options_.threads; ++t) threads.emplace_back(work, t);
  work(0);
  for (std::thread& thread : threads) thread.join();
  PS_RETURN_IF_ERROR(error.Get());
  CHECK_EQ(index_.end_id(), steps_->end_id());
  ReserveState(index_.end_id());
  device->EndKeys();
  keys_on_device_.store(false, std::memory_order_release);
  return absl::OkStatus();
}

absl::Status DenseModel::LeaveDevice(const absl::Status& reason) {
  PS_RETURN_IF_ERROR(steps_->KeepAnswers());
  PS_RETURN_IF_ERROR(Settle());
  PS_RETURN_IF_ERROR(EndKeys());
  steps_->LeaveDevice(reason);
  return absl::OkStatus();
}

absl::Status DenseModel::BeginWork(const DeviceWork& work, const Parts* parts) {
  const absl::Status status = steps_->Begin(lanes_, work, known_ids(), dense_state());
  if (!absl::IsResourceExhausted(status)) return status;
  PS_RETURN_IF_ERROR(LeaveDevice(status));
  DeviceWork here = work;
  if (parts != nullptr) {
    for (ResolvedBlock* const part : {parts->train, parts->valid, parts->test}) ResolveKeys(part);
    if (work.rows.rows > 0) here.rows = parts->train->View();
  }
  return steps_->Begin(lanes_, here, known_ids(), dense_state());
}

absl::StatusOr<DeviceAnswer> DenseModel::EndWork() {
  PS_ASSIGN_OR_RETURN(const DeviceAnswer answer, steps_->End());
  // Every id that is known has a state in the array of the host, old as it may be.
  ReserveState(static_cast<std::uint32_t>(ids()));
  return answer;
}

absl::Status DenseModel::Begin(const ResolvedRows& rows) { return BeginWork({.rows = rows}, nullptr); }

absl::Status DenseModel::Begin(const Parts& parts) {
  DeviceWork work;
  work.rows = parts.train->View();
  if (keys_on_device()) {
    work.keys = parts.train->keys.data();
    work.bias_id = options_.bias ? kBiasId : kPaddingId;
    work.more_keys[0] = parts.valid->keys;
    work.more_keys[1] = parts.test->keys;
    work.wants_ids = parts.wants_ids;
  } else {
    for (ResolvedBlock* const part : {parts.train, parts.valid, parts.test}) ResolveKeys(part);
    work.rows = parts.train->View();
  }
  return BeginWork(work, &parts);
}

absl::Status DenseModel::End(const Parts* parts, std::vector<float>* margins) {
  PS_ASSIGN_OR_RETURN(const DeviceAnswer answer, EndWork());
  margins->assign(answer.margins.begin(), answer.margins.end());
  if (parts == nullptr) return absl::OkStatus();
  SetIds(answer.ids, parts->train);  // with the bias
  SetIdsAndBias(answer.more_ids[0], parts->valid);
  SetIdsAndBias(answer.more_ids[1], parts->test);
  return absl::OkStatus();
}

absl::Status DenseModel::GiveIds(const Parts& parts) {
  ResolvedBlock* const all[] = {parts.train, parts.valid, parts.test};
  static_assert(std::size(all) == DeviceWork::kMoreKeys);
  if (!keys_on_device()) {
    for (ResolvedBlock* const part : all) ResolveKeys(part);
    return absl::OkStatus();
  }
  DeviceWork work;
  for (std::size_t i = 0; i < std::size(all); ++i) work.more_keys[i] = all[i]->keys;
  PS_RETURN_IF_ERROR(BeginWork(work, &parts));
  PS_ASSIGN_OR_RETURN(const DeviceAnswer answer, EndWork());
  for (std::size_t i = 0; i < std::size(all); ++i) SetIdsAndBias(answer.more_ids[i], all[i]);
  return absl::OkStatus();
}

void DenseModel::ResolveKeys(ResolvedBlock* block) {
  if (block->keys.empty()) return;
  std::vector<Key> keys;
  for (const Key key : block->keys)
    if (key != kEmptyKey) keys.push_back(key);
  Scratch scratch;
  scratch.ids.resize(keys.size());
  index_.Resolve(keys, &scratch.recent, scratch.ids.data());
  ReserveState(index_.end_id());
  std::vector<std::uint32_t> ids(block->keys.size(), kPaddingId);
  std::size_t found = 0;
  for (std::size_t at = 0; at < ids.size(); ++at)
    if (block->keys[at] != kEmptyKey) ids[at] = scratch.ids[found++];
  SetIdsAndBias(ids, block);
}

void DenseModel::SetIds(absl::Span<const std::uint32_t> ids, ResolvedBlock* block) {
  if (ids.empty()) return;
  block->ids.assign(ids.begin(), ids.end());
  block->keys.clear();
}

void DenseModel::SetIdsAndBias(absl::Span<const std::uint32_t> ids, ResolvedBlock* block) const {
  if (ids.empty()) return;
  SetIds(ids, block);
  if (!options_.bias) return;
  for (std::size_t row = 0; row < block->rows(); ++row) block->ids[block->row_begin[row]] = kBiasId;
}

}  // namespace ps
