// Batches of a worker and their gradients, on a GPU where the job asks for one, as long as they fit
// there, and on the processor otherwise: with the same bits, so that workers of both kinds learn
// one model. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/cuda/batch_gradients.h"
#include "worker/batch.h"
#include "worker/gradient_model.h"

namespace ps {

class GradientMaker {
 public:
  // `device` is the job's: cuda takes a GPU, or is ResourceExhausted with the reason, also where `model`
  // is not one that GPUs compute, or Internal, where it fails; anything else, the processor, by `model`. A
  // GPU without any memory left: the processor, too.
  static absl::StatusOr<std::unique_ptr<GradientMaker>> Make(const std::string& device,
                                                             std::unique_ptr<GradientModel> model);

  // As BatchBuilder::Build; with `counts`, if it is not null, as BatchBuilder::CountRows. A batch
  // that does not fit on the GPU is built on the processor, and so are all after it. Internal: the
  // GPU has failed.
  absl::Status Build(const RowBlock& block, RowRange rows, bool bias, int lanes, Batch* batch,
                     std::vector<std::uint8_t>* counts);
  // As GradientModel::Compute, where the batch was built. Internal: the GPU has failed.
  absl::Status Compute(Batch* batch, std::vector<float>* margins) const;

  // What batches are built on from here on, for people: a GPU or the processor, and perhaps why.
  const std::string& computes_on() const { return computes_on_; }
  bool on_device() const { return device_ != nullptr; }

 private:
  explicit GradientMaker(std::unique_ptr<GradientModel> model) : model_(std::move(model)) {}
  absl::Status BuildOnDevice(const RowBlock& block, RowRange rows, bool bias, int lanes,
                             Batch* batch, std::vector<std::uint8_t>* counts);

  const std::unique_ptr<GradientModel> model_;
  BatchBuilder builder_;
  std::unique_ptr<DeviceBatches> device_;  // null: the processor
  std::string computes_on_ = "the processor";
};

}  // namespace ps
