// Rows of every shape for the tests of learners: padded to groups, with values and importance
// weights.
#pragma once

#include <random>
#include <set>
#include <vector>

#include "kernels/row_learner.h"

namespace ps {

struct Rows {
  std::vector<std::uint32_t> ids, row_begin{0};
  std::vector<float> values, labels, weights;
  ResolvedRows View(bool with_values, bool with_weights) const {
    return {ids.data(),    with_values ? values.data() : nullptr,   row_begin.data(),
            labels.data(), with_weights ? weights.data() : nullptr, labels.size()};
  }
};

inline Rows RandomRows(unsigned seed, std::size_t rows, std::uint32_t features,
                       std::size_t longest) {
  std::mt19937 random(seed);
  std::normal_distribution<float> normal;
  Rows result;
  for (std::size_t r = 0; r < rows; ++r) {
    std::set<std::uint32_t> row;
    const std::size_t count = random() % (longest + 1);
    while (row.size() < count) row.insert(1 + random() % features);
    for (std::uint32_t id : row) {
      result.ids.push_back(id);
      result.values.push_back(normal(random));
    }
    while (result.ids.size() % kGroup != 0) {
      result.ids.push_back(kPaddingId);
      result.values.push_back(0);
    }
    result.row_begin.push_back(static_cast<std::uint32_t>(result.ids.size()));
    result.labels.push_back(random() % 4 == 0 ? 1.0f : 0.0f);
    result.weights.push_back(0.25f * (1 + random() % 8));
  }
  return result;
}

}  // namespace ps
