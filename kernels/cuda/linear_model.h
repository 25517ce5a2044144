// A linear model in the memory of a device, which learns it there batch by batch: the twin of
// kernels/batch_learner.h, with the same bits. One thread.
//
// An entry of a feature holds its state, the sums of a batch and a mark, together in a multiple of
// 32 bytes (32 with one lane): what one feature of one batch costs is one sector of memory read and
// one written. Margins and sums are one kernel, the steps another; both go over the features of the
// rows as they stand, so no list of the batch's features is made or sorted.
//
// Rows come with the ids of their features, or with the keys: then the device finds the ids, and
// gives new ones (key_table.h).
//
// Work goes by in three streams, so that a block of rows is copied to the device while the one
// before is learnt, and the margins of the one before that come back. It is begun and ended in
// order.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "kernels/key_bucket.h"
#include "kernels/lane_learner.h"

namespace ps {

// What a device is to do. The memory it points to is the caller's again when it has been begun.
struct DeviceWork {
  ResolvedRows rows;           // to be learnt; none is fine
  std::size_t batch_rows = 1;  // of a batch, as BatchLearner::Learn has it
  // Key of each place of the rows, instead of rows.ids. 0: padding, whose id is kPaddingId.
  const std::uint64_t* keys = nullptr;
  std::uint32_t bias_id = kPaddingId;  // with keys: that of each row's first place, whose key is 0
  // Rows that are not learnt: their keys get ids all the same. Only beside rows with keys, or none.
  static constexpr std::size_t kMoreKeys = 3;
  absl::Span<const std::uint64_t> more_keys[kMoreKeys];
  bool wants_ids = false;  // with keys: of the rows' places, too
  bool learns = true;      // false: margins only, and the model stays as it is
};

// What came of it.
struct DeviceAnswer {
  absl::Span<const float>
      margins;  // rows x lanes, a row's lanes side by side, from before its batch
  // Of the rows' places, where they are wanted: with the bias, if there is one.
  absl::Span<const std::uint32_t> ids;
  // Of other rows: kPaddingId wherever the key is 0, be it the bias or padding.
  absl::Span<const std::uint32_t> more_ids[DeviceWork::kMoreKeys];
  std::size_t end_id = 0;  // with keys: one more than the largest id so far
};

class DeviceLinearModel {
 public:
  // NotFound: no device, or no CUDA in this build.
  static absl::StatusOr<std::unique_ptr<DeviceLinearModel>> Make();
  virtual ~DeviceLinearModel() = default;

  // Replaces the model by `lanes` with the state of ids [0, ids). Nothing is under way.
  // ResourceExhausted: it does not fit, and there is no model any more.
  virtual absl::Status Load(LaneSettings lanes, const float* state, std::size_t ids) = 0;
  // Ids [0, ids) are there from now on; new ones have a state of zeros. ResourceExhausted: they do
  // not fit, or are 2^32 or more; the model is what it was.
  virtual absl::Status Reserve(std::size_t ids) = 0;

  // The device finds keys from now on, and gives ids from `next_id` on; there is room for as many
  // keys. Nothing is under way. ResourceExhausted: it does not.
  virtual absl::Status StartKeys(std::uint32_t next_id) = 0;
  // Those of `known` have ids already, below that one. Before any work; each key once.
  virtual absl::Status AddKeys(absl::Span<const KeyBucket> known) = 0;
  // Copies buckets of its keys, which is how they leave it; nothing is under way.
  virtual std::uint64_t key_buckets() const = 0;
  virtual absl::Status ReadKeys(std::uint64_t first, absl::Span<KeyBucket> to) = 0;
  // It finds none any more.
  virtual void EndKeys() = 0;

  // Work that is begun and not ended: at most so much.
  static constexpr std::size_t kMostUnderWay = 2;
  virtual std::size_t under_way() const = 0;
  // Ids that the rows have are reserved. ResourceExhausted: it does not fit, and nothing is
  // changed. Internal: the device has failed, and with it the model. FailedPrecondition: so much
  // is under way already.
  virtual absl::Status Begin(const DeviceWork& work) = 0;
  // Waits for the work that was begun first. The answer is there until the next Begin. An error:
  // the device has failed.
  virtual absl::StatusOr<DeviceAnswer> End() = 0;
  // Both, of rows with ids, while nothing else is under way.
  absl::Status Learn(const ResolvedRows& rows, std::size_t batch_rows, float* margins) {
    if (const absl::Status begun = Begin({.rows = rows, .batch_rows = batch_rows}); !begun.ok())
      return begun;
    const absl::StatusOr<DeviceAnswer> answer = End();
    if (answer.ok()) std::copy(answer->margins.begin(), answer->margins.end(), margins);
    return answer.status();
  }

  // The state of ids [0, ids), which are there; nothing is under way.
  virtual absl::Status Copy(std::size_t ids, float* state) = 0;
  virtual std::uint64_t memory_bytes() const = 0;
};

}  // namespace ps
