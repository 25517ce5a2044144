#include "models/data/feature_index.h"

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "models/data/index_keys.h"

namespace ps {
namespace {

constexpr std::ptrdiff_t kPrefetchBytes = 2048;  // ahead; beyond the text it does no harm

struct SixtyFour {
  __m256i low, high;
};

std::uint64_t Bits(__m256i low, __m256i high) {
  const auto a = static_cast<std::uint32_t>(_mm256_movemask_epi8(low));
  const auto b = static_cast<std::uint32_t>(_mm256_movemask_epi8(high));
  return a | (std::uint64_t{b} << 32);
}

// Bit i: the byte at i is `wanted`.
std::uint64_t Equal(SixtyFour text, char wanted) {
  const __m256i all = _mm256_set1_epi8(wanted);
  return Bits(_mm256_cmpeq_epi8(text.low, all), _mm256_cmpeq_epi8(text.high, all));
}

// Bit i: the byte at i is a digit.
std::uint64_t Digits(SixtyFour text) {
  const __m256i zero = _mm256_set1_epi8('0');
  const __m256i nine = _mm256_set1_epi8(9);
  const __m256i low = _mm256_sub_epi8(text.low, zero);
  const __m256i high = _mm256_sub_epi8(text.high, zero);
  return Bits(_mm256_cmpeq_epi8(_mm256_min_epu8(low, nine), low),
              _mm256_cmpeq_epi8(_mm256_min_epu8(high, nine), high));
}

}  // namespace

void FeatureIndex::Build(const char* begin, const char* end) {
  if (places_ == nullptr) places_.reset(new Places);  // not make_unique, which fills with zeros
  begin_ = begin;
  bytes_ = std::min<std::size_t>(static_cast<std::size_t>(end - begin), kWindowBytes);
  next_break_ = 0;
  next_colon_ = 1;
  std::uint32_t* colon = places_->colon + 1;
  PatternBreak* breaks = places_->breaks;
  std::uint64_t earlier_colons = 0;  // of the sixty-four bytes before
  char padded[64];
  for (std::size_t at = 0; at < bytes_; at += 64) {
    const char* source = begin + at;
    _mm_prefetch(source + kPrefetchBytes, _MM_HINT_T0);
    if (bytes_ - at < 64) {
      std::memset(padded, '\n', sizeof(padded));
      std::memcpy(padded, source, bytes_ - at);
      source = padded;
    }
    const SixtyFour text = {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(source)),
                            _mm256_loadu_si256(reinterpret_cast<const __m256i*>(source + 32))};
    std::uint64_t colons = Equal(text, ':');
    const std::uint64_t value_places = (colons << 1) | (earlier_colons >> 63);
    const std::uint64_t blank_places = (colons << 2) | (earlier_colons >> 62);
    std::uint64_t odd = (~Digits(text) ^ (colons | blank_places)) |
                        (blank_places & ~Equal(text, ' ')) | (value_places & ~Equal(text, '1'));
    earlier_colons = colons;
    const auto base = static_cast<std::uint32_t>(at);
    const auto colons_before = static_cast<std::uint32_t>(colon - places_->colon);
    while (odd != 0) {
      const auto bit = static_cast<std::uint32_t>(_tzcnt_u64(odd));
      *breaks++ = {base + bit, colons_before + static_cast<std::uint32_t>(
                                                   _mm_popcnt_u64(_bzhi_u64(colons, bit)))};
      odd = _blsr_u64(odd);
    }
    // Eight places are written whether or not there are as many, which saves a branch for each.
    const auto count = static_cast<std::size_t>(_mm_popcnt_u64(colons));
    for (std::size_t done = 0;;) {
#pragma GCC unroll 8
      for (std::size_t i = 0; i < 8; ++i) {
        colon[done + i] = base + static_cast<std::uint32_t>(_tzcnt_u64(colons));
        colons = _blsr_u64(colons);
      }
      done += 8;
      if (count <= done) break;
    }
    colon += count;
  }
  // Keys are made four at a time and places measured eight at a time: what lies behind the last
  // colon must be harmless, and the bytes in front of the window are readable.
  std::fill_n(colon, 8, 0u);
  *breaks = {static_cast<std::uint32_t>(bytes_),
             static_cast<std::uint32_t>(colon - places_->colon)};
}

FeatureIndex::Run FeatureIndex::ReadRun(const char** p, std::int64_t* last_index, Key* keys) {
  const auto place = static_cast<std::uint32_t>(*p - begin_);
  while (places_->breaks[next_break_].place < place) ++next_break_;
  const PatternBreak& stop = places_->breaks[next_break_];
  if (next_break_ > 0) {
    next_colon_ =
        std::max<std::size_t>(next_colon_, places_->breaks[next_break_ - 1].colons_before);
  }
  // At most one is left over from a feature that was read otherwise.
  while (next_colon_ < stop.colons_before && places_->colon[next_colon_] < place) ++next_colon_;
  Run run;
  run.at_window_end = stop.place >= bytes_;
  std::size_t count = stop.colons_before - next_colon_;
  if (count == 0) return run;
  // The last feature is whole when its value and what ends it lie before the break, or when the
  // break is the end of a row.
  const std::uint32_t end = places_->colon[next_colon_ + count - 1] + 2;
  const bool whole = end < stop.place || (end == stop.place && end < bytes_ && begin_[end] == '\n');
  count -= !whole;
  run.count = Measure(place, next_colon_, count);
  run.at_window_end &= run.count == count;
  if (run.count == 0) return run;
  run.ascending = WriteKeys(next_colon_, run.count, keys, last_index);
  next_colon_ += run.count;
  *p = begin_ + places_->colon[next_colon_ - 1] + 2;
  return run;
}

// How many of `count` features from the colon `first` on, the first of which begins at `begin`,
// have an index of 1 to 16 digits: up to the first that has not.
std::size_t FeatureIndex::Measure(std::uint32_t begin, std::size_t first, std::size_t count) {
  std::uint32_t* places = places_->colon + first;
  std::uint32_t* lengths = places_->digits + first;
  // The feature begins behind the blank that follows the value of the one before, three bytes on.
  places[-1] = begin - 3;
  const __m256i three = _mm256_set1_epi32(3);
  const __m256i most = _mm256_set1_epi32(16);
  std::size_t good = 0;
  while (good < count) {
    const __m256i here = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(places + good));
    const __m256i before = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(places + good - 1));
    const __m256i digits = _mm256_sub_epi32(_mm256_sub_epi32(here, before), three);
    const __m256i capped = _mm256_min_epu32(digits, most);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(lengths + good), capped);
    const __m256i is_bad = _mm256_or_si256(_mm256_xor_si256(digits, capped),
                                           _mm256_cmpeq_epi32(digits, _mm256_setzero_si256()));
    const __m256i is_good = _mm256_cmpeq_epi32(is_bad, _mm256_setzero_si256());
    const auto good_lanes =
        static_cast<std::uint32_t>(_mm256_movemask_ps(_mm256_castsi256_ps(is_good)));
    if (good_lanes != 0xff) {
      return std::min<std::size_t>(count, good + _tzcnt_u32(~good_lanes));
    }
    good += 8;
  }
  return count;
}

bool FeatureIndex::WriteKeys(std::size_t first, std::size_t count, Key* keys,
                             std::int64_t* last_index) const {
  const std::uint32_t* places = places_->colon + first;
  const std::uint32_t* digits = places_->digits + first;
  __m256i earlier = _mm256_set1_epi64x(*last_index);  // its last lane is the index before
  __m256i ascends = _mm256_set1_epi64x(-1);
  alignas(32) std::int64_t indices[4];
  std::size_t done = 0;
  while (done < count) {
    // Lanes: features 0 and 2, 1 and 3; packing them brings the four into order.
    const __m256i even = FourDigitGroups(DigitsBefore(begin_, places + done, digits + done));
    const __m256i odd = FourDigitGroups(DigitsBefore(begin_, places + done + 1, digits + done + 1));
    const __m256i index = FourNumbers(even, odd);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(keys + done), IndexKeys(index));
    const __m256i before = _mm256_blend_epi32(_mm256_permute4x64_epi64(index, 0x90),
                                              _mm256_permute4x64_epi64(earlier, 0xff), 0x03);
    __m256i rises = _mm256_cmpgt_epi64(index, before);
    const std::size_t left = count - done;
    if (left <= 4) {
      _mm256_store_si256(reinterpret_cast<__m256i*>(indices), index);
      *last_index = indices[left - 1];
      const __m256i lane = _mm256_setr_epi64x(0, 1, 2, 3);
      const __m256i last_lane = _mm256_set1_epi64x(static_cast<std::int64_t>(left) - 1);
      rises = _mm256_or_si256(rises, _mm256_cmpgt_epi64(lane, last_lane));
    }
    ascends = _mm256_and_si256(ascends, rises);
    earlier = index;
    done += 4;
  }
  return _mm256_movemask_epi8(ascends) == -1;
}

}  // namespace ps
