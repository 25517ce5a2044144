// Where the rows of a node go, as workers of a cluster that hold columns tell each other: a bit a
// row, or the gaps between rows of the smaller side in Rice's code where that is shorter. Pure
// functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "models/gbdt/placed_rows.h"

namespace ps {

// Appends what is placed of the node to `out`. First byte: 0 for bits, else 1 + 2 r + whether it is
// the left side that is listed, where r are the low bits of a gap; then, of a list, the number of
// its rows in 40 bits. A gap is the rows before the next that is listed.
void PackPlacement(const PlacedRows& placed, const NodeRows::Node& node, std::string* out);

// The bytes that were read of `in`, which may go on; npos where it is malformed or cut off, and
// then `placed` is anything.
std::size_t UnpackPlacement(std::string_view in, const NodeRows::Node& node, PlacedRows* placed);

}  // namespace ps
