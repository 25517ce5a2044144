#include "models/features/row_program.h"

#define XXH_INLINE_ALL  // the keys are the same; a call for each of them would not be
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "models/features/leaf_table.h"
#include "models/features/number.h"
#include "models/features/plan.h"

namespace ps {
namespace {

constexpr int kStride = 4;  // keys a leaf has room for: one 32-byte copy moves them all
static_assert(kMaxLevels <= kStride && kStride <= RowProgram::kSlack);

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

// The same key as CategoryKey, of up to eight bytes with eight readable.
inline Key ShortCategoryKey(std::uint64_t seed, std::uint64_t packed, std::size_t size) {
  return NonZeroKey(Mix64((seed + size) ^ packed));
}

}  // namespace

struct RowProgram::Numbers {
  LeafTable leaves;
  std::vector<Key> keys;  // kStride of each leaf
};

struct RowProgram::Operation {
  features::Feature::Op op = features::Feature::UNKNOWN;
  std::uint32_t column = 0;
  std::uint64_t seed = 0;
  std::uint64_t text_seed = 0;      // numbers: keys of texts that are values
  std::uint32_t levels = 1;         // keys a number makes
  bool empty_is_key = false;        // an empty text makes empty_key, of a number nothing else
  bool text_is_value = false;
  Key missing_key = 0;
  alignas(32) Key empty_key[kStride] = {};
  std::shared_ptr<const Numbers> numbers;  // shared: operations are copied while compiling
  double mean = 0;
  double inverse_deviation = 1;
  std::vector<Operation> members;   // of a cross
};

struct RowProgram::Batch {
  features::Feature::Op op;
  std::uint32_t begin, end;
};

RowProgram::~RowProgram() = default;

RowProgram::RowProgram(const features::Plan& plan) {
  for (const std::string& text : plan.missing()) {
    missing_sizes_ |= std::uint64_t{1} << std::min<std::size_t>(text.size(), 63);
    if (text.empty()) empty_is_missing_ = true;
    double number;
    if (ParseNumber(text, &number)) missing_is_number_ = true;
    missing_.push_back(text);
  }
  for (const features::Feature& feature : plan.feature()) {
    operations_.push_back(Compile(plan, feature));
    const auto index = static_cast<std::uint32_t>(operations_.size() - 1);
    max_keys_ += operations_.back().levels;
    has_values_ |= feature.op() == features::Feature::RAW;
    if (batches_.empty() || batches_.back().op != feature.op()) {
      batches_.push_back({feature.op(), index, index});
    }
    batches_.back().end = index + 1;
  }
}

RowProgram::Operation RowProgram::Compile(const features::Plan& plan,
                                          const features::Feature& feature) {
  Operation op;
  const std::string name = FeatureName(plan, feature);
  op.op = feature.op();
  op.column = feature.column();
  op.seed = FieldSeed(name);
  op.text_seed = FieldSeed(TextName(name));
  op.missing_key = BucketKey(FieldSeed(MissingName(name)), 0);
  op.text_is_value = feature.text_is_value();
  const bool is_hash = feature.op() == features::Feature::HASH;
  op.empty_is_key = empty_is_missing_ || op.text_is_value || is_hash;
  op.empty_key[0] = empty_is_missing_ ? op.missing_key
                                      : CategoryKey(is_hash ? op.seed : op.text_seed, "");
  if (feature.level_size() > 0) {
    const std::vector<double> cuts(feature.cut().begin(), feature.cut().end());
    auto numbers = std::make_shared<Numbers>(Numbers{LeafTable(cuts), {}});
    numbers->keys.resize((cuts.size() + 1) * kStride);
    op.levels = static_cast<std::uint32_t>(feature.level_size());
    for (int l = 0; l < feature.level_size(); ++l) {
      const std::uint64_t seed = FieldSeed(LevelName(name, l));
      int bucket = -1;
      for (std::uint32_t leaf = 0; leaf <= cuts.size(); ++leaf) {
        const auto& first = feature.level(l).first_leaf();
        if (bucket + 1 < first.size() && first[bucket + 1] == leaf) ++bucket;
        numbers->keys[leaf * kStride + static_cast<std::size_t>(l)] =
            BucketKey(seed, static_cast<std::uint64_t>(bucket));
      }
    }
    op.numbers = std::move(numbers);
  }
  op.mean = feature.mean();
  if (feature.op() == features::Feature::RAW) op.inverse_deviation = 1 / feature.deviation();
  for (const features::Feature& member : feature.member()) {
    op.members.push_back(Compile(plan, member));
  }
  return op;
}

bool RowProgram::IsMissing(std::string_view text) const {
  if ((missing_sizes_ >> std::min<std::size_t>(text.size(), 63) & 1) == 0) return false;
  return std::find(missing_.begin(), missing_.end(), text) != missing_.end();
}

[[gnu::noinline]] Key RowProgram::LongHash(const Operation& op, std::string_view text) const {
  if (IsMissing(text)) return op.missing_key;
  if (text.size() <= 8) {
    return ShortCategoryKey(op.seed, LoadPrefix(text.data(), text.size()), text.size());
  }
  return NonZeroKey(Mix64(XXH3_64bits_withSeed(text.data(), text.size(), op.seed)));
}

template <bool kTrim>
inline Key RowProgram::HashOne(const Operation& op, const RowText& row) const {
  const std::string_view text = FieldOf<kTrim>(row, op.column);
  const std::size_t size = text.size();
  // An empty field goes the common way: its key is computed and dropped, which costs less than a branch
  // that is often predicted wrongly.
  const bool is_rare = size > 8 || (missing_sizes_ >> size & ~std::uint64_t{size == 0} & 1) != 0;
  if (is_rare) [[unlikely]] return LongHash(op, text);
  const Key key = ShortCategoryKey(op.seed, LoadPrefix(text.data(), size), size);
  return size == 0 ? op.empty_key[0] : key;
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

// Integers of up to eight digits; false for every other text.
static inline bool ShortInteger(std::string_view text, std::int64_t* number) {
  const std::size_t negative = *text.data() == '-';
  std::uint32_t digits;
  const bool is_integer = ParseDigits(text.data() + negative, text.size() - negative, &digits);
  *number = negative ? -static_cast<std::int64_t>(digits) : static_cast<std::int64_t>(digits);
  return is_integer && text.size() - negative - 1 < 8;
}

template <bool kTrim>
inline int RowProgram::BucketKeys(const Operation& op, const RowText& row, Key* out) const {
  const std::string_view text = FieldOf<kTrim>(row, op.column);
  std::int64_t integer;
  const bool is_integer = ShortInteger(text, &integer);
  const bool is_empty = text.empty() & op.empty_is_key;
  const Key* from = op.empty_key;
  if (is_integer & !missing_is_number_) [[likely]] {
    from = op.numbers->keys.data() + op.numbers->leaves.OfInteger(integer) * kStride;
  } else if (!is_empty) {
    double number;
    switch (SlowNumber(op, text, &number, out)) {
      case NumberText::kKey:
        return 1;
      case NumberText::kBad:
        return 0;
      case NumberText::kNumber:
        from = op.numbers->keys.data() + op.numbers->leaves.Search(number) * kStride;
    }
  }
  std::memcpy(out, from, kStride * sizeof(Key));
  return is_empty ? 1 : static_cast<int>(op.levels);
}

template <bool kTrim>
inline int RowProgram::LogKey(const Operation& op, const RowText& row, Key* out) const {
  const std::string_view text = FieldOf<kTrim>(row, op.column);
  std::int64_t integer;
  double number;
  if (ShortInteger(text, &integer) & !missing_is_number_) [[likely]] {
    number = static_cast<double>(integer);
  } else if (text.empty() & op.empty_is_key) {
    *out = op.empty_key[0];
    return 1;
  } else {
    const NumberText kind = SlowNumber(op, text, &number, out);
    if (kind != NumberText::kNumber) return kind == NumberText::kKey;
  }
  *out = BucketKey(op.seed, LogCell(number));
  return 1;
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
    Key key[kStride];
    int made = 1;
    if (member.op == features::Feature::HASH) {
      key[0] = HashOne<kTrim>(member, row);
    } else if (member.op == features::Feature::LOG) {
      made = LogKey<kTrim>(member, row, key);
    } else {
      made = BucketKeys<kTrim>(member, row, key);
    }
    if (made == 0) {
      *bad_column = member.column;
      return 0;
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
      for (; op != end; ++op) *out++ = HashOne<kTrim>(*op, row);
      continue;
    }
    for (; op != end; ++op) {
      int made = 0;
      *bad_column = op->column;
      switch (batch.op) {
        case Feature::BUCKET:
        case Feature::NUMERIC:
          made = BucketKeys<kTrim>(*op, row, out);
          break;
        case Feature::LOG:
          made = LogKey<kTrim>(*op, row, out);
          break;
        case Feature::RAW:
          made = RawKey<kTrim>(*op, row, out, values + (out - keys));
          break;
        default:
          made = CrossKeys<kTrim>(*op, row, out, bad_column);
      }
      if (made == 0) [[unlikely]] return -1;
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
