// Learning logistic regression batch by batch on dense optimiser state: the margins of a batch's rows
// come from the same weights, then each of its features takes one step with the sum of its gradients.
// What servers and workers do together, on one machine; kernels/cuda/linear_model.h is its twin on a
// device and gives the same bits (tested), because sums of gradients are exact (gradient_sum.h) and
// a row's margin is summed in the order of row_learner.h.
//
// Rows and state are those of row_learner.h, and with several lanes of lane_learner.h. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/gradient_sum.h"
#include "kernels/lane_learner.h"

namespace ps {

// No gradient of the rows is beyond it: the largest weight of a row times the largest value.
float GradientBound(const ResolvedRows& rows);

class BatchLearner {
 public:
  // Batches are of `batch_rows` rows, the last one of what is left. margins: rows x lanes, a row's
  // lanes side by side, from the weights before its batch.
  void Learn(LaneSettings lanes, const ResolvedRows& rows, std::size_t batch_rows, float* state,
             float* margins);

 private:
  void LearnBatch(LaneSettings lanes, const ResolvedRows& rows, const SumScale& scale,
                  float* state, float* margins);

  // Kept for their memory.
  std::vector<std::uint32_t> place_;  // by id, of its sums; 0: not in the batch
  std::vector<std::uint32_t> ids_;    // of places 1, 2, ...
  std::vector<GradientSum> sums_;     // a place's lanes side by side
};

}  // namespace ps
