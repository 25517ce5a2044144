// Which splits a growing tree will want next, seen from those whose outcome is known already. Pure
// functions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "models/gbdt/split_choice.h"
#include "models/gbdt/tree_builder.h"

namespace ps {

// What is known of a node that was split, whether or not the tree has come so far.
struct KnownChildren {
  std::uint32_t left = 0;  // node; the right child is the next number
  bool summed = false;     // else their rows are to be parted with the leaves
  SplitChoice best[2];
};

// How many splits of a tree may be asked for ahead of their turn. Each leaves one histogram more until the tree is
// done, whether or not it comes about.
inline std::size_t MostSplitsAhead(int max_leaves) {
  return static_cast<std::size_t>(max_leaves) + static_cast<std::size_t>(max_leaves) / 8;
}

struct WantedSplit {
  std::uint32_t node = 0;
  TreeBuilder::Leaf leaf;  // of that node, in the tree or below its leaves
  std::size_t rank = 0;    // how many splits come before it
};

// The tree as it would grow on if nothing came of splits whose outcome is not known: those of them
// that it would meet, and whose children may grow, in their order. `nodes` are those of the
// builder's leaves.
// It costs a heap's work a split of the tree.
std::vector<WantedSplit> ForecastSplits(TreeBuilder builder, std::vector<std::uint32_t> nodes,
                                        const std::map<std::uint32_t, KnownChildren>& known);

}  // namespace ps
