// Logistic regression, on the processor: kernels/batch_gradients.h.
#pragma once

#include <vector>

#include "worker/gradient_model.h"

namespace ps {

class LogisticModel : public GradientModel {
 public:
  void Compute(Batch* batch, std::vector<float>* margins) const override;
  bool IsOfDevice() const override { return true; }
};

}  // namespace ps
