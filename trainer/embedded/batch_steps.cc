#include "trainer/embedded/batch_steps.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "kernels/cuda/device.h"
#include "ps/base/status_macros.h"
#include "trainer/batch_rows.h"
#include "trainer/data_sample.h"

namespace ps {

absl::StatusOr<std::unique_ptr<BatchSteps>> BatchSteps::For(const PreparedJob& job) {
  const bool on_device = job.config.device == "cuda";
  auto batch_rows = static_cast<std::size_t>(job.config.train.batch_rows);
  if (!on_device && batch_rows == 0) return nullptr;
  std::unique_ptr<DeviceLinearModel> device;
  std::string where = "on the processor";
  if (on_device) {
    absl::StatusOr<std::unique_ptr<DeviceLinearModel>> made = DeviceLinearModel::Make();
    if (made.ok()) {
      device = *std::move(made);
      where = absl::StrCat("on ", FindDevice()->name);
    } else if (absl::IsResourceExhausted(made.status())) {  // as where it is full later
      where = absl::StrCat("on the processor (", made.status().message(), ")");
    } else {
      return NoDeviceError(made.status());
    }
  }
  if (batch_rows == 0) {
    PS_ASSIGN_OR_RETURN(const double rows, EstimateLines(job.train));
    batch_rows = static_cast<std::size_t>(UsualBatchRows(rows));
  }
  auto steps = std::make_unique<BatchSteps>(batch_rows, std::move(device));
  steps->news_ = absl::StrCat("rows are learnt ", where, ", in batches of at most ", batch_rows);
  return steps;
}

BatchSteps::BatchSteps(std::size_t batch_rows, std::unique_ptr<DeviceLinearModel> device)
    : batch_rows_(batch_rows), device_(std::move(device)) {}

absl::Status BatchSteps::Load(LaneSettings lanes, std::size_t ids, const float* state) {
  PS_RETURN_IF_ERROR(loaded_ ? device_->Reserve(ids) : device_->Load(lanes, state, ids));
  loaded_ = true;
  ids_ = ids;
  return absl::OkStatus();
}

absl::Status BatchSteps::StartKeys(std::uint32_t next_id) {
  PS_RETURN_IF_ERROR(device_->StartKeys(next_id));
  end_id_ = next_id;
  return absl::OkStatus();
}

void BatchSteps::KeepKeysHere(const absl::Status& reason) {
  news_ = absl::StrCat(reason.message(), "; keys are found on the processor");
}

absl::Status BatchSteps::Begin(LaneSettings lanes, DeviceWork work, std::size_t ids, float* state) {
  work.batch_rows = batch_rows_;
  if (device_ == nullptr) {
    Kept& kept = kept_.emplace_back();
    kept.margins.resize(work.rows.rows * lanes.size());
    if (work.learns) {
      processor_.Learn(lanes, work.rows, batch_rows_, state, kept.margins.data());
    } else {
      RowLaneMargins(lanes, work.rows, state, kept.margins.data());
    }
    return absl::OkStatus();
  }
  PS_RETURN_IF_ERROR(Load(lanes, ids, state));
  PS_RETURN_IF_ERROR(device_->Begin(work));
  if (work.learns && work.rows.rows > 0) settled_ = false;
  return absl::OkStatus();
}

absl::StatusOr<DeviceAnswer> BatchSteps::End() {
  if (kept_.empty()) {
    PS_ASSIGN_OR_RETURN(const DeviceAnswer answer, device_->End());
    end_id_ = std::max(end_id_, answer.end_id);
    return answer;
  }
  ended_ = std::move(kept_.front());
  kept_.pop_front();
  DeviceAnswer answer;
  answer.margins = ended_.margins;
  answer.ids = ended_.ids;
  for (std::size_t i = 0; i < DeviceWork::kMoreKeys; ++i) answer.more_ids[i] = ended_.more_ids[i];
  answer.end_id = end_id_;
  return answer;
}

std::size_t BatchSteps::under_way() const {
  return kept_.size() + (device_ != nullptr ? device_->under_way() : 0);
}

absl::Status BatchSteps::KeepAnswers() {
  while (device_->under_way() > 0) {
    PS_ASSIGN_OR_RETURN(const DeviceAnswer answer, device_->End());
    end_id_ = std::max(end_id_, answer.end_id);
    Kept& kept = kept_.emplace_back();
    kept.margins.assign(answer.margins.begin(), answer.margins.end());
    kept.ids.assign(answer.ids.begin(), answer.ids.end());
    for (std::size_t i = 0; i < DeviceWork::kMoreKeys; ++i)
      kept.more_ids[i].assign(answer.more_ids[i].begin(), answer.more_ids[i].end());
  }
  return absl::OkStatus();
}

void BatchSteps::LeaveDevice(const absl::Status& reason) {
  device_.reset();
  news_ = absl::StrCat(reason.message(), "; from here on the processor learns, to the same model");
}

absl::Status BatchSteps::Settle(float* state) {
  if (settled_) return absl::OkStatus();
  PS_RETURN_IF_ERROR(device_->Copy(ids(), state));
  settled_ = true;
  return absl::OkStatus();
}

std::string BatchSteps::TakeNews() { return std::exchange(news_, {}); }

}  // namespace ps
