#include "kernels/row_learner.h"

#include <cmath>

#include "kernels/logistic.h"

namespace ps {
namespace {

float FoldPartialSums(const float* partial) {
  const float a = partial[0] + partial[4], b = partial[1] + partial[5];
  const float c = partial[2] + partial[6], d = partial[3] + partial[7];
  return (a + c) + (b + d);
}

}  // namespace

void RowMarginsPlain(const OptimizerParams& params, const ResolvedRows& rows, const float* state,
                     float* margins) {
  const int floats = StateFloats(params.type);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    float partial[kGroup] = {};
    for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
      const std::uint32_t id = rows.ids[i];
      const float value = rows.values != nullptr ? rows.values[i] : id != kPaddingId;
      float& sum = partial[i % kGroup];
      sum = std::fma(WeightOf(params, state + std::size_t{id} * floats), value, sum);
    }
    margins[r] = FoldPartialSums(partial);
  }
}

void LearnRowsPlain(const OptimizerParams& params, const ResolvedRows& rows, float* state,
                    float* margins) {
  const int floats = StateFloats(params.type);
  for (std::size_t r = 0; r < rows.rows; ++r) {
    ResolvedRows row = rows;
    row.row_begin += r;
    row.rows = 1;
    RowMarginsPlain(params, row, state, margins + r);
    const float weight = rows.weights != nullptr ? rows.weights[r] : 1.0f;
    const float probability = Logistic(margins[r]);
    const float gradient = (probability - rows.labels[r]) * weight;
    const float curvature = RowCurvature(probability, weight, gradient);
    for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
      const std::uint32_t id = rows.ids[i];
      if (id == kPaddingId) continue;
      const float value = rows.values != nullptr ? rows.values[i] : 1.0f;
      float* const entry = state + std::size_t{id} * floats;
      if (params.type == Optimizer::kFtrl) {
        ApplyFtrl(params, gradient * value, curvature * (value * value), entry);
      } else {
        ApplyGradient(params, gradient * value, entry);
      }
    }
  }
}

}  // namespace ps
