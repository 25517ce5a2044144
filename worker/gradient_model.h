// What a worker computes from a batch and the weights it pulled. Behind an interface so that a test
// can count instead of learning.
#pragma once

#include <vector>

#include "worker/batch.h"

namespace ps {

class GradientModel {
 public:
  virtual ~GradientModel() = default;
  // Reads batch->weight, fills batch->gradient (both by id) with sums over the rows in row order,
  // and sets *margins (one a row and lane) to the predictions made with the pulled weights. No result
  // may depend on vector width, and none of a lane on how many others there are.
  virtual void Compute(Batch* batch, std::vector<float>* margins) const = 0;
  // Whether DeviceBatches (kernels/cuda/batch_gradients.h) computes the same.
  virtual bool IsOfDevice() const { return false; }
};

}  // namespace ps
