// Learning the embedded trainer's dense state in batches (kernels/batch_learner.h): on a device where
// the job asks for one, as long as the state fits there, and on the processor otherwise. The model is
// the same bytes either way. One thread.
//
// While a device learns, it has the newest state, and the array of the host is old until Settle.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/batch_learner.h"
#include "kernels/cuda/linear_model.h"
#include "trainer/prepared_job.h"

namespace ps {

class BatchSteps {
 public:
  // What the job asks for; null: it learns row by row. ResourceExhausted: `device: cuda`, and there is
  // none to be had.
  static absl::StatusOr<std::unique_ptr<BatchSteps>> For(const PreparedJob& job);
  // `device`: null for the processor.
  BatchSteps(std::size_t batch_rows, std::unique_ptr<DeviceLinearModel> device);

  // Learns rows on the state of ids [0, ids), which only grows. Internal: the device has failed.
  absl::Status Learn(LaneSettings lanes, const ResolvedRows& rows, std::size_t ids, float* state,
                     float* margins);
  // Brings the host's array up to date.
  absl::Status Settle(float* state);
  bool settled() const { return settled_; }
  // The host's array, or the lanes, are others than before. Settled before that.
  void Changed() { loaded_ = false; }

  // What a person should know, once: how rows are learnt, and that a device's memory did not do.
  std::string TakeNews();
  // "cuda" or "cpu": where the last batch was learnt.
  const char* device() const { return device_ != nullptr ? "cuda" : "cpu"; }

 private:
  absl::Status OnDevice(LaneSettings lanes, const ResolvedRows& rows, std::size_t ids,
                        const float* state, float* margins);

  const std::size_t batch_rows_;
  std::unique_ptr<DeviceLinearModel> device_;  // null: the processor
  bool loaded_ = false;                        // the device has a state
  bool settled_ = true;                        // and the host's array is not older
  std::size_t ids_ = 0;                        // that the device has
  BatchLearner processor_;
  std::string news_;
};

}  // namespace ps
