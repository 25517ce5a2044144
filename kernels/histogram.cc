#include "kernels/histogram.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

namespace ps {
namespace {

// Columns whose narrow histograms share the first-level cache.
constexpr int kColumnsAtOnce = 32;
constexpr std::size_t kRowsAhead = 12;

// Four columns from four bytes that were loaded as one word: one load instead of four, and none
// that has to wait for the stores before it.
inline void AddFour(std::uint32_t bins, std::uint32_t packed, std::uint32_t* narrow) {
  narrow[bins & 0xff] += packed;
  narrow[kBinsPerColumn + ((bins >> 8) & 0xff)] += packed;
  narrow[2 * kBinsPerColumn + ((bins >> 16) & 0xff)] += packed;
  narrow[3 * kBinsPerColumn + (bins >> 24)] += packed;
}

template <bool kPrefetch>
void AddColumns(const DenseBins& matrix, int first, int columns, const RowGradient* rows,
                std::size_t count, std::uint32_t* narrow) {
  const std::uint8_t* const base = matrix.bins + first;
  for (std::size_t i = 0; i < count; ++i) {
    if constexpr (kPrefetch) {
      const std::size_t ahead = std::min(i + kRowsAhead, count - 1);
      const std::uint8_t* const next = base + rows[ahead].row * matrix.stride;
      _mm_prefetch(reinterpret_cast<const char*>(next), _MM_HINT_T0);
      _mm_prefetch(reinterpret_cast<const char*>(next + columns - 1), _MM_HINT_T0);
    }
    const std::uint8_t* const bins = base + rows[i].row * matrix.stride;
    const std::uint32_t packed = rows[i].packed;
    std::uint32_t* out = narrow;
    int c = 0;
    for (; c + 4 <= columns; c += 4, out += 4 * kBinsPerColumn) {
      std::uint32_t four;
      std::memcpy(&four, bins + c, sizeof four);
      AddFour(four, packed, out);
    }
    for (; c < columns; ++c, out += kBinsPerColumn) out[bins[c]] += packed;
  }
}

}  // namespace

void AddDenseRowsPlain(const DenseBins& matrix, const RowGradient* rows, std::size_t count,
                       std::uint32_t* narrow) {
  for (std::size_t i = 0; i < count; ++i) {
    for (int c = 0; c < matrix.columns; ++c) {
      narrow[c * kBinsPerColumn + matrix.bins[rows[i].row * matrix.stride + c]] += rows[i].packed;
    }
  }
}

void AddDenseRows(const DenseBins& matrix, const RowGradient* rows, std::size_t count,
                  std::uint32_t* narrow) {
  for (int first = 0; first < matrix.columns; first += kColumnsAtOnce) {
    const int columns = std::min(kColumnsAtOnce, matrix.columns - first);
    AddColumns<true>(matrix, first, columns, rows, count, narrow + first * kBinsPerColumn);
  }
}

void WidenHistogramPlain(std::uint32_t* narrow, std::size_t cells, WideSum* wide) {
  for (std::size_t i = 0; i < cells; ++i) {
    wide[i] += Widen(narrow[i]);
    narrow[i] = 0;
  }
}

void WidenHistogram(std::uint32_t* narrow, std::size_t cells, WideSum* wide) {
  const __m256i zero = _mm256_setzero_si256();
  for (std::size_t i = 0; i < cells; i += 8) {
    const __m256i sums = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(narrow + i));
    if (_mm256_testz_si256(sums, sums)) continue;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(narrow + i), zero);
    const auto add = [&](__m128i four, WideSum* out) {
      const __m256i x = _mm256_cvtepu32_epi64(four);
      // g: the lower 16 bits as a signed number of 64; the rest, less its borrow, is h << 16.
      const __m256i g32 = _mm256_srai_epi32(_mm256_slli_epi64(x, 16), 16);
      const __m256i g = _mm256_cvtepi32_epi64(_mm256_castsi256_si128(
          _mm256_permutevar8x32_epi32(g32, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6))));
      const __m256i low = _mm256_set1_epi64x(0xffffffff);
      const __m256i h = _mm256_slli_epi64(
          _mm256_srli_epi64(_mm256_and_si256(_mm256_sub_epi64(x, g), low), 16), 32);
      const __m256i sum = _mm256_add_epi64(
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(out)), _mm256_add_epi64(g, h));
      _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), sum);
    };
    add(_mm256_castsi256_si128(sums), wide + i);
    add(_mm256_extracti128_si256(sums, 1), wide + i + 4);
  }
}

std::size_t PartitionDense(const std::uint8_t* column_bins, std::size_t stride,
                           const std::uint8_t* goes_left, RowGradient* rows, std::size_t count,
                           RowGradient* left, RowGradient* right) {
  constexpr std::size_t kAhead = 24;
  std::size_t lefts = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t ahead = std::min(i + kAhead, count - 1);
    _mm_prefetch(reinterpret_cast<const char*>(column_bins + rows[ahead].row * stride),
                 _MM_HINT_T0);
    const RowGradient row = rows[i];
    const std::size_t is_left = goes_left[column_bins[row.row * stride]];
    left[lefts] = row;
    right[i - lefts] = row;
    lefts += is_left;
  }
  return lefts;
}

void PlaceDense(const std::uint8_t* column_bins, std::size_t stride, const std::uint8_t* goes_left,
                const RowGradient* rows, std::size_t count, std::uint64_t* bits) {
  constexpr std::size_t kAhead = 24, kWordBits = 64;
  for (std::size_t first = 0; first < count; first += kWordBits) {
    const std::size_t end = std::min(count, first + kWordBits);
    std::uint64_t word = 0;
    for (std::size_t i = first; i < end; ++i) {
      const std::size_t ahead = std::min(i + kAhead, count - 1);
      _mm_prefetch(reinterpret_cast<const char*>(column_bins + rows[ahead].row * stride),
                   _MM_HINT_T0);
      word |= std::uint64_t{goes_left[column_bins[rows[i].row * stride]]} << (i - first);
    }
    bits[first / kWordBits] = word;
  }
}

std::size_t PartitionByBits(const std::uint64_t* bits, RowGradient* rows, std::size_t count,
                            RowGradient* left, RowGradient* right) {
  constexpr std::size_t kWordBits = 64;
  std::size_t lefts = 0;
  for (std::size_t first = 0; first < count; first += kWordBits) {
    const std::size_t end = std::min(count, first + kWordBits);
    std::uint64_t word = bits[first / kWordBits];
    for (std::size_t i = first; i < end; ++i) {
      const RowGradient row = rows[i];
      left[lefts] = row;
      right[i - lefts] = row;
      lefts += word & 1;
      word >>= 1;
    }
  }
  return lefts;
}

}  // namespace ps
