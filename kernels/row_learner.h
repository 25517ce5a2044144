// Learning logistic regression one row at a time on dense optimiser state: the inner loop of the embedded
// trainer. State of feature id i is at state + i * StateFloats(type).
//
// Rows are padded to whole groups of kGroup features with the id kPaddingId and value 0, whose state stays zero.
// The sum of a row adds feature i to partial sum i mod kGroup, then folds the partial sums in halves. The
// vector and the plain versions give the same bits (tested), so a model does not depend on which one ran.
//
// Threads: calls on the same state exclude each other; LearnRows writes, RowMargins only reads.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/optimizer.h"

namespace ps {

inline constexpr std::size_t kGroup = 8;
inline constexpr std::uint32_t kPaddingId = 0;

struct ResolvedRows {
  const std::uint32_t* ids = nullptr;        // rows padded to multiples of kGroup, back to back
  const float* values = nullptr;             // beside ids; null: all 1 but for padding
  const std::uint32_t* row_begin = nullptr;  // rows + 1, into ids
  const float* labels = nullptr;             // 0 or 1
  const float* weights = nullptr;            // null: all 1
  std::size_t rows = 0;
};

// Predicts each row, writes its margin, then learns it, in order.
void LearnRows(const OptimizerParams& params, const ResolvedRows& rows, float* state,
               float* margins);
// The same by the definitions of optimizer.h, one feature after the other.
void LearnRowsPlain(const OptimizerParams& params, const ResolvedRows& rows, float* state,
                    float* margins);
// Margins only.
void RowMargins(const OptimizerParams& params, const ResolvedRows& rows, const float* state,
                float* margins);
void RowMarginsPlain(const OptimizerParams& params, const ResolvedRows& rows, const float* state,
                     float* margins);

}  // namespace ps
