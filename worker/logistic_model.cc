#include "worker/logistic_model.h"

#include <algorithm>

#include "kernels/logistic.h"

namespace ps {
namespace {

// K lanes of a batch: what one lane computes, in the same order, of each. The loops over lanes are what
// the compiler makes vectors of.
template <int K>
void ComputeLanes(Batch* batch, std::vector<float>* margins) {
  const RowBlock& block = *batch->block;
  const std::size_t first_feature = block.row_begin[batch->rows.begin];
  const float* const weight = batch->weight.data();
  float* const gradient = batch->gradient.data();
  std::fill(batch->gradient.begin(), batch->gradient.end(), 0.0f);
  margins->resize(batch->rows.size() * K);
  const bool has_values = !block.value.empty();
  float bias_gradient[K] = {};
  float* margin = margins->data();
  for (std::size_t row = batch->rows.begin; row < batch->rows.end; ++row, margin += K) {
    const std::size_t count = block.row_begin[row + 1] - block.row_begin[row];
    const std::uint32_t* id = batch->feature_id.data() + (block.row_begin[row] - first_feature);
    const float* value = has_values ? block.value.data() + block.row_begin[row] : nullptr;
    float sum[K] = {}, error[K];
    if (batch->bias) std::copy_n(weight + std::size_t{batch->bias_id} * K, K, sum);
    for (std::size_t i = 0; i < count; ++i) {
      const float* const of = weight + std::size_t{id[i]} * K;
      const float x = has_values ? value[i] : 1.0f;  // times 1 changes no bit
      for (int k = 0; k < K; ++k) sum[k] += of[k] * x;
    }
    const float importance = block.weight.empty() ? 1.0f : block.weight[row];
    for (int k = 0; k < K; ++k) {
      margin[k] = sum[k];
      error[k] = (Logistic(sum[k]) - block.label[row]) * importance;
    }
    for (std::size_t i = 0; i < count; ++i) {
      float* const of = gradient + std::size_t{id[i]} * K;
      const float x = has_values ? value[i] : 1.0f;
      for (int k = 0; k < K; ++k) of[k] += error[k] * x;
    }
    for (int k = 0; k < K; ++k) bias_gradient[k] += error[k];
  }
  if (batch->bias) std::copy_n(bias_gradient, K, gradient + std::size_t{batch->bias_id} * K);
}

}  // namespace

void LogisticModel::Compute(Batch* batch, std::vector<float>* margins) const {
  switch (batch->lanes) {
    case 2:
      return ComputeLanes<2>(batch, margins);
    case 4:
      return ComputeLanes<4>(batch, margins);
    case 8:
      return ComputeLanes<8>(batch, margins);
    case 16:
      return ComputeLanes<16>(batch, margins);
    default:
      break;
  }
  const RowBlock& block = *batch->block;
  const std::size_t first_feature = block.row_begin[batch->rows.begin];
  const float* weight = batch->weight.data();
  float* gradient = batch->gradient.data();
  std::fill(batch->gradient.begin(), batch->gradient.end(), 0.0f);
  margins->resize(batch->rows.size());
  const bool has_values = !block.value.empty();
  float bias_gradient = 0;
  for (std::size_t row = batch->rows.begin; row < batch->rows.end; ++row) {
    const std::size_t count = block.row_begin[row + 1] - block.row_begin[row];
    const std::uint32_t* id = batch->feature_id.data() + (block.row_begin[row] - first_feature);
    const float* value = has_values ? block.value.data() + block.row_begin[row] : nullptr;
    float margin = batch->bias ? weight[batch->bias_id] : 0.0f;
    for (std::size_t i = 0; i < count; ++i) {
      margin += has_values ? weight[id[i]] * value[i] : weight[id[i]];
    }
    (*margins)[row - batch->rows.begin] = margin;
    float error = Logistic(margin) - block.label[row];
    if (!block.weight.empty()) error *= block.weight[row];
    for (std::size_t i = 0; i < count; ++i) {
      gradient[id[i]] += has_values ? error * value[i] : error;
    }
    bias_gradient += error;
  }
  if (batch->bias) gradient[batch->bias_id] = bias_gradient;
}

}  // namespace ps
