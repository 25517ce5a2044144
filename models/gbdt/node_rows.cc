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

WideSum NodeRows::SumOfAll(Crew* crew) const {
  std::vector<WideSum> sums(blocks_);
  crew->ForEach(blocks_, [&](int, std::size_t block) {
    const RowGradient* const rows = entries(block);
    WideSum sum = 0;
    for (std::size_t i = 0; i < block_size(block); ++i) sum += Widen(rows[i].packed);
    sums[block] = sum;
  });
  WideSum all = 0;
  for (const WideSum sum : sums) all += sum;
  return all;
}

std::vector<LeafSums> NodeRows::SumLeaves(const std::vector<Node>& leaves, Crew* crew) const {
  std::vector<LeafSums> of_blocks(blocks_ * leaves.size());
  crew->ForEach(blocks_, [&](int, std::size_t block) {
    const RowGradient* const rows = entries(block);
    for (std::size_t leaf = 0; leaf < leaves.size(); ++leaf) {
      const Range range = leaves[leaf][block];
      LeafSums sum;
      for (std::uint32_t i = range.begin; i < range.end; ++i) {
        const FixedGradient& gradient = fixed()[rows[i].row];
        sum.g += gradient.g;
        sum.h += gradient.h;
      }
      of_blocks[block * leaves.size() + leaf] = sum;
    }
  });
  std::vector<LeafSums> sums(leaves.size());
  for (std::size_t i = 0; i < of_blocks.size(); ++i) {
    LeafSums& sum = sums[i % leaves.size()];
    sum.g += of_blocks[i].g;
    sum.h += of_blocks[i].h;
  }
  return sums;
}

}  // namespace ps
