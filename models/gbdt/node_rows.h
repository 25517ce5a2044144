// The rows of a tree's nodes. Rows come in blocks of fixed size, and each block keeps its own rows
// together by node: splitting a node moves rows inside blocks only, so blocks are independent
// pieces of work for threads (and for workers), and what a block does stays in a core's cache. Rows
// keep their order inside a block.
//
// Blocks may be worked on by different threads at once, one thread a block.
#pragma once

#include <cstdint>
#include <vector>

#include "kernels/gradients.h"
#include "models/gbdt/huge_array.h"
#include "ps/base/crew.h"

namespace ps {

// Exact sums of the rows of a leaf, in fixed point.
struct LeafSums {
  std::int64_t g = 0, h = 0;
};

class NodeRows {
 public:
  static constexpr std::size_t kBlockRows = 32768;

  explicit NodeRows(std::size_t rows);

  struct Range {
    std::uint32_t begin = 0, end = 0;  // in a block's part of entries()
    std::uint32_t size() const { return end - begin; }
  };
  using Node = std::vector<Range>;  // one range a block

  std::size_t rows() const { return rows_; }
  std::size_t blocks() const { return blocks_; }
  std::size_t first_row(std::size_t block) const { return block * block_rows_; }
  std::size_t block_size(std::size_t block) const;
  std::size_t block_rows() const { return block_rows_; }

  RowGradient* entries(std::size_t block) { return entries_.data() + first_row(block); }
  const RowGradient* entries(std::size_t block) const { return entries_.data() + first_row(block); }
  // In the order of rows, not of entries.
  FixedGradient* fixed() { return fixed_.data(); }
  const FixedGradient* fixed() const { return fixed_.data(); }

  // All rows.
  Node Root() const;
  static std::uint64_t RowsOf(const Node& node);

  // Of the quantised gradients of all rows.
  WideSum SumOfAll(Crew* crew) const;
  // Of the fixed-point gradients of the rows of each leaf.
  std::vector<LeafSums> SumLeaves(const std::vector<Node>& leaves, Crew* crew) const;

 private:
  std::size_t rows_, block_rows_, blocks_;
  HugeArray<RowGradient> entries_;
  HugeArray<FixedGradient> fixed_;
};

}  // namespace ps
