// Whether two trees are the same in every number. For tests.
#pragma once

#include "models/gbdt/tree.h"

namespace ps {

inline bool Same(const Tree& a, const Tree& b) {
  if (a.leaf_value != b.leaf_value || a.leaf_cover != b.leaf_cover || a.left_sets != b.left_sets ||
      a.nodes.size() != b.nodes.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.nodes.size(); ++i) {
    const TreeNode &x = a.nodes[i], &y = b.nodes[i];
    if (x.column != y.column || x.bin != y.bin || x.missing_left != y.missing_left ||
        x.left != y.left || x.right != y.right || x.gain != y.gain || x.threshold != y.threshold ||
        x.cover != y.cover || x.kind != y.kind) {
      return false;
    }
  }
  return true;
}

}  // namespace ps
