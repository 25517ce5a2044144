// Rows of every shape for the tests of batches.
#pragma once

#include <cstdint>
#include <random>
#include <set>

#include "models/data/row_block.h"

namespace ps {

inline RowBlock RandomBlock(std::mt19937_64& random, std::size_t rows, std::uint64_t keys,
                            bool small_keys, bool values, bool weights, std::uint64_t widest = 7) {
  RowBlock block;
  for (std::size_t r = 0; r < rows; ++r) {
    std::set<std::uint64_t> indices;
    for (std::uint64_t f = random() % (widest + 1); f > 0; --f) indices.insert(random() % keys);
    for (std::uint64_t index : indices) {
      block.key.push_back(small_keys ? index + 1 : IndexKey(index));  // not uniform, or uniform
      if (values) block.value.push_back(static_cast<float>(random() % 100) / 10 - 5);
    }
    block.label.push_back(static_cast<float>(random() % 2));
    if (weights) block.weight.push_back(0.5f + static_cast<float>(random() % 4));
    block.row_begin.push_back(static_cast<std::uint32_t>(block.key.size()));
    block.row_offset.push_back(r);
  }
  return block;
}

}  // namespace ps
