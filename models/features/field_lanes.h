// Four fields of a row at a time: where the vectors of the hot path come from. Pure; any thread.
#pragma once

#include <immintrin.h>

#include <cstdint>

#include "models/features/number.h"
#include "models/features/row_program.h"

namespace ps {

// The columns of four features; where there are fewer, the last lanes are of no concern.
struct FieldLanes {
  std::uint32_t column[4];
  bool neighbours;  // four columns of the table, each right of the one before
};

// The first eight bytes of each field (and of what follows it), and the fields' sizes.
struct FieldHeads {
  __m256i head;
  __m256i size;
};

// A field without the spaces around it, if kTrim.
template <bool kTrim>
inline std::string_view FieldOf(const RowText& row, std::uint32_t column) {
  std::string_view field = row.field(column);
  if constexpr (kTrim) {
    while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
    while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
  }
  return field;
}

template <bool kTrim>
[[gnu::always_inline]] inline FieldHeads LoadHeads(const RowText& row, const FieldLanes& lanes) {
  const auto word = [](std::uint64_t x) { return static_cast<long long>(x); };
  if (kTrim || !lanes.neighbours) {
    std::string_view field[4];
    for (int i = 0; i < 4; ++i) field[i] = FieldOf<kTrim>(row, lanes.column[i]);
    return {_mm256_set_epi64x(word(Load8(field[3].data())), word(Load8(field[2].data())),
                              word(Load8(field[1].data())), word(Load8(field[0].data()))),
            _mm256_set_epi64x(word(field[3].size()), word(field[2].size()), word(field[1].size()),
                              word(field[0].size()))};
  }
  const std::uint32_t* const end = row.end + lanes.column[0];
  const __m128i ends = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end));
  const __m128i before = _mm_loadu_si128(reinterpret_cast<const __m128i*>(end - 1));
  // Less one, which is plus a vector of minus ones.
  const __m128i sizes = _mm_add_epi32(_mm_sub_epi32(ends, before), _mm_cmpeq_epi32(ends, ends));
  const auto head = [&](int i) { return word(Load8(row.text + (end[i - 1] + 1))); };
  return {_mm256_set_epi64x(head(3), head(2), head(1), head(0)), _mm256_cvtepu32_epi64(sizes)};
}

}  // namespace ps
