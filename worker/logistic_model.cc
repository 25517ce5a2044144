#include "worker/logistic_model.h"

#include <algorithm>

#include "kernels/logistic.h"

namespace ps {
void LogisticModel::Compute(Batch* batch, std::vector<float>* margins) const {
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
