// Logistic regression: margin = sum of weight * value, gradient of the log loss = (p - label) *
// importance * value.
#pragma once

#include <vector>

#include "worker/gradient_model.h"

namespace ps {

class LogisticModel : public GradientModel {
 public:
  void Compute(Batch* batch, std::vector<float>* margins) const override;
};

}  // namespace ps
