#include "models/data/value_row.h"

#include <immintrin.h>

#include <algorithm>

#include "models/data/float_text.h"
#include "models/data/four_floats.h"
#include "models/data/index_keys.h"
#include "models/data/short_float.h"

namespace ps {
namespace {

std::uint64_t Equal(__m256i low, __m256i high, char wanted) {
  const __m256i all = _mm256_set1_epi8(wanted);
  const auto a = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(low, all)));
  const auto b = static_cast<std::uint32_t>(_mm256_movemask_epi8(_mm256_cmpeq_epi8(high, all)));
  return a | (std::uint64_t{b} << 32);
}

// Eight places are written whether or not there are as many, which saves a branch for each.
std::uint32_t* WritePlaces(std::uint64_t marks, std::uint32_t base, std::uint32_t* out) {
  std::uint32_t* const end = out + _mm_popcnt_u64(marks);
  do {
#pragma GCC unroll 8
    for (std::size_t i = 0; i < 8; ++i) {
      out[i] = base + static_cast<std::uint32_t>(_tzcnt_u64(marks));
      marks = _blsr_u64(marks);
    }
    out += 8;
  } while (marks != 0);
  return end;
}

// One to four values, by whatever way it takes.
bool ReadOddValues(const char* begin, const char* end, RowPlaces places, std::size_t first,
                   std::size_t last, float* values) {
  for (std::size_t i = first; i < last; ++i) {
    const char* const text = begin + places.colon[i] + 1;
    const char* const stop = begin + places.stop[i];
    if (ReadShortFloat(text, stop, &values[i])) continue;
    const ParsedFloat parsed = ParseFloat(text, end);
    if (parsed.result != FloatText::kOk || parsed.end != stop) return false;
    values[i] = parsed.value;
  }
  return true;
}

void FindPlacesAvx2(const char* begin, const char* end, std::size_t most, RowPlaces places,
                    std::size_t* colons, std::size_t* stops) {
  std::uint32_t* colon = places.colon;
  std::uint32_t* stop = places.stop;
  const std::uint32_t* const last_colon = colon + most;
  const std::uint32_t* const last_stop = stop + most;
  bool ended = false;
  for (const char* at = begin; !ended && end - at >= 64 && stop <= last_stop && colon <= last_colon;
       at += 64) {
    const __m256i low = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at));
    const __m256i high = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(at + 32));
    const std::uint64_t newline = Equal(low, high, '\n');
    const std::uint64_t in_row =
        newline ^ (newline - 1);  // up to the newline; all when there is none
    const auto base = static_cast<std::uint32_t>(at - begin);
    colon = WritePlaces(Equal(low, high, ':') & in_row, base, colon);
    stop = WritePlaces((Equal(low, high, ' ') | newline) & in_row, base, stop);
    ended = newline != 0;
  }
  *colons = static_cast<std::size_t>(colon - places.colon);
  *stops = static_cast<std::size_t>(stop - places.stop);
}

}  // namespace

ValueRow::ValueRow(Simd simd) : wide_(simd == Simd::kBest && WideRow::Supported()) {
  stop_[-1] = ~std::uint32_t{0};
}

// Returns the number of features, colon and stop of each noted; 0 when colons and stops do not take
// turns.
std::size_t ValueRow::FindPlaces(const char* begin, const char* end) {
  std::size_t colons = 0, stops = 0;
  const RowPlaces places = {colon_, stop_};
  (wide_ ? WideRow::FindPlaces : FindPlacesAvx2)(begin, end, kMostFeatures - 32, places, &colons,
                                                 &stops);
  // A feature whose end was not reached is left for the next call.
  if (stops > colons || stops == 0) return 0;
  // What lies behind the last must be harmless.
  std::fill_n(stop_ + stops, 4, stop_[stops - 1]);
  std::fill_n(colon_ + stops, 8, colon_[stops - 1]);
  return stops;
}

bool ValueRow::ReadKeys(const char* begin, std::size_t count, Key* keys, Result* result,
                        std::int64_t* last_index) {
  std::uint32_t before = ~std::uint32_t{0};
  std::uint32_t wrong = 0;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint32_t digits = colon_[i] - before - 1;
    const std::uint32_t bytes = stop_[i] - colon_[i] - 1;
    wrong |=
        static_cast<std::uint32_t>(digits - 1 > 15) | static_cast<std::uint32_t>(bytes - 1 > 63);
    digits_[i] = digits;
    before = stop_[i];
  }
  if (wrong != 0) return false;
  std::fill_n(digits_ + count, 8, 0u);
  __m256i earlier = _mm256_set1_epi64x(*last_index);  // its last lane is the index before
  __m256i ascends = _mm256_set1_epi64x(-1);
  __m256i bad = _mm256_setzero_si256();
  const __m256i nine = _mm256_set1_epi8(9);
  alignas(32) std::int64_t indices[4];
  for (std::size_t done = 0; done < count; done += 4) {
    const __m256i even = DigitsBefore(begin, colon_ + done, digits_ + done);
    const __m256i odd = DigitsBefore(begin, colon_ + done + 1, digits_ + done + 1);
    bad = _mm256_or_si256(bad, _mm256_subs_epu8(_mm256_max_epu8(even, odd), nine));
    const __m256i index = FourNumbers(FourDigitGroups(even), FourDigitGroups(odd));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(keys + done), IndexKeys(index));
    const __m256i previous = _mm256_blend_epi32(_mm256_permute4x64_epi64(index, 0x90),
                                                _mm256_permute4x64_epi64(earlier, 0xff), 0x03);
    __m256i rises = _mm256_cmpgt_epi64(index, previous);
    const std::size_t left = count - done;
    if (left <= 4) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(indices), index);
      const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
      const __m256i last_lane = _mm256_set1_epi64x(static_cast<std::int64_t>(left) - 1);
      rises = _mm256_or_si256(rises, _mm256_cmpgt_epi64(lane, last_lane));
    }
    ascends = _mm256_and_si256(ascends, rises);
    earlier = index;
  }
  if (_mm256_testz_si256(bad, bad) == 0) return false;
  result->ascending = _mm256_movemask_epi8(ascends) == -1;
  *last_index = indices[(count - 1) % 4];
  return true;
}

bool ValueRow::ReadValues(const char* begin, const char* end, std::size_t count, float* values,
                          bool* has_zero) {
  __m128 zero = _mm_setzero_ps();
  for (std::size_t i = 0; i < count; i += 4) {
    // As in the values before, exponents are looked for first or last.
    if (exponents_ ? !ReadFourFloats<true>(begin, colon_ + i, stop_ + i, values + i)
                   : !ReadFourFloats<false>(begin, colon_ + i, stop_ + i, values + i))
        [[unlikely]] {
      if (!exponents_ && ReadFourFloats<true>(begin, colon_ + i, stop_ + i, values + i)) {
        exponents_ = true;
      } else if (!ReadOddValues(begin, end, {colon_, stop_}, i, std::min(i + 4, count), values)) {
        return false;
      }
    }
    zero = _mm_or_ps(zero, _mm_cmpeq_ps(_mm_loadu_ps(values + i), _mm_setzero_ps()));
  }
  *has_zero = _mm_movemask_ps(zero) != 0;
  return true;
}

bool ValueRow::ReadFeatures(const char* begin, const char* end, std::size_t count, Key* keys,
                            float* values, Result* result, bool* has_zero,
                            std::int64_t* last_index) {
  if (wide_ && end - (begin + stop_[count - 1]) >= WideRow::kReadableBehind) {
    const WideRow::Features row =
        wide_row_.Read(begin, end, count, {colon_, stop_}, ReadOddValues, last_index, keys, values);
    result->ascending = row.ascending;
    *has_zero = row.has_zero;
    if (row.result != WideRow::Result::kTooWide) return row.result == WideRow::Result::kRead;
  }
  return ReadKeys(begin, count, keys, result, last_index) &&
         ReadValues(begin, end, count, values, has_zero);
}

ValueRow::Result ValueRow::Read(const char** p, const char* end, std::int64_t* last_index,
                                Key* keys, float* values) {
  Result result;
  const char* const begin = *p;
  std::int64_t last = *last_index;
  // ParseFloat and the loads behind a value's begin want bytes behind the row.
  const std::size_t count = FindPlaces(begin, end - kFloatReadableBehind);
  bool has_zero = false;
  if (count == 0 || !ReadFeatures(begin, end, count, keys, values, &result, &has_zero, &last)) {
    return result;
  }
  result.count = count;
  if (has_zero) {
    // The caller looks for wrong indices among the keys where they do not ascend: none may be
    // missing.
    if (!result.ascending) return result;
    result.count = 0;
    for (std::size_t i = 0; i < count; ++i) {
      keys[result.count] = keys[i];
      values[result.count] = values[i];
      result.count += values[i] != 0;
    }
  }
  result.found = count;
  *last_index = last;
  *p = begin + stop_[count - 1];
  return result;
}

}  // namespace ps
