#include "kernels/batch_learner.h"

#include <algorithm>
#include <cmath>

#include "kernels/logistic.h"

namespace ps {
namespace {

// Rows [first, first + count) of `rows`.
ResolvedRows Part(const ResolvedRows& rows, std::size_t first, std::size_t count) {
  ResolvedRows part = rows;
  part.row_begin += first;
  part.labels += first;
  if (part.weights != nullptr) part.weights += first;
  part.rows = count;
  return part;
}

float Largest(const float* from, std::size_t count) {
  float largest = 0;
  for (std::size_t i = 0; i < count; ++i) largest = std::max(largest, std::fabs(from[i]));
  return largest;
}

}  // namespace

float GradientBound(const ResolvedRows& rows) {
  const std::uint32_t begin = rows.row_begin[0], end = rows.row_begin[rows.rows];
  const float weight = rows.weights != nullptr ? Largest(rows.weights, rows.rows) : 1.0f;
  return weight * (rows.values != nullptr ? Largest(rows.values + begin, end - begin) : 1.0f);
}

void BatchLearner::Learn(LaneSettings lanes, const ResolvedRows& rows, std::size_t batch_rows,
                         float* state, float* margins) {
  if (rows.rows == 0) return;
  const SumScale scale = ScaleOfGradients(GradientBound(rows), batch_rows);
  for (std::size_t first = 0; first < rows.rows; first += batch_rows) {
    LearnBatch(lanes, Part(rows, first, std::min(batch_rows, rows.rows - first)), scale, state,
               margins + first * lanes.size());
  }
}

void BatchLearner::LearnBatch(LaneSettings lanes, const ResolvedRows& rows,
                              const SumScale& scale, float* state, float* margins) {
  const std::size_t count = lanes.size();
  RowLaneMargins(lanes, rows, state, margins);
  ids_.clear();
  sums_.clear();
  for (std::size_t r = 0; r < rows.rows; ++r) {
    float error[kMostLanes];
    const float weight = rows.weights != nullptr ? rows.weights[r] : 1.0f;
    for (std::size_t k = 0; k < count; ++k)
      error[k] = (Logistic(margins[r * count + k]) - rows.labels[r]) * weight;
    for (std::uint32_t i = rows.row_begin[r]; i < rows.row_begin[r + 1]; ++i) {
      const std::uint32_t id = rows.ids[i];
      if (id == kPaddingId) continue;
      if (id >= place_.size()) place_.resize(std::size_t{id} + id / 2 + 1);
      if (place_[id] == 0) {
        ids_.push_back(id);
        sums_.resize(ids_.size() * count);
        place_[id] = static_cast<std::uint32_t>(ids_.size());
      }
      GradientSum* const sums = &sums_[(place_[id] - 1) * count];
      const float value = rows.values != nullptr ? rows.values[i] : 1.0f;
      for (std::size_t k = 0; k < count; ++k) {
        const GradientSum parts = PartsOfGradient(error[k] * value, scale);
        sums[k].high += parts.high;
        sums[k].low += parts.low;
      }
    }
  }
  const auto floats = static_cast<std::size_t>(StateFloats(lanes[0].type));
  for (std::size_t at = 0; at < ids_.size(); ++at) {
    float* const entry = state + ids_[at] * floats * count;
    for (std::size_t k = 0; k < count; ++k) {
      float lane[2];
      for (std::size_t i = 0; i < floats; ++i) lane[i] = entry[i * count + k];
      ApplyGradient(lanes[k], GradientOf(sums_[at * count + k], scale), lane);
      for (std::size_t i = 0; i < floats; ++i) entry[i * count + k] = lane[i];
    }
    place_[ids_[at]] = 0;
  }
}

}  // namespace ps
