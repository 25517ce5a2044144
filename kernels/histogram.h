// Histograms of quantised gradients over binned columns: what a node of a tree is split by.
//
// A row's gradient g and hessian h are small integers, packed into one word that is added whole:
// (h << 16) + g for a few rows (narrow), (h << 32) + g for many (wide). Sums of integers do not
// depend on the order of rows, so neither does the tree. Pure functions, any thread. The plain
// versions define the results; the others give the same bits.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ps {

// Bin 0 is a missing value, bins 1 to 255 are intervals or categories.
inline constexpr int kBinsPerColumn = 256;

// A row of a node beside its gradient, so that walking a node's rows reads memory in one stream.
struct RowGradient {
  std::uint32_t row = 0;     // of the block's or the matrix's rows
  std::uint32_t packed = 0;  // (h << 16) + g
};

constexpr std::uint32_t PackGradient(std::int32_t g, std::uint32_t h) {
  return (h << 16) + static_cast<std::uint32_t>(g);
}
constexpr std::int32_t NarrowGradient(std::uint32_t sum) {
  return static_cast<std::int16_t>(sum & 0xffff);
}
constexpr std::uint32_t NarrowHessian(std::uint32_t sum) {
  return (sum - static_cast<std::uint32_t>(NarrowGradient(sum))) >> 16;
}

using WideSum = std::int64_t;  // (h << 32) + g; h below 2^31, |g| below 2^31
constexpr std::int32_t WideGradient(WideSum sum) {
  return static_cast<std::int32_t>(static_cast<std::uint32_t>(static_cast<std::uint64_t>(sum)));
}
constexpr std::int32_t WideHessian(WideSum sum) {
  return static_cast<std::int32_t>((static_cast<std::uint64_t>(sum) - static_cast<std::uint64_t>(std::int64_t{WideGradient(sum)})) >> 32);
}
constexpr WideSum Widen(std::uint32_t narrow) {
  return static_cast<WideSum>(
      (static_cast<std::uint64_t>(NarrowHessian(narrow)) << 32) +
      static_cast<std::uint64_t>(static_cast<std::int64_t>(NarrowGradient(narrow))));
}

// A row's gradient in two bytes, (h << 8) + g, so that those of all rows stay in a cache. |g| is below
// 128 and h below 256.
constexpr std::uint16_t ShortenGradient(std::uint32_t packed) {
  return static_cast<std::uint16_t>(NarrowHessian(packed) << 8 | (NarrowGradient(packed) & 0xff));
}
constexpr std::uint32_t NarrowOfShort(std::uint16_t gradient) {
  return PackGradient(static_cast<std::int8_t>(gradient & 0xff), gradient >> 8);
}
constexpr WideSum WidenShort(std::uint16_t gradient) {
  return (WideSum{gradient >> 8} << 32) + static_cast<std::int8_t>(gradient & 0xff);
}

// Of sums that come from elsewhere: those that no rows can have wrap.
constexpr WideSum LessSum(WideSum a, WideSum b) {
  return static_cast<WideSum>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

// A row-major matrix of bins. At least 8 bytes behind the last row are readable.
struct DenseBins {
  const std::uint8_t* bins = nullptr;
  std::size_t stride = 0;  // bytes from row to row
  int columns = 0;
};

// narrow[c * kBinsPerColumn + bin of column c] += packed, for each row. The caller sees to it that
// no sum leaves its 16 bits: |g| and h summed over the rows since `narrow` was zero stay below 2^15
// and 2^16.
void AddDenseRows(const DenseBins& matrix, const RowGradient* rows, std::size_t count,
                  std::uint32_t* narrow);
void AddDenseRowsPlain(const DenseBins& matrix, const RowGradient* rows, std::size_t count,
                       std::uint32_t* narrow);

// wide[i] += narrow[i]; narrow[i] = 0. `cells` is a multiple of 8.
void WidenHistogram(std::uint32_t* narrow, std::size_t cells, WideSum* wide);
void WidenHistogramPlain(std::uint32_t* narrow, std::size_t cells, WideSum* wide);

// Rows whose bin b of the column at `column_bins` has goes_left[b] != 0 move to the front of
// `rows`, the others to `right`, both in order. Returns how many went left. `right` has room for
// `count`.
std::size_t PartitionDense(const std::uint8_t* column_bins, std::size_t stride,
                           const std::uint8_t* goes_left, RowGradient* rows, std::size_t count,
                           RowGradient* left, RowGradient* right);

// Bit i of `bits`, the least significant of a word first, says whether row i goes left by its bin.
// Whole words are written, and the last one's bits beyond `count` are 0.
void PlaceDense(const std::uint8_t* column_bins, std::size_t stride, const std::uint8_t* goes_left,
                const RowGradient* rows, std::size_t count, std::uint64_t* bits);
// As PartitionDense, of rows whose sides are known.
std::size_t PartitionByBits(const std::uint64_t* bits, RowGradient* rows, std::size_t count,
                            RowGradient* left, RowGradient* right);

}  // namespace ps
