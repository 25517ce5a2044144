// The gradient of the log loss of a batch of rows, from weights that the caller has by feature:
// what a worker of a cluster computes between its pull and its push. kernels/cuda/batch_gradients.h
// is its twin on a device and gives the same bits (tested), because the order of both sums is laid
// down:
//
//   margin   = weight of the bias, then + weight * value, feature after feature of the row
//   gradient = 0, then + error * value, row after row of those that have the feature,
//              where error = (Logistic(margin) - label) * importance
//
// in single precision, each operation rounded. Pure, any thread.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ps {

// Features of row r are [row_begin[r], row_begin[r + 1]), counted from row_begin[0].
struct LabelledRows {
  const std::uint32_t* row_begin = nullptr;  // rows + 1
  const float* values = nullptr;             // one a feature; null: all 1
  const float* labels = nullptr;             // 0 or 1
  const float* weights = nullptr;            // importance; null: all 1
  std::size_t rows = 0;
  bool bias = false;  // every row has it, beside its features

  std::size_t features() const { return rows == 0 ? 0 : row_begin[rows] - row_begin[0]; }
};

// Of 1, 2, 4, 8 or 16 lanes, whose weights, gradients and margins lie side by side. No lane's
// result depends on how many others there are.
struct GradientBatch {
  LabelledRows rows;
  const std::uint32_t* ids = nullptr;  // one a feature, below id_count; those of a row are distinct
  std::size_t id_count = 0;
  std::uint32_t bias_id = 0;  // where rows.bias
  int lanes = 1;
};

// weight: id_count x lanes. Fills gradient, likewise, and margins, rows x lanes.
void BatchGradients(const GradientBatch& batch, const float* weight, float* gradient,
                    float* margins);

}  // namespace ps
