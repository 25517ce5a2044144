// Rows whose keys have become dense ids: what the embedded trainer learns from, keeps for later passes, and
// scores. Or rows whose keys a device is to find: those have keys where they will have ids. Plain data; belongs to one
// thread at a time.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/row_learner.h"
#include "ps/base/key.h"

namespace ps {

struct ResolvedBlock {
  std::vector<std::uint32_t> ids;           // padded as kernels/row_learner.h says
  std::vector<Key> keys;                    // in place of ids, 0 for padding and for the bias; else empty
  std::vector<float> values;                // beside ids; empty: all 1 but for padding
  std::vector<std::uint32_t> row_begin{0};  // rows + 1
  std::vector<float> labels;
  std::vector<float> weights;               // empty: all 1

  std::size_t rows() const { return labels.size(); }
  std::size_t places() const { return row_begin.back(); }  // padding too
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
    keys.clear();
    values.clear();
    row_begin.assign(1, 0);
    labels.clear();
    weights.clear();
  }
};

}  // namespace ps
