#include "models/features/delimiter_index.h"

#include <immintrin.h>

#include <bit>

namespace ps {
namespace {

struct Bytes64 {
  __m256i low, high;
};

inline Bytes64 Load64(const char* at) {
  return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(at)),
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32))};
}

inline std::uint64_t Equal(const Bytes64& bytes, __m256i wanted) {
  const auto low = static_cast<std::uint32_t>(
      _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes.low, wanted)));
  const auto high = static_cast<std::uint32_t>(
      _mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes.high, wanted)));
  return low | static_cast<std::uint64_t>(high) << 32;
}

}  // namespace

void DelimiterIndex::Reserve(std::uint32_t bytes) {
  if (bytes <= reserved_) return;
  // Every byte may be a delimiter, and a step writes up to eight positions beyond the last.
  ends_ = std::make_unique_for_overwrite<std::uint32_t[]>(std::size_t{bytes} + 64 + 16);
  line_last_ = std::make_unique_for_overwrite<std::uint32_t[]>(std::size_t{bytes} + 64);
  reserved_ = bytes;
}

void DelimiterIndex::Build(const char* text, std::uint32_t bytes, char delimiter, char quote) {
  Reserve(bytes);
  ends_[0] = ~std::uint32_t{0};
  std::uint32_t* const ends = ends_.get() + 1;
  std::uint32_t count = 0;
  std::uint32_t lines = 0;
  std::uint64_t quotes = 0;
  const __m256i delimiters = _mm256_set1_epi8(delimiter);
  const __m256i newlines = _mm256_set1_epi8('\n');
  const __m256i quote_marks = _mm256_set1_epi8(quote);
  for (std::uint32_t at = 0; at < bytes; at += 64) {
    const Bytes64 piece = Load64(text + at);
    std::uint64_t newline = Equal(piece, newlines);
    std::uint64_t any = Equal(piece, delimiters) | newline;
    if (quote != 0) quotes |= Equal(piece, quote_marks);
    if (at + 64 > bytes) {
      const std::uint64_t inside = (std::uint64_t{1} << (bytes - at)) - 1;
      newline &= inside;
      any &= inside;
    }
    for (; newline != 0; newline &= newline - 1) {
      line_last_[lines++] = count + std::popcount(any & (newline ^ (newline - 1))) - 1;
    }
    // Eight positions are written without asking how many there are: cheaper than a branch for each.
    std::uint32_t* out = ends + count;
    count += std::popcount(any);
    while (any != 0) {
      for (int i = 0; i < 8; ++i) {
        out[i] = at + static_cast<std::uint32_t>(_tzcnt_u64(any));
        any &= any - 1;
      }
      out += 8;
    }
  }
  lines_ = lines;
  has_quote_ = quotes != 0;
}

}  // namespace ps
