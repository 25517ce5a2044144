// Learning the embedded trainer's dense state in batches (kernels/batch_learner.h): on a device where
// the job asks for one, as long as the state fits there, and on the processor otherwise. The model is
// the same bytes either way. One thread.
//
// While a device learns, it has the newest state, and the array of the host is old until Settle. What is
// begun on it is under way until it is ended; on the processor it is done when Begin returns.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/batch_learner.h"
#include "kernels/cuda/linear_model.h"
#include "trainer/prepared_job.h"

namespace ps {

class BatchSteps {
 public:
  // What the job asks for; null: it learns row by row. A device without any memory left: the processor.
  // ResourceExhausted: `device: cuda`, and there is none to be had.
  static absl::StatusOr<std::unique_ptr<BatchSteps>> For(const PreparedJob& job);
  // `device`: null for the processor.
  BatchSteps(std::size_t batch_rows, std::unique_ptr<DeviceLinearModel> device);

  // Null: the processor learns.
  DeviceLinearModel* device() const { return device_.get(); }
  // "cuda" or "cpu": where the last batch was learnt.
  const char* device_name() const { return device_ != nullptr ? "cuda" : "cpu"; }

  // Brings the state of ids [0, ids), which only grows, to the device, unless it is there. ResourceExhausted: it has no
  // room.
  absl::Status Load(LaneSettings lanes, std::size_t ids, const float* state);
  // The device finds keys from now on, too, and gives ids from `next_id` on. ResourceExhausted: it does not.
  absl::Status StartKeys(std::uint32_t next_id);
  // Keys stay with the processor, for that reason.
  void KeepKeysHere(const absl::Status& reason);
  // One more than the largest id of a key, while the device gives them.
  std::size_t end_id() const { return end_id_; }

  // Begins to learn rows on the state of ids [0, ids), as Load has it, in batches of the job's size. At most
  // DeviceLinearModel::kMostUnderWay at once. ResourceExhausted: the device has no room, and nothing was done;
  // LeaveDevice, and again. Internal: it has failed.
  absl::Status Begin(LaneSettings lanes, DeviceWork work, std::size_t ids, float* state);
  // Of what was begun first; there until the next Begin.
  absl::StatusOr<DeviceAnswer> End();
  std::size_t under_way() const;

  // Ends all that is under way on the device, for End to tell later.
  absl::Status KeepAnswers();
  // From here on the processor learns, for that reason. Settled, with nothing under way on the device.
  void LeaveDevice(const absl::Status& reason);

  // Ids [0, ids()) have a state that is newer than the host's array, until Settle.
  std::size_t ids() const { return settled_ ? 0 : std::max(ids_, end_id_); }
  bool settled() const { return settled_; }
  // Brings the host's array, of at least ids() ids, up to date. Nothing is under way on the device.
  absl::Status Settle(float* state);
  // The host's array, or the lanes, are others than before. Settled before that.
  void Changed() { loaded_ = false; }

  // What a person should know, once: how rows are learnt, and that a device's memory did not do.
  std::string TakeNews();

 private:
  // An answer that is the host's.
  struct Kept {
    std::vector<float> margins;
    std::vector<std::uint32_t> ids, more_ids[DeviceWork::kMoreKeys];
  };

  const std::size_t batch_rows_;
  std::unique_ptr<DeviceLinearModel> device_;  // null: the processor
  bool loaded_ = false;                        // the device has a state
  bool settled_ = true;                        // and the host's array is not older
  std::size_t ids_ = 0;                        // that the device has for sure
  std::size_t end_id_ = 0;
  BatchLearner processor_;
  std::deque<Kept> kept_;  // before all that is under way on the device
  Kept ended_;             // what the last answer points to
  std::string news_;
};

}  // namespace ps
