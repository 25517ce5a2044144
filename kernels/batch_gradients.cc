#include "kernels/batch_gradients.h"

#include <algorithm>

#include "kernels/logistic.h"

namespace ps {
namespace {

// The loops over lanes are what the compiler makes vectors of.
template <int K>
void OfLanes(const GradientBatch& batch, const float* weight, float* gradient, float* margins) {
  const LabelledRows& rows = batch.rows;
  std::fill_n(gradient, batch.id_count * K, 0.0f);
  float bias_gradient[K] = {};
  for (std::size_t row = 0; row < rows.rows; ++row, margins += K) {
    const std::size_t first = rows.row_begin[row] - rows.row_begin[0];
    const std::size_t count = rows.row_begin[row + 1] - rows.row_begin[row];
    const std::uint32_t* const id = batch.ids + first;
    const float* const value = rows.values != nullptr ? rows.values + first : nullptr;
    float sum[K] = {}, error[K];
    if (rows.bias) std::copy_n(weight + std::size_t{batch.bias_id} * K, K, sum);
    for (std::size_t i = 0; i < count; ++i) {
      const float* const of = weight + std::size_t{id[i]} * K;
      const float x = value != nullptr ? value[i] : 1.0f;  // times 1 changes no bit
      for (int k = 0; k < K; ++k) sum[k] += of[k] * x;
    }
    const float importance = rows.weights != nullptr ? rows.weights[row] : 1.0f;
    for (int k = 0; k < K; ++k) {
      margins[k] = sum[k];
      error[k] = (Logistic(sum[k]) - rows.labels[row]) * importance;
    }
    for (std::size_t i = 0; i < count; ++i) {
      float* const of = gradient + std::size_t{id[i]} * K;
      const float x = value != nullptr ? value[i] : 1.0f;
      for (int k = 0; k < K; ++k) of[k] += error[k] * x;
    }
    for (int k = 0; k < K; ++k) bias_gradient[k] += error[k];
  }
  if (rows.bias) std::copy_n(bias_gradient, K, gradient + std::size_t{batch.bias_id} * K);
}

// As OfLanes<1>, whose arrays and products by 1 would cost a third to two thirds more.
void OfOneLane(const GradientBatch& batch, const float* weight, float* gradient, float* margins) {
  const LabelledRows& rows = batch.rows;
  std::fill_n(gradient, batch.id_count, 0.0f);
  const bool has_values = rows.values != nullptr;
  float bias_gradient = 0;
  for (std::size_t row = 0; row < rows.rows; ++row) {
    const std::size_t first = rows.row_begin[row] - rows.row_begin[0];
    const std::size_t count = rows.row_begin[row + 1] - rows.row_begin[row];
    const std::uint32_t* const id = batch.ids + first;
    const float* const value = has_values ? rows.values + first : nullptr;
    float margin = rows.bias ? weight[batch.bias_id] : 0.0f;
    for (std::size_t i = 0; i < count; ++i)
      margin += has_values ? weight[id[i]] * value[i] : weight[id[i]];
    margins[row] = margin;
    float error = Logistic(margin) - rows.labels[row];
    if (rows.weights != nullptr) error *= rows.weights[row];
    for (std::size_t i = 0; i < count; ++i)
      gradient[id[i]] += has_values ? error * value[i] : error;
    bias_gradient += error;
  }
  if (rows.bias) gradient[batch.bias_id] = bias_gradient;
}

}  // namespace

void BatchGradients(const GradientBatch& batch, const float* weight, float* gradient,
                    float* margins) {
  switch (batch.lanes) {
    case 2:
      return OfLanes<2>(batch, weight, gradient, margins);
    case 4:
      return OfLanes<4>(batch, weight, gradient, margins);
    case 8:
      return OfLanes<8>(batch, weight, gradient, margins);
    case 16:
      return OfLanes<16>(batch, weight, gradient, margins);
    default:
      return OfOneLane(batch, weight, gradient, margins);
  }
}

}  // namespace ps
