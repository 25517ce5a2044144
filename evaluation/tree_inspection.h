// What ps_model prints about models of trees. Text is a function of the bundle alone. Pure
// functions, any thread.
#pragma once

#include <cstdint>
#include <ostream>

#include "absl/status/status.h"
#include "models/bundle/bundle.h"

namespace ps {

// Facts of the manifest and the trees, and the `top` columns of largest gain (0: 20). Errors as of
// ReadTrees.
absl::Status InspectTrees(const Bundle& bundle, std::uint64_t top, std::ostream& out);

// Tab-separated with a heading, a line a node or leaf: tree, node, column, rule, left, right, gain,
// cover, value. Children that are leaves are written as L and their number. Of the first `top` trees (0: all).
absl::Status DumpTrees(const Bundle& bundle, std::uint64_t top, std::ostream& out);

}  // namespace ps
