#include "models/data/value_row_avx512.h"

// GCC 12 takes what its own intrinsics leave undefined for a mistake (its bug 105593).
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>

#include <algorithm>
#include <array>

#include "models/data/short_float.h"
#include "models/data/wide_functions.h"

namespace ps {
namespace {

// A vector has a lane of sixteen bytes for each of four features.
alignas(64) constexpr auto kByteFromEnd = [] {
  std::array<std::int8_t, 64> numbers{};
  for (int i = 0; i < 64; ++i) numbers[i] = static_cast<std::int8_t>(i % 16 - 16);
  return numbers;
}();
// The lowest byte of each of four 32-bit numbers, to all bytes of its lane.
alignas(64) constexpr auto kSpread = [] {
  std::array<std::uint8_t, 64> from{};
  for (int i = 0; i < 64; ++i) from[i] = static_cast<std::uint8_t>(i / 16 * 4);
  return from;
}();
alignas(64) constexpr std::int64_t kEvenThenOdd[8] = {0, 2, 4, 6, 1, 3, 5, 7};

// What the compiler would otherwise make anew each time from an immediate.
template <typename Vector>
PS_WIDE_INLINE Vector InRegister(Vector constant) {
  asm("" : "+v"(constant));
  return constant;
}

// The 128 bytes that four features lie in.
struct Window {
  __m512i low, high;
};

struct DigitConstants {
  __m512i spread, from_end, zero, nine, point, minus, one, tens, hundreds, ten_thousands,
      hundred_millions, even_odd;
};
PS_WIDE_INLINE DigitConstants MakeDigitConstants() {
  return {InRegister(_mm512_load_si512(kSpread.data())),
          InRegister(_mm512_load_si512(kByteFromEnd.data())),
          InRegister(_mm512_set1_epi8('0')),
          InRegister(_mm512_set1_epi8(9)),
          InRegister(_mm512_set1_epi8('.')),
          InRegister(_mm512_set1_epi8('-')),
          InRegister(_mm512_set1_epi8(1)),
          InRegister(_mm512_set1_epi16(0x010a)),      // 10, 1
          InRegister(_mm512_set1_epi32(0x00010064)),  // 100, 1
          InRegister(_mm512_set1_epi32(0x00012710)),  // 10000, 1
          InRegister(_mm512_set1_epi64(100000000)),
          InRegister(_mm512_load_si512(kEvenThenOdd))};
}

PS_WIDE_INLINE __m512i Spread(const DigitConstants& c, __m128i numbers) {
  return _mm512_permutexvar_epi8(c.spread, _mm512_castsi128_si512(numbers));
}

// Four groups of four digits each.
PS_WIDE_INLINE __m512i DigitGroups(const DigitConstants& c, __m512i digits) {
  return _mm512_madd_epi16(_mm512_maddubs_epi16(digits, c.tens), c.hundreds);
}

// The four numbers of the first, then those of the second.
PS_WIDE_INLINE __m512i Numbers(const DigitConstants& c, __m512i first_groups,
                               __m512i second_groups) {
  const __m512i eights =
      _mm512_madd_epi16(_mm512_packus_epi32(first_groups, second_groups), c.ten_thousands);
  const __m512i sixteens =
      _mm512_add_epi64(_mm512_mul_epu32(eights, c.hundred_millions), _mm512_srli_epi64(eights, 32));
  return _mm512_permutexvar_epi64(c.even_odd, sixteens);
}

// Takes "e+07" from the values' ends where it is there. An exponent out of the ordinary is
// kNoExponent.
constexpr int kNoExponent = 1000;
PS_WIDE_INLINE __m128i TakeExponents(const Window& window, __m128i colon, __m128i* stop) {
  // The four bytes in front of each stop.
  const __m128i at = _mm_add_epi8(
      _mm_shuffle_epi8(*stop, _mm_setr_epi8(0, 0, 0, 0, 4, 4, 4, 4, 8, 8, 8, 8, 12, 12, 12, 12)),
      _mm_set1_epi32(static_cast<int>(0xfffefdfcu)));
  const __m128i last = _mm512_castsi512_si128(
      _mm512_permutex2var_epi8(window.low, _mm512_castsi128_si512(at), window.high));
  const __mmask8 long_enough = _mm_cmpgt_epi32_mask(_mm_sub_epi32(*stop, colon), _mm_set1_epi32(5));
  const __mmask8 has = _mm_mask_cmpeq_epi32_mask(
      long_enough, _mm_and_si128(last, _mm_set1_epi32(0xdf)), _mm_set1_epi32('E'));
  const __m128i sign = _mm_and_si128(_mm_srli_epi32(last, 8), _mm_set1_epi32(0xff));
  const __mmask8 minus = _mm_mask_cmpeq_epi32_mask(has, sign, _mm_set1_epi32('-'));
  const __mmask8 plus = _mm_mask_cmpeq_epi32_mask(has, sign, _mm_set1_epi32('+'));
  const __m128i digits = _mm_maskz_sub_epi8(0xcccc, last, _mm_set1_epi8('0'));
  const __m128i above_nine = _mm_subs_epu8(digits, _mm_set1_epi8(9));
  const __mmask8 wrong =
      _mm_mask_test_epi32_mask(has, above_nine, above_nine) | (has & ~(minus | plus));
  // 10 * tens + ones, in the upper half.
  const __m128i number =
      _mm_maskz_srli_epi32(has, _mm_maddubs_epi16(digits, _mm_set1_epi32(0x010a0000)), 16);
  *stop = _mm_mask_sub_epi32(*stop, has, *stop, _mm_set1_epi32(4));
  const __m128i exponent = _mm_mask_sub_epi32(number, minus, _mm_setzero_si128(), number);
  return _mm_mask_set1_epi32(exponent, wrong, kNoExponent);
}

// Of each field of sixteen bits, those up to its only one below bit 15; none where none is set.
std::uint64_t UpToTheOne(std::uint64_t ones) {
  constexpr std::uint64_t kTop = 0x8000800080008000u;
  const std::uint64_t less_one = (ones | kTop) - 0x0001000100010001u;
  const std::uint64_t has_one = less_one & kTop;
  return (less_one & (has_one - (has_one >> 15))) | ones;
}

PS_WIDE_INLINE __m128i LoadPlaces(const std::uint32_t* from, __m128i base) {
  return _mm_sub_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)), base);
}

PS_WIDE_INLINE __m256i EightMasks(const std::uint16_t* masks) {
  return _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(masks)));
}

PS_WIDE_INLINE __mmask16 FirstLanes(std::size_t count) {
  return count >= 16 ? 0xffff : static_cast<__mmask16>((1u << count) - 1);
}

// One to sixteen digits, and a byte of a value or more.
PS_WIDE_INLINE bool LengthsAreUsual(std::size_t count, RowPlaces places) {
  __mmask16 wrong = 0;
  for (std::size_t i = 0; i < count; i += 16) {
    const __m512i before = _mm512_loadu_si512(places.stop + i - 1);
    const __m512i colon = _mm512_loadu_si512(places.colon + i);
    const __m512i stop = _mm512_loadu_si512(places.stop + i);
    const __mmask16 there = FirstLanes(count - i);
    const __m512i digits_less_one =
        _mm512_sub_epi32(_mm512_sub_epi32(colon, before), _mm512_set1_epi32(2));
    wrong |=
        _mm512_mask_cmpge_epu32_mask(there, digits_less_one, _mm512_set1_epi32(16)) |
        _mm512_mask_cmple_epi32_mask(there, _mm512_sub_epi32(stop, colon), _mm512_set1_epi32(1));
  }
  return wrong == 0;
}

// Turns indices into keys, and sees whether they rise.
PS_WIDE_INLINE bool IndicesToKeys(std::size_t count, std::int64_t* last_index, Key* keys) {
  __m512i earlier = _mm512_set1_epi64(*last_index);
  *last_index = static_cast<std::int64_t>(keys[count - 1]);
  __mmask8 falls = 0;
  for (std::size_t i = 0; i < count; i += 8) {
    const __m512i index = _mm512_loadu_si512(keys + i);
    falls |= _mm512_mask_cmple_epi64_mask(static_cast<__mmask8>(FirstLanes(count - i)), index,
                                          _mm512_alignr_epi64(index, earlier, 7));
    earlier = index;
    // IndexKey
    __m512i x =
        _mm512_add_epi64(index, _mm512_set1_epi64(static_cast<std::int64_t>(0x9e3779b97f4a7c15u)));
    x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 30)),
                           _mm512_set1_epi64(static_cast<std::int64_t>(0xbf58476d1ce4e5b9u)));
    x = _mm512_mullo_epi64(_mm512_xor_si512(x, _mm512_srli_epi64(x, 27)),
                           _mm512_set1_epi64(static_cast<std::int64_t>(0x94d049bb133111ebu)));
    x = _mm512_xor_si512(x, _mm512_srli_epi64(x, 31));
    x = _mm512_mask_set1_epi64(x, _mm512_testn_epi64_mask(x, x), 1);  // 0 is no key
    _mm512_storeu_si512(keys + i, x);
  }
  return falls == 0;
}

bool AnyHasExponent(const char* begin, RowPlaces places, std::size_t first, std::size_t last) {
  for (std::size_t i = first; i < last; ++i) {
    const char* const value = begin + places.colon[i] + 1;
    const char* const stop = begin + places.stop[i];
    if (stop - value > 4 && (stop[-4] | 0x20) == 'e') return true;
  }
  return false;
}

}  // namespace

// Indices to `keys`, mantissas and masks of values to the members.
template <bool kExponents>
PS_WIDE WideRow::Result WideRow::ReadDigits(const char* begin, std::size_t count, RowPlaces places,
                                            Key* keys) {
  const DigitConstants c = MakeDigitConstants();
  __m512i largest = _mm512_setzero_si512();
  for (std::size_t i = 0; i < count; i += 4) {
    const std::uint32_t base = places.stop[static_cast<std::ptrdiff_t>(i) - 1] + 1;
    if (places.stop[i + 3] - base > 126) return Result::kTooWide;
    const Window window = {_mm512_loadu_si512(begin + base), _mm512_loadu_si512(begin + base + 64)};
    const __m128i bases = _mm_set1_epi32(static_cast<int>(base));
    const __m128i colon = LoadPlaces(places.colon + i, bases);
    __m128i stop = LoadPlaces(places.stop + i, bases);
    const __m512i colons = Spread(c, colon);
    // The sixteen bytes in front of each colon; what lies in front of the index does not count.
    // Places in front of the first index may be below 0: any bytes.
    const __m512i befores = Spread(c, LoadPlaces(places.stop + i - 1, bases));
    const __m512i index_at = _mm512_add_epi8(colons, c.from_end);
    const __m512i index_digits =
        _mm512_maskz_sub_epi8(_mm512_cmpgt_epi8_mask(index_at, befores),
                              _mm512_permutex2var_epi8(window.low, index_at, window.high), c.zero);
    largest = _mm512_max_epu8(largest, index_digits);

    if constexpr (kExponents) {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(exponent_ + i),
                       TakeExponents(window, colon, &stop));
    }
    const __m512i at = _mm512_add_epi8(Spread(c, stop), c.from_end);
    const __m512i bytes = _mm512_permutex2var_epi8(window.low, at, window.high);
    const __m512i less_zero = _mm512_sub_epi8(bytes, c.zero);
    const __mmask64 inside = _mm512_cmpgt_epi8_mask(at, colons);
    const __mmask64 first = _mm512_cmpeq_epi8_mask(at, _mm512_add_epi8(colons, c.one));
    const __mmask64 is_digit = _mm512_mask_cmple_epu8_mask(inside, less_zero, c.nine);
    const __mmask64 point = _mm512_mask_cmpeq_epi8_mask(inside, bytes, c.point);
    const __mmask64 minus = _mm512_mask_cmpeq_epi8_mask(first, bytes, c.minus);
    _store_mask64(reinterpret_cast<__mmask64*>(inside_ + i), inside);
    _store_mask64(reinterpret_cast<__mmask64*>(first_ + i), first);
    _store_mask64(reinterpret_cast<__mmask64*>(digit_ + i), is_digit);
    _store_mask64(reinterpret_cast<__mmask64*>(point_ + i), point);
    _store_mask64(reinterpret_cast<__mmask64*>(minus_ + i), minus);
    // The digits behind the point stay where they are, those in front of it close up.
    const __m512i digits = _mm512_maskz_mov_epi8(is_digit, less_zero);
    const __m512i closed =
        _mm512_mask_mov_epi8(digits, UpToTheOne(point), _mm512_bslli_epi128(digits, 1));
    const __m512i numbers = Numbers(c, DigitGroups(c, index_digits), DigitGroups(c, closed));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(keys + i), _mm512_castsi512_si256(numbers));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(mantissa_ + i),
                        _mm512_extracti64x4_epi64(numbers, 1));
  }
  return _mm512_cmpgt_epu8_mask(largest, c.nine) == 0 ? Result::kRead : Result::kUnusual;
}

// The values from what ReadDigits has left; or sets exponents_ when they have to be read again.
// Rounded to double once, and then to float.
template <bool kExponents>
PS_WIDE bool WideRow::ReadValues(const char* begin, const char* end, std::size_t count,
                                 RowPlaces places, OddValueReader read_odd_values, float* values,
                                 bool* has_zero) {
  __mmask8 zero = 0;
  for (std::size_t i = 0; i < count; i += 8) {
    const auto there = static_cast<__mmask8>(FirstLanes(count - i));
    const __m256i point = EightMasks(point_ + i);
    const __m256i digit = EightMasks(digit_ + i);
    const __m256i minus = EightMasks(minus_ + i);
    const __m256i minus_one = _mm256_set1_epi32(-1);
    const __m256i ordinary = _mm256_or_si256(_mm256_or_si256(point, minus), digit);
    // Not read by its first byte; another byte than those; no digit, or sixteen; two points, or one
    // at the end.
    __mmask8 odd =
        _mm256_testn_epi32_mask(EightMasks(first_ + i), minus_one) |
        _mm256_cmpneq_epi32_mask(ordinary, EightMasks(inside_ + i)) |
        _mm256_cmpge_epu32_mask(_mm256_add_epi32(digit, minus_one), _mm256_set1_epi32(0xfffe)) |
        _mm256_test_epi32_mask(
            point, _mm256_or_si256(_mm256_add_epi32(point, minus_one), _mm256_set1_epi32(0x8000)));
    // Of the sixteen that a value without a point has, nothing is left.
    const __m256i fraction_digits = _mm256_and_si256(
        _mm256_sub_epi32(_mm256_lzcnt_epi32(point), _mm256_set1_epi32(16)), _mm256_set1_epi32(15));
    const __m512d whole = _mm512_cvtepi64_pd(_mm512_loadu_si512(mantissa_ + i));
    __m512d scaled;
    if constexpr (kExponents) {
      const __m256i exponent = _mm256_sub_epi32(
          _mm256_loadu_si256(reinterpret_cast<const __m256i*>(exponent_ + i)), fraction_digits);
      __m256i power = _mm256_abs_epi32(exponent);
      const __mmask8 far = _mm256_cmpgt_epu32_mask(power, _mm256_set1_epi32(kMostExactPower));
      odd |= far;
      power = _mm256_maskz_mov_epi32(static_cast<__mmask8>(~far), power);
      const __m512d factor = _mm512_i32gather_pd(power, kPowerOfTen, 8);
      scaled = _mm512_mask_div_pd(_mm512_mul_pd(whole, factor),
                                  _mm256_cmplt_epi32_mask(exponent, _mm256_setzero_si256()), whole,
                                  factor);
    } else {
      scaled = _mm512_div_pd(whole, _mm512_permutex2var_pd(_mm512_loadu_pd(kPowerOfTen),
                                                           _mm512_cvtepu32_epi64(fraction_digits),
                                                           _mm512_loadu_pd(kPowerOfTen + 8)));
    }
    // The second rounding does no harm but exactly between two floats (ScaleExactly).
    constexpr std::int64_t kBitsBelowFloat = (std::int64_t{1} << 29) - 1;
    constexpr std::int64_t kHalfway = std::int64_t{1} << 28;
    odd |= _mm512_cmpeq_epi64_mask(
        _mm512_and_si512(_mm512_castpd_si512(scaled), _mm512_set1_epi64(kBitsBelowFloat)),
        _mm512_set1_epi64(kHalfway));
    const __m256 magnitude = _mm512_cvtpd_ps(scaled);
    const __m256i sign = _mm256_maskz_set1_epi32(_mm256_test_epi32_mask(minus, minus),
                                                 static_cast<int>(0x80000000u));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(values + i),
                        _mm256_or_si256(_mm256_castps_si256(magnitude), sign));
    odd &= there;
    if (odd != 0) [[unlikely]] {
      if (!kExponents && AnyHasExponent(begin, places, i, std::min(i + 8, count))) {
        exponents_ = true;
        return true;
      }
      if (!read_odd_values(begin, end, places, i, std::min(i + 8, count), values)) return false;
    }
    zero |= _mm256_mask_cmp_ps_mask(there, _mm256_loadu_ps(values + i), _mm256_setzero_ps(),
                                    _CMP_EQ_OQ);
  }
  *has_zero = zero != 0;
  return true;
}

PS_WIDE WideRow::Features WideRow::Read(const char* begin, const char* end, std::size_t count,
                                        RowPlaces places, OddValueReader read_odd_values,
                                        std::int64_t* last_index, Key* keys, float* values) {
  Features features;
  if (!LengthsAreUsual(count, places)) return features;
  bool had_exponents;
  do {  // once more when it is found that values have them
    had_exponents = exponents_;
    features.result = had_exponents ? ReadDigits<true>(begin, count, places, keys)
                                    : ReadDigits<false>(begin, count, places, keys);
    if (features.result != Result::kRead) return features;
    const bool read = had_exponents ? ReadValues<true>(begin, end, count, places, read_odd_values,
                                                       values, &features.has_zero)
                                    : ReadValues<false>(begin, end, count, places, read_odd_values,
                                                        values, &features.has_zero);
    if (!read) {
      features.result = Result::kUnusual;
      return features;
    }
  } while (exponents_ != had_exponents);
  features.ascending = IndicesToKeys(count, last_index, keys);
  return features;
}

}  // namespace ps
