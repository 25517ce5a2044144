// Histograms as bytes. Cells go in groups of 64, the last one smaller:
//
//   group := kind (u8): 0: all zero, and nothing follows; 1: all cells follow; 2: a bitmap of the
//   cells that
//              follow (64 bits, or a bit a cell rounded up to bytes)
//            least gradient (zigzag varint)  least hessian (varint)  their widths (u8, u8)
//            (gradient - least, hessian - least) of each cell, least significant bit first, padded
//            to a byte
//
// Neighbouring bins have about equal sums, so a group's widths are those of their differences. Pure
// functions.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "kernels/histogram.h"

namespace ps {

// Appends.
void PackHistogram(const WideSum* cells, std::size_t count, std::string* out);

// The bytes at the front of `in` that `count` packed cells take; npos where they are malformed.
std::size_t PackedSize(std::string_view in, std::size_t count);

// Adds packed cells, whose PackedSize is `in`'s size, to `cells`.
void AddPackedHistogram(std::string_view in, std::size_t count, WideSum* cells);

}  // namespace ps
