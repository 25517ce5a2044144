// Where the features of a row begin and end, 64 bytes at a time.
// GCC 12 takes what its own intrinsics leave undefined for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <array>
#include <bit>

#include "models/data/value_row_avx512.h"
#include "models/data/wide_functions.h"

namespace ps {
namespace {

alignas(64) constexpr auto kIdentity = [] {
  std::array<std::uint8_t, 64> numbers{};
  for (int i = 0; i < 64; ++i) numbers[i] = static_cast<std::uint8_t>(i);
  return numbers;
}();

// The places of 64 bytes.
PS_WIDE_INLINE std::uint32_t* WritePlacesOf64(__mmask64 marks, __m512i base, std::uint32_t* out) {
  std::uint32_t* const end = out + std::popcount(marks);
  while (true) {
    const __m512i packed = _mm512_maskz_compress_epi8(marks, _mm512_load_si512(kIdentity.data()));
    _mm512_storeu_si512(
        out, _mm512_add_epi32(_mm512_cvtepu8_epi32(_mm512_castsi512_si128(packed)), base));
    out += 16;
    if (out >= end) [[likely]]
      return end;
    marks &= ~_pdep_u64(0xffff, marks);
  }
}

}  // namespace

bool WideRow::Supported() {
  static const bool supported =
      __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
      __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512vbmi") &&
      __builtin_cpu_supports("avx512vbmi2");
  return supported;
}

PS_WIDE void WideRow::FindPlaces(const char* begin, const char* end, std::size_t most,
                                 RowPlaces places, std::size_t* colons, std::size_t* stops) {
  std::uint32_t* colon = places.colon;
  std::uint32_t* stop = places.stop;
  const std::uint32_t* const last_colon = colon + most;
  const std::uint32_t* const last_stop = stop + most;
  __m512i base = _mm512_setzero_si512();
  for (const char* at = begin; end - at >= 64 && stop <= last_stop && colon <= last_colon;
       at += 64) {
    const __m512i piece = _mm512_loadu_si512(at);
    const __mmask64 newline = _mm512_cmpeq_epi8_mask(piece, _mm512_set1_epi8('\n'));
    const __mmask64 in_row = newline ^ (newline - 1);  // up to the newline; all when there is none
    const __mmask64 stop_marks = _mm512_cmpeq_epi8_mask(piece, _mm512_set1_epi8(' ')) | newline;
    const __mmask64 colon_marks = _mm512_cmpeq_epi8_mask(piece, _mm512_set1_epi8(':'));
    colon = WritePlacesOf64(colon_marks & in_row, base, colon);
    stop = WritePlacesOf64(stop_marks & in_row, base, stop);
    if (newline != 0) break;
    base = _mm512_add_epi32(base, _mm512_set1_epi32(64));
  }
  *colons = static_cast<std::size_t>(colon - places.colon);
  *stops = static_cast<std::size_t>(stop - places.stop);
}

}  // namespace ps
