#include "worker/logistic_model.h"

namespace ps {

void LogisticModel::Compute(Batch* batch, std::vector<float>* margins) const {
  margins->resize(batch->rows.size() * static_cast<std::size_t>(batch->lanes));
  const GradientBatch of = {LabelledRowsOf(*batch->block, batch->rows, batch->bias),
                            batch->feature_id.data(), batch->keys.size(), batch->bias_id,
                            batch->lanes};
  BatchGradients(of, batch->weight.data(), batch->gradient.data(), margins->data());
}

}  // namespace ps
