// Decision trees as data: what the grower makes, the model file holds and the predictor walks.
// Plain data.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace ps {

enum class ColumnKind : std::uint8_t { kNumber, kCategory };

// A set of bins of a categorical column.
using BinSet = std::array<std::uint64_t, 4>;
inline bool Contains(const BinSet& set, std::uint8_t bin) {
  return (set[bin >> 6] >> (bin & 63)) & 1;
}
inline void Insert(BinSet* set, std::uint8_t bin) {
  (*set)[bin >> 6] |= std::uint64_t{1} << (bin & 63);
}

struct TreeNode {
  std::uint32_t column = 0;
  ColumnKind kind = ColumnKind::kNumber;
  bool missing_left = false;
  std::uint8_t bin = 0;  // numbers: bins 1..bin go left
  float threshold = 0;   // numbers: values below it go left; the same rule
  std::uint32_t left_set =
      0;                  // categories: the tree's set whose bins go left, missing (0) included
  std::int32_t left = 0;  // a node, or ~leaf
  std::int32_t right = 0;
  float gain = 0;
  float cover = 0;  // sum of hessians of the training rows
};

struct Tree {
  std::vector<TreeNode> nodes;  // the root first; none: the one leaf is all
  std::vector<float> leaf_value;
  std::vector<float> leaf_cover;
  std::vector<BinSet> left_sets;
};

// Whether rows with this bin of the node's column go left.
inline bool GoesLeft(const Tree& tree, const TreeNode& node, std::uint8_t bin) {
  if (node.kind == ColumnKind::kCategory) return Contains(tree.left_sets[node.left_set], bin);
  return bin == 0 ? node.missing_left : bin <= node.bin;
}

}  // namespace ps
