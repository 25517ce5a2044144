// Which rows of a node go left at its split, a bit a row, in the order in which the node has them.
// That order follows from the rows' numbers and the splits above, so it is the same for whoever
// holds as many rows in blocks of the same size. A value.
#pragma once

#include <cstdint>
#include <vector>

#include "models/gbdt/node_rows.h"

namespace ps {

struct PlacedRows {
  static constexpr std::uint64_t kWordBits = 64;

  // Bits of a block begin with a word, the least significant bit first; those behind its rows are
  // 0.
  std::vector<std::uint64_t> words;
  std::vector<std::uint64_t> begin;  // of each block's words

  // Room for the rows of a node, all of which go right.
  void Fit(const NodeRows::Node& node) {
    begin.clear();
    std::uint64_t size = 0;
    for (const NodeRows::Range& range : node) {
      begin.push_back(size);
      size += (range.size() + kWordBits - 1) / kWordBits;
    }
    words.assign(size, 0);
  }
  std::uint64_t* block(std::size_t b) { return words.data() + begin[b]; }
  const std::uint64_t* block(std::size_t b) const { return words.data() + begin[b]; }
};

}  // namespace ps
