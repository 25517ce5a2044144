// Rows whose keys have become dense ids: what the embedded trainer learns from, keeps for later passes, and
// scores. Plain data; belongs to one thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/row_learner.h"

namespace ps {

struct ResolvedBlock {
  std::vector<std::uint32_t> ids;           // padded as kernels/row_learner.h says
  std::vector<float> values;                // beside ids; empty: all 1 but for padding
  std::vector<std::uint32_t> row_begin{0};  // rows + 1
  std::vector<float> labels;
  std::vector<float> weights;               // empty: all 1

  std::size_t rows() const { return labels.size(); }
  std::size_t bytes() const {
    return 4 * (ids.size() + values.size() + row_begin.size() + labels.size() + weights.size());
  }
  ResolvedRows View() const { return View(0, rows()); }
  ResolvedRows View(std::size_t first, std::size_t count) const {
    return {ids.data(), values.empty() ? nullptr : values.data(), row_begin.data() + first, labels.data() + first,
            weights.empty() ? nullptr : weights.data() + first, count};
  }
  void Clear() {
    ids.clear();
    values.clear();
    row_begin.assign(1, 0);
    labels.clear();
    weights.clear();
  }
};

}  // namespace ps
