#include "models/gbdt/node_rows.h"

#include <algorithm>

namespace ps {
namespace {

// A node costs a range a block: with very many rows, larger blocks.
constexpr std::size_t kMostBlocks = 4096;

std::size_t BlockRows(std::size_t rows) {
  std::size_t block = NodeRows::kBlockRows;
  while (rows / block > kMostBlocks) block *= 2;
  return block;
}

}  // namespace

NodeRows::NodeRows(std::size_t rows)
    : rows_(rows),
      block_rows_(BlockRows(rows)),
      blocks_((rows + block_rows_ - 1) / block_rows_),
      entries_(rows),
      fixed_(rows) {}

std::size_t NodeRows::block_size(std::size_t block) const {
  return std::min(block_rows_, rows_ - first_row(block));
}

NodeRows::Node NodeRows::Root() const {
  Node node(blocks_);
  for (std::size_t b = 0; b < blocks_; ++b)
    node[b] = {0, static_cast<std::uint32_t>(block_size(b))};
  return node;
}

std::uint64_t NodeRows::RowsOf(const Node& node) {
  std::uint64_t rows = 0;
  for (const Range& range : node) rows += range.size();
  return rows;
}

}  // namespace ps
