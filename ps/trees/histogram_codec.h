// Histograms as bits, the least significant bit of a byte first. Cells go in the groups of
// ps/trees/column_shares.h, and the last byte of a histogram is filled up with 0:
//
//   group    := kind (2 bits)
//                 0: all cells are zero, and nothing follows
//                 1: all cells follow
//                 2: all but one follow; its place (6 bits)
//                 3: those follow that a bitmap (64 bits) names
//               scale of the gradients, scale of the hessians
//               (number of the gradient, number of the hessian) of each cell that follows
//   scale    := width less the last one before (signed)
//               centre less the last one before, in units of 2^max(0, width - 2) (signed)
//   signed   := Elias's gamma code of 1 + its zigzag: as many zeros as it has digits behind the
//               first, a one, those digits
//   number   := nothing where width is 0: it is the centre. Else, of its distance d from the
//               centre, with x = d, or -1 - d where d is negative:
//                 x >> (width - 1) in unary (zeros, then a one), whether d is negative (1 bit), the
//                 lower width - 1 bits of x;
//                 where that were 20 zeros or more: 20 zeros, then the zigzag of d (34 bits)
//
// A histogram begins with width 0 and centre 0. A width has as many bits as the mean distance, with
// which this code (Golomb's, with a sign) is within a tenth of a bit of what numbers of normal noise
// must take. Pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "kernels/histogram.h"
#include "ps/trees/column_shares.h"

namespace ps {

// Appends.
void PackHistogram(const WideSum* cells, std::span<const CellGroup> groups, std::string* out);

// Adds the packed cells at the front of `in`. How many bytes they take; npos, and nothing is added,
// where they are malformed.
std::size_t AddPackedHistogram(std::string_view in, std::span<const CellGroup> groups,
                               WideSum* cells);
// Takes away what was added; `in` has been found whole.
void SubtractPackedHistogram(std::string_view in, std::span<const CellGroup> groups,
                             WideSum* cells);

}  // namespace ps
