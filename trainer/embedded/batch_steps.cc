#include "trainer/embedded/batch_steps.h"

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
    if (!made.ok()) {
      return absl::ResourceExhaustedError(absl::StrCat(
          "device: cuda cannot be had: ", made.status().message(), ". Set device: auto or cpu"));
    }
    device = *std::move(made);
    where = absl::StrCat("on ", FindDevice()->name);
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

absl::Status BatchSteps::Learn(LaneSettings lanes, const ResolvedRows& rows, std::size_t ids,
                               float* state, float* margins) {
  if (device_ != nullptr) {
    const absl::Status status = OnDevice(lanes, rows, ids, state, margins);
    if (!absl::IsResourceExhausted(status)) return status;
    // What does not fit is refused before the rows are learnt, so they are learnt here.
    PS_RETURN_IF_ERROR(Settle(state));
    device_.reset();
    news_ = absl::StrCat(status.message(), "; from here on the processor learns, to the same model");
  }
  processor_.Learn(lanes, rows, batch_rows_, state, margins);
  return absl::OkStatus();
}

absl::Status BatchSteps::OnDevice(LaneSettings lanes, const ResolvedRows& rows, std::size_t ids,
                                  const float* state, float* margins) {
  if (loaded_) {
    PS_RETURN_IF_ERROR(device_->Reserve(ids));
  } else {
    PS_RETURN_IF_ERROR(device_->Load(lanes, state, ids));
  }
  loaded_ = true;
  ids_ = ids;
  PS_RETURN_IF_ERROR(device_->Learn(rows, batch_rows_, margins));
  if (rows.rows > 0) settled_ = false;
  return absl::OkStatus();
}

absl::Status BatchSteps::Settle(float* state) {
  if (settled_) return absl::OkStatus();
  PS_RETURN_IF_ERROR(device_->Copy(ids_, state));
  settled_ = true;
  return absl::OkStatus();
}

std::string BatchSteps::TakeNews() { return std::exchange(news_, {}); }

}  // namespace ps
