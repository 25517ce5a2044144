// A linear model in the memory of a device, which learns it there batch by batch: the twin of
// kernels/batch_learner.h, with the same bits. One thread.
//
// An entry of a feature holds its state, the sums of a batch and a mark, together in a multiple of 32
// bytes (32 with one lane): what one feature of one batch costs is one sector of memory read and one
// written. Margins and sums are one kernel, the steps another; both go over the features of the rows as
// they stand, so no list of the batch's features is made or sorted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/lane_learner.h"

namespace ps {

class DeviceLinearModel {
 public:
  // NotFound: no device, or no CUDA in this build.
  static absl::StatusOr<std::unique_ptr<DeviceLinearModel>> Make();
  virtual ~DeviceLinearModel() = default;

  // Replaces the model by `lanes` with the state of ids [0, ids). ResourceExhausted: it does not fit,
  // and there is no model any more.
  virtual absl::Status Load(LaneSettings lanes, const float* state, std::size_t ids) = 0;
  // Ids [0, ids) are there from now on; new ones have a state of zeros. ResourceExhausted: they do not
  // fit, and the model is what it was.
  virtual absl::Status Reserve(std::size_t ids) = 0;
  // Like BatchLearner::Learn. All ids are reserved. ResourceExhausted: no row has been learnt. Internal: the
  // device has failed, and with it the model.
  virtual absl::Status Learn(const ResolvedRows& rows, std::size_t batch_rows, float* margins) = 0;
  // The state of ids [0, ids), which are there.
  virtual absl::Status Copy(std::size_t ids, float* state) = 0;
  virtual std::uint64_t memory_bytes() const = 0;
};

}  // namespace ps
