// The hot path: from the fields of a row to its keys.
#define XXH_INLINE_ALL  // the keys are the same; a call for each of them would not be
#include <immintrin.h>
#include <xxhash.h>

#include <algorithm>
#include <bit>

#include "models/features/mix_keys.h"
#include "models/features/number.h"
#include "models/features/row_program.h"
#include "models/features/row_program_parts.h"
#include "models/features/short_integers.h"

namespace ps {
namespace {

static_assert(kMixSlack <= RowProgram::kSlack);

// BucketKey before the finaliser.
inline std::uint64_t UnmixedBucketKey(std::uint64_t seed, std::uint64_t bucket) {
  return seed ^ (bucket * 0xd6e8feb86659fd93u);
}

// A standardised number beyond this is a recording error more often than a signal, and one such row
// would undo the learning of thousands.
constexpr double kMaxDeviations = 10;

inline __m256i LoadWords(const void* words) {
  return _mm256_load_si256(static_cast<const __m256i*>(words));
}

// The leaves of four numbers, none of whose cells holds more than two cuts (LeafTable::LeafOf).
template <typename Lanes>
[[gnu::always_inline]] inline __m256i FindLeaves(const Lanes& lanes, __m256d x) {
  const __m256i zero = _mm256_setzero_si256();
  const __m256i bits = _mm256_castpd_si256(_mm256_sub_pd(x, _mm256_load_pd(lanes.origin)));
  const __m256i last = LoadWords(lanes.last);
  __m256i cell =
      _mm256_sub_epi64(_mm256_srlv_epi64(bits, LoadWords(lanes.shift)), LoadWords(lanes.first));
  // Of a negative number the sign is above all bits: its shifted bits say nothing.
  const __m256i below = _mm256_cmpgt_epi64(zero, _mm256_or_si256(bits, cell));
  cell = _mm256_andnot_si256(below, cell);
  cell = _mm256_blendv_epi8(cell, last, _mm256_cmpgt_epi64(cell, last));
  const __m256i at = _mm256_add_epi64(LoadWords(lanes.cells), _mm256_add_epi64(cell, cell));
  const auto first_leaf = [](long long address) -> long long {
    return *reinterpret_cast<const std::uint16_t*>(address);
  };
  const __m128i low = _mm256_castsi256_si128(at);
  const __m128i high = _mm256_extracti128_si256(at, 1);
  __m256i leaf =
      _mm256_set_epi64x(first_leaf(_mm_extract_epi64(high, 1)), first_leaf(_mm_cvtsi128_si64(high)),
                        first_leaf(_mm_extract_epi64(low, 1)), first_leaf(_mm_cvtsi128_si64(low)));
  const __m256i near = _mm256_add_epi64(LoadWords(lanes.cuts), _mm256_slli_epi64(leaf, 3));
  const __m128i near_low = _mm256_castsi256_si128(near);
  const __m128i near_high = _mm256_extracti128_si256(near, 1);
  const auto two = [](long long address) {
    return _mm_loadu_pd(reinterpret_cast<const double*>(address));
  };
  const __m128d cuts0 = two(_mm_cvtsi128_si64(near_low));
  const __m128d cuts1 = two(_mm_extract_epi64(near_low, 1));
  const __m128d cuts2 = two(_mm_cvtsi128_si64(near_high));
  const __m128d cuts3 = two(_mm_extract_epi64(near_high, 1));
  const __m256d even = _mm256_set_m128d(cuts2, cuts0);
  const __m256d odd = _mm256_set_m128d(cuts3, cuts1);
  const __m256d one = _mm256_unpacklo_pd(even, odd);
  const __m256d other = _mm256_unpackhi_pd(even, odd);
  // True is minus one.
  leaf = _mm256_sub_epi64(leaf, _mm256_castpd_si256(_mm256_cmp_pd(one, x, _CMP_LE_OQ)));
  return _mm256_sub_epi64(leaf, _mm256_castpd_si256(_mm256_cmp_pd(other, x, _CMP_LE_OQ)));
}

}  // namespace

// A text that is long or may be a missing one.
[[gnu::noinline]] std::uint64_t RowProgram::RareCategory(const Category& category,
                                                         std::string_view text) const {
  if (IsMissing(text)) return category.missing;
  if (text.size() > 8) return XXH3_64bits_withSeed(text.data(), text.size(), category.seed);
  return (category.seed + text.size()) ^ LoadPrefix(text.data(), text.size());
}

// What the finaliser makes the category's key of (CategoryKey, or the key of a missing value).
template <bool kTrim>
inline std::uint64_t RowProgram::Unmixed(const Category& category, const RowText& row) const {
  const std::string_view text = FieldOf<kTrim>(row, category.column);
  const std::size_t size = text.size();
  if ((size > 8) | (rare_sizes_ >> (size & 63) & 1)) [[unlikely]] {
    return RareCategory(category, text);
  }
  // An empty field goes the common way, which costs less than a branch that is often mispredicted.
  const std::uint64_t unmixed = (category.seed + size) ^ LoadPrefix(text.data(), size);
  return size == 0 ? category.empty : unmixed;
}

// A number that is not a short integer. kKey: the text is missing or a value of its own.
[[gnu::noinline]] RowProgram::NumberText RowProgram::SlowNumber(const Operation& op,
                                                                std::string_view text,
                                                                double* number, Key* key) const {
  if (IsMissing(text)) {
    *key = op.missing_key;
    return NumberText::kKey;
  }
  if (ParseNumber(text, number)) return NumberText::kNumber;
  if (!op.text_is_value) return NumberText::kBad;
  *key = CategoryKey(op.text_seed, text);
  return NumberText::kKey;
}

// The numbers of up to Parsed::kCapacity columns; false when one is none and has to be.
template <bool kTrim>
inline bool RowProgram::ParseNumbers(const Number* op, const NumberLanes* lanes,
                                     std::uint32_t count, const RowText& row, Parsed* parsed,
                                     std::uint32_t* bad_column) const {
  std::uint32_t wrong = 0;
  std::uint32_t empty = 0;
  for (std::uint32_t i = 0; i < count; i += 4, ++lanes) {
    const FieldHeads fields = LoadHeads<kTrim>(row, lanes->fields);
    // Masks instead of conditions: whether a field is empty cannot be predicted.
    const __m256i is_empty = _mm256_and_si256(
        _mm256_cmpeq_epi64(fields.size, _mm256_setzero_si256()), LoadWords(lanes->empty_is_key));
    _mm256_store_si256(reinterpret_cast<__m256i*>(parsed->empty + i), is_empty);
    empty |= static_cast<std::uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(is_empty))) << i;
    wrong |= ParseShortIntegers(fields.head, fields.size, parsed->number + i) << i;
  }
  std::uint32_t rare = (wrong | never_short_) & ~empty & ((1u << count) - 1);
  parsed->keyed = 0;
  for (; rare != 0; rare &= rare - 1) {
    const auto i = static_cast<std::uint32_t>(std::countr_zero(rare));
    const std::string_view text = FieldOf<kTrim>(row, op[i].column);
    switch (SlowNumber(*op[i].rare, text, &parsed->number[i], &parsed->key[i])) {
      case NumberText::kKey:
        parsed->keyed |= 1u << i;
        parsed->empty[i] = 0;
        break;
      case NumberText::kBad:
        *bad_column = op[i].column;
        return false;
      case NumberText::kNumber:
        break;
    }
  }
  return true;
}

// Returns the end of the keys.
inline Key* RowProgram::BucketKeys(const Number* op, const NumberLanes* lanes, std::uint32_t count,
                                   Parsed* parsed, Key* out) {
  alignas(32) const Key* from[Parsed::kCapacity];
  alignas(32) std::uint64_t made[Parsed::kCapacity];
  const __m256i one = _mm256_set1_epi64x(1);
  for (std::uint32_t i = 0; i < count; i += 4, ++lanes) {
    __m256i leaf = FindLeaves(*lanes, _mm256_load_pd(parsed->number + i));
    for (std::uint32_t left = lanes->crowded; left != 0; left &= left - 1) [[unlikely]] {
        alignas(32) std::uint64_t leaves[4];
        _mm256_store_si256(reinterpret_cast<__m256i*>(leaves), leaf);
        const int j = std::countr_zero(left);
        leaves[j] = op[i + j].leaves.LeafOf(parsed->number[i + j]);
        leaf = LoadWords(leaves);
      }
    // An empty field goes the common way too, to the leaf behind the last.
    const __m256i empty = LoadWords(parsed->empty + i);
    leaf = _mm256_blendv_epi8(leaf, LoadWords(lanes->empty_leaf), empty);
    static_assert(kStride * sizeof(Key) == 1 << 5);
    _mm256_store_si256(reinterpret_cast<__m256i*>(from + i),
                       _mm256_add_epi64(LoadWords(lanes->keys), _mm256_slli_epi64(leaf, 5)));
    _mm256_store_si256(reinterpret_cast<__m256i*>(made + i),
                       _mm256_blendv_epi8(LoadWords(lanes->levels), one, empty));
  }
  for (std::uint32_t keyed = parsed->keyed; keyed != 0; keyed &= keyed - 1) {
    const int i = std::countr_zero(keyed);
    from[i] = &parsed->key[i];
    made[i] = 1;
  }
  for (std::uint32_t i = 0; i < count; ++i) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out),
                        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from[i])));
    out += made[i];
  }
  return out;
}

inline Key* RowProgram::LogKeys(const NumberLanes* lanes, std::uint32_t count, const Parsed& parsed,
                                Key* out) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const NumberLanes& four = lanes[i / 4];
    const double scaled = parsed.number[i] * four.inverse_scale[i % 4];
    const std::uint64_t cell = UnmixedBucketKey(four.seed[i % 4], LogCell(scaled));
    out[i] = cell ^ ((cell ^ four.empty[i % 4]) & parsed.empty[i]);
  }
  MixKeys(out, count);
  for (std::uint32_t keyed = parsed.keyed; keyed != 0; keyed &= keyed - 1) {
    const int i = std::countr_zero(keyed);
    out[i] = parsed.key[i];
  }
  return out + count;
}

// The keys of neighbouring categories.
template <bool kTrim>
inline Key* RowProgram::HashKeys(const Batch& batch, const RowText& row, Key* out) const {
  const CategoryLanes* lanes = category_lanes_.data() + batch.first_lanes;
  const Category* const category = categories_.data() + batch.first_category;
  const std::uint32_t count = batch.end - batch.begin;
  const __m256i rare_sizes = _mm256_set1_epi64x(static_cast<long long>(rare_sizes_));
  const __m256i one = _mm256_set1_epi64x(1);
  for (std::uint32_t i = 0; i < count; i += 4, ++lanes) {
    const auto [head, size] = LoadHeads<kTrim>(row, lanes->fields);
    const __m256i is_empty = _mm256_cmpeq_epi64(size, _mm256_setzero_si256());
    // A shift by 64 leaves nothing: all of eight bytes are then inside.
    const __m256i inside =
        _mm256_sub_epi64(_mm256_sllv_epi64(one, _mm256_slli_epi64(size, 3)), one);
    const __m256i seed = LoadWords(lanes->seed);
    const __m256i unmixed =
        _mm256_xor_si256(_mm256_add_epi64(seed, size), _mm256_and_si256(head, inside));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out + i),
                        _mm256_blendv_epi8(unmixed, LoadWords(lanes->empty), is_empty));
    const __m256i rare =
        _mm256_or_si256(_mm256_cmpgt_epi64(size, _mm256_set1_epi64x(8)),
                        _mm256_slli_epi64(_mm256_srlv_epi64(rare_sizes, size), 63));
    auto left = static_cast<std::uint32_t>(_mm256_movemask_pd(_mm256_castsi256_pd(rare)));
    for (; left != 0; left &= left - 1) [[unlikely]] {
        const std::uint32_t j = i + static_cast<std::uint32_t>(std::countr_zero(left));
        if (j < count) out[j] = RareCategory(category[j], FieldOf<kTrim>(row, category[j].column));
      }
  }
  MixKeys(out, count);
  return out + count;
}

template <bool kTrim>
int RowProgram::RawKey(const Operation& op, const RowText& row, Key* out, float* value) const {
  double number;
  const NumberText kind = SlowNumber(op, FieldOf<kTrim>(row, op.column), &number, out);
  if (kind != NumberText::kNumber) return kind == NumberText::kKey;
  const double standardised = (number - op.mean) * op.inverse_deviation;
  *value = static_cast<float>(std::clamp(standardised, -kMaxDeviations, kMaxDeviations));
  *out = BucketKey(op.seed, 0);
  return 1;
}

template <bool kTrim>
int RowProgram::CrossKeys(const Operation& op, const RowText& row, Key* out,
                          std::uint32_t* bad_column) const {
  Key crossed = 0;
  for (std::size_t i = 0; i < op.members.size(); ++i) {
    const Operation& member = op.members[i];
    Key key[kSlack];
    if (member.op == features::Feature::HASH) {
      key[0] = NonZeroKey(Mix64(Unmixed<kTrim>(member.category, row)));
    } else {
      const Number number = NumberOf(member);
      Parsed parsed;
      const NumberLanes* const lanes = &number_lanes_[member.first_lanes];
      if (!ParseNumbers<kTrim>(&number, lanes, 1, row, &parsed, bad_column)) return 0;
      if (member.op == features::Feature::LOG) {
        LogKeys(lanes, 1, parsed, key);
      } else {
        BucketKeys(&number, lanes, 1, &parsed, key);
      }
    }
    crossed = i == 0 ? key[0] : CrossKey(op.seed, crossed, key[0]);
  }
  *out = crossed;
  return 1;
}

template <bool kTrim>
int RowProgram::RunRow(const RowText& row, Key* keys, float* values,
                       std::uint32_t* bad_column) const {
  using features::Feature;
  Key* out = keys;
  for (const Batch& batch : batches_) {
    const Operation* op = operations_.data() + batch.begin;
    const Operation* const end = operations_.data() + batch.end;
    if (batch.op == Feature::HASH) {
      out = HashKeys<kTrim>(batch, row, out);
      continue;
    }
    if (IsBucketed(batch.op) || batch.op == Feature::LOG) {
      const Number* number = numbers_.data() + batch.first_number;
      const NumberLanes* lanes = number_lanes_.data() + batch.first_lanes;
      for (std::uint32_t left = batch.end - batch.begin; left > 0;) {
        const std::uint32_t count = std::min(left, Parsed::kCapacity);
        Parsed parsed;
        if (!ParseNumbers<kTrim>(number, lanes, count, row, &parsed, bad_column)) return -1;
        out = batch.op == Feature::LOG ? LogKeys(lanes, count, parsed, out)
                                       : BucketKeys(number, lanes, count, &parsed, out);
        number += count;
        lanes += count / 4;
        left -= count;
      }
      continue;
    }
    for (; op != end; ++op) {
      *bad_column = op->column;
      const int made = batch.op == Feature::RAW
                           ? RawKey<kTrim>(*op, row, out, values + (out - keys))
                           : CrossKeys<kTrim>(*op, row, out, bad_column);
      if (made == 0) [[unlikely]]
        return -1;
      out += made;
    }
  }
  return static_cast<int>(out - keys);
}

int RowProgram::Run(const RowText& row, bool trim, Key* keys, float* values,
                    std::uint32_t* bad_column) const {
  return trim ? RunRow<true>(row, keys, values, bad_column)
              : RunRow<false>(row, keys, values, bad_column);
}

}  // namespace ps
