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

template <bool kTrim>
inline std::string_view FieldOf(const RowText& row, std::uint32_t column) {
  std::string_view field = row.field(column);
  if constexpr (kTrim) {
    while (!field.empty() && field.front() == ' ') field.remove_prefix(1);
    while (!field.empty() && field.back() == ' ') field.remove_suffix(1);
  }
  return field;
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
inline bool RowProgram::ParseNumbers(const Number* op, std::uint32_t count, const RowText& row,
                                     Parsed* parsed, std::uint32_t* bad_column) const {
  std::uint32_t wrong = 0;
  std::uint32_t empty = 0;
  for (std::uint32_t i = 0; i < count; i += 4) {
    const char* text[4];
    std::uint64_t size[4];
#pragma GCC unroll 4
    for (std::uint32_t j = 0; j < 4; ++j) {
      // The last four may be fewer: then the last is read again.
      const Number& number = op[std::min(i + j, count - 1)];
      const std::string_view field = FieldOf<kTrim>(row, number.column);
      text[j] = field.data();
      size[j] = field.size();
      // Masks instead of conditions, which the compiler would turn into branches: whether a field
      // is empty cannot be predicted.
      const bool is_empty = field.empty() & number.empty_is_key;
      parsed->empty[i + j] = -static_cast<std::uint64_t>(is_empty);
      empty |= static_cast<std::uint32_t>(is_empty) << (i + j);
    }
    wrong |= ParseShortIntegers(text, size, parsed->number + i) << i;
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
inline Key* RowProgram::BucketKeys(const Number* op, std::uint32_t count, const Parsed& parsed,
                                   Key* out) {
  for (std::uint32_t i = 0; i < count; ++i, ++op) {
    if (parsed.keyed >> i & 1) [[unlikely]] {
      *out++ = parsed.key[i];
      continue;
    }
    // An empty field goes the common way too, to the leaf behind the last.
    const std::uint64_t empty = parsed.empty[i];
    std::uint64_t leaf = op->leaves.LeafOf(parsed.number[i]);
    leaf ^= (leaf ^ op->empty_leaf) & empty;
    _mm256_storeu_si256(
        reinterpret_cast<__m256i*>(out),
        _mm256_loadu_si256(reinterpret_cast<const __m256i*>(op->keys + leaf * kStride)));
    out += op->levels - ((op->levels - 1) & static_cast<std::uint32_t>(empty));
  }
  return out;
}

inline Key* RowProgram::LogKeys(const Number* op, std::uint32_t count, const Parsed& parsed,
                                Key* out) {
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::uint64_t cell = UnmixedBucketKey(op[i].seed, LogCell(parsed.number[i]));
    out[i] = cell ^ ((cell ^ op[i].empty) & parsed.empty[i]);
  }
  MixKeys(out, count);
  for (std::uint32_t keyed = parsed.keyed; keyed != 0; keyed &= keyed - 1) {
    const int i = std::countr_zero(keyed);
    out[i] = parsed.key[i];
  }
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
      if (!ParseNumbers<kTrim>(&number, 1, row, &parsed, bad_column)) return 0;
      if (member.op == features::Feature::LOG) {
        LogKeys(&number, 1, parsed, key);
      } else {
        BucketKeys(&number, 1, parsed, key);
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
      const Category* const category = categories_.data() + batch.first_category;
      const std::uint32_t count = batch.end - batch.begin;
      for (std::uint32_t i = 0; i < count; ++i) out[i] = Unmixed<kTrim>(category[i], row);
      MixKeys(out, count);
      out += count;
      continue;
    }
    if (IsBucketed(batch.op) || batch.op == Feature::LOG) {
      const Number* number = numbers_.data() + batch.first_number;
      for (std::uint32_t left = batch.end - batch.begin; left > 0;) {
        const std::uint32_t count = std::min(left, Parsed::kCapacity);
        Parsed parsed;
        if (!ParseNumbers<kTrim>(number, count, row, &parsed, bad_column)) return -1;
        out = batch.op == Feature::LOG ? LogKeys(number, count, parsed, out)
                                       : BucketKeys(number, count, parsed, out);
        number += count;
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
