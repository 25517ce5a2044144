#include "worker/gradient_maker.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "kernels/cuda/device.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// The bias stands at one place, and all rows have it.
void CountPlaces(const DeviceBatchKeys& found, const Batch& batch,
                 std::vector<std::uint8_t>* counts) {
  counts->resize(found.keys.size());
  for (std::size_t i = 0; i < found.keys.size(); ++i) {
    std::size_t count = found.places_begin[i + 1] - found.places_begin[i];
    if (batch.bias && i == batch.bias_id) count += batch.rows.size() - 1;
    (*counts)[i] = static_cast<std::uint8_t>(std::min<std::size_t>(count, 255));
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<GradientMaker>> GradientMaker::Make(
    const std::string& device, std::unique_ptr<GradientModel> model) {
  std::unique_ptr<GradientMaker> maker(new GradientMaker(std::move(model)));
  if (device != "cuda") return maker;
  if (!maker->model_->IsOfDevice()) return NoDeviceError(absl::UnimplementedError("this model is the processor's"));
  absl::StatusOr<std::unique_ptr<DeviceBatches>> made = DeviceBatches::Make();
  if (made.ok()) {
    maker->computes_on_ = (*made)->device_name();
    maker->device_ = *std::move(made);
  } else if (absl::IsResourceExhausted(made.status())) {  // as where it is full later
    absl::StrAppend(&maker->computes_on_, ": ", made.status().message());
  } else {
    return NoDeviceError(made.status());
  }
  return maker;
}

absl::Status GradientMaker::Build(const RowBlock& block, RowRange rows, bool bias, int lanes,
                                  Batch* batch, std::vector<std::uint8_t>* counts) {
  if (device_ != nullptr) {
    absl::Status built = BuildOnDevice(block, rows, bias, lanes, batch, counts);
    if (!absl::IsResourceExhausted(built)) return built;
    // Batches that are on their way have all that they need there, and keep it.
    device_.reset();
    computes_on_ = absl::StrCat("the processor: ", built.message());
    LOG(WARNING) << built.message() << "; from here on the processor computes, with the same bits";
  }
  batch->on_device.reset();
  builder_.Build(block, rows, bias, lanes, batch);
  if (counts != nullptr) BatchBuilder::CountRows(*batch, counts);
  return absl::OkStatus();
}

absl::Status GradientMaker::BuildOnDevice(const RowBlock& block, RowRange rows, bool bias,
                                          int lanes, Batch* batch,
                                          std::vector<std::uint8_t>* counts) {
  if (batch->on_device == nullptr) batch->on_device = device_->NewBatch();
  DeviceBatchInput input;
  input.rows = LabelledRowsOf(block, rows, bias);
  input.keys = block.key.data() + block.row_begin[rows.begin];
  input.bias_key = kBiasKey;
  input.lanes = lanes;
  input.wants_places = counts != nullptr;
  PS_ASSIGN_OR_RETURN(const DeviceBatchKeys found, batch->on_device->FindKeys(input));
  batch->block = &block;
  batch->rows = rows;
  batch->bias = bias && rows.size() > 0;
  batch->feature_id.clear();
  batch->keys.assign(found.keys.begin(), found.keys.end());
  batch->id_at.resize(batch->keys.size());
  std::iota(batch->id_at.begin(), batch->id_at.end(), 0u);
  const auto bias_at = std::lower_bound(batch->keys.begin(), batch->keys.end(), kBiasKey);
  batch->bias_id = batch->bias ? static_cast<std::uint32_t>(bias_at - batch->keys.begin()) : 0;
  batch->SetLanes(lanes);
  if (counts != nullptr) CountPlaces(found, *batch, counts);
  return absl::OkStatus();
}

absl::Status GradientMaker::Compute(Batch* batch, std::vector<float>* margins) const {
  if (batch->on_device == nullptr) {
    model_->Compute(batch, margins);
    return absl::OkStatus();
  }
  margins->resize(batch->rows.size() * static_cast<std::size_t>(batch->lanes));
  return batch->on_device->Compute(batch->weight.data(), batch->gradient.data(), margins->data());
}

}  // namespace ps
