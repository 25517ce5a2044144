#include "models/features/delimiter_index.h"

#include <immintrin.h>

#include <bit>

namespace ps {
namespace {

// Where Build writes, and the marks it looks for.
struct Scan {
  std::uint32_t* ends;
  std::uint32_t* line_last;
  std::uint32_t count = 0;
  std::uint32_t lines = 0;
  std::uint64_t quotes = 0;
};

struct Marks {
  std::uint64_t newline, any, quote;  // bit i is byte i of 64
};

// Takes note of the lines that end among 64 bytes, and forgets what lies beyond the text's end.
inline void AddLines(std::uint32_t at, std::uint32_t bytes, Marks* marks, Scan* scan) {
  if (bytes - at < 64) {
    const std::uint64_t inside = (std::uint64_t{1} << (bytes - at)) - 1;
    marks->newline &= inside;
    marks->any &= inside;
  }
  scan->quotes |= marks->quote;
  for (std::uint64_t left = marks->newline; left != 0; left &= left - 1) {
    const std::uint64_t up_to_it = left ^ (left - 1);
    scan->line_last[scan->lines++] =
        scan->count + static_cast<std::uint32_t>(std::popcount(marks->any & up_to_it)) - 1;
  }
}

inline std::uint64_t Equal(__m256i low, __m256i high, __m256i wanted) {
  const auto low_bits =
      static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, wanted)));
  const auto high_bits =
      static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, wanted)));
  return low_bits | static_cast<std::uint64_t>(high_bits) << 32;
}

void ScanAvx2(const char* text, std::uint32_t bytes, char delimiter, char quote, Scan* scan) {
  const __m256i delimiters = _mm256_set1_epi8(delimiter);
  const __m256i newlines = _mm256_set1_epi8('\n');
  // Without quoting, newlines stand in for quotes, and Build knows better.
  const __m256i quotes = _mm256_set1_epi8(quote == 0 ? '\n' : quote);
  for (std::uint32_t at = 0; at < bytes; at += 64) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + at));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(text + at + 32));
    Marks marks;
    marks.newline = Equal(low, high, newlines);
    marks.any = Equal(low, high, delimiters) | marks.newline;
    marks.quote = Equal(low, high, quotes);
    AddLines(at, bytes, &marks, scan);
    // Sixteen positions are written without asking how many there are: cheaper than a branch for
    // each.
    std::uint32_t* out = scan->ends + scan->count;
    scan->count += static_cast<std::uint32_t>(std::popcount(marks.any));
    std::uint64_t any = marks.any;
    do {
      for (int i = 0; i < 16; ++i) {
        out[i] = at + static_cast<std::uint32_t>(_tzcnt_u64(any));
        any &= any - 1;
      }
      out += 16;
    } while (any != 0);
  }
}

[[gnu::target("avx512f,avx512bw,avx512vbmi2,avx2,bmi,bmi2,popcnt")]] void ScanAvx512(
    const char* text, std::uint32_t bytes, char delimiter, char quote, Scan* scan) {
  const __m512i delimiters = _mm512_set1_epi8(delimiter);
  const __m512i newlines = _mm512_set1_epi8('\n');
  const __m512i quotes = _mm512_set1_epi8(quote == 0 ? '\n' : quote);
  alignas(64) char numbers[64];
  for (int i = 0; i < 64; ++i) numbers[i] = static_cast<char>(i);
  const __m512i places = _mm512_load_si512(numbers);
  for (std::uint32_t at = 0; at < bytes; at += 64) {
    const __m512i piece = _mm512_loadu_si512(text + at);
    Marks marks;
    marks.newline = _mm512_cmpeq_epi8_mask(piece, newlines);
    marks.any = _mm512_cmpeq_epi8_mask(piece, delimiters) | marks.newline;
    marks.quote = _mm512_cmpeq_epi8_mask(piece, quotes);
    AddLines(at, bytes, &marks, scan);
    std::uint32_t* out = scan->ends + scan->count;
    const auto found = static_cast<std::uint32_t>(std::popcount(marks.any));
    scan->count += found;
    const __m512i base = _mm512_set1_epi32(static_cast<int>(at));
    const __m512i packed = _mm512_maskz_compress_epi8(marks.any, places);
    const __m128i first = _mm512_castsi512_si128(packed);
    _mm512_storeu_si512(out, _mm512_add_epi32(_mm512_cvtepu8_epi32(first), base));
    if (found > 16) [[unlikely]] {
      const __m128i second = _mm512_extracti32x4_epi32(packed, 1);
      const __m128i third = _mm512_extracti32x4_epi32(packed, 2);
      const __m128i fourth = _mm512_extracti32x4_epi32(packed, 3);
      _mm512_storeu_si512(out + 16, _mm512_add_epi32(_mm512_cvtepu8_epi32(second), base));
      _mm512_storeu_si512(out + 32, _mm512_add_epi32(_mm512_cvtepu8_epi32(third), base));
      _mm512_storeu_si512(out + 48, _mm512_add_epi32(_mm512_cvtepu8_epi32(fourth), base));
    }
  }
}

const auto kScan = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                           __builtin_cpu_supports("avx512vbmi2")
                       ? ScanAvx512
                       : ScanAvx2;

}  // namespace

void DelimiterIndex::Reserve(std::uint32_t bytes) {
  if (bytes <= reserved_) return;
  // Every byte may be a delimiter, and a step writes up to 64 positions beyond the last.
  ends_ = std::make_unique_for_overwrite<std::uint32_t[]>(std::size_t{bytes} + 1 + 64 + 64);
  line_last_ = std::make_unique_for_overwrite<std::uint32_t[]>(std::size_t{bytes} + 64);
  reserved_ = bytes;
}

void DelimiterIndex::Build(const char* text, std::uint32_t bytes, char delimiter, char quote,
                           Simd simd) {
  Reserve(bytes);
  ends_[0] = ~std::uint32_t{0};
  Scan scan{ends_.get() + 1, line_last_.get()};
  (simd == Simd::kBest ? kScan : ScanAvx2)(text, bytes, delimiter, quote, &scan);
  lines_ = scan.lines;
  has_quote_ = quote != 0 && scan.quotes != 0;
}

}  // namespace ps
