#include "models/features/row_program.h"

#define XXH_INLINE_ALL  // the keys are the same; a call for each of them would not be
#include <immintrin.h>
#include <xxhash.h>

#include <algorithm>
#include <cstring>

#include "models/features/leaf_table.h"
#include "models/features/mix_keys.h"
#include "models/features/number.h"
#include "models/features/plan.h"

namespace ps {
namespace {

constexpr int kStride = 4;  // keys a leaf has room for: one 32-byte copy moves them all
static_assert(kMaxLevels <= kStride && kStride <= RowProgram::kSlack &&
              kMixSlack <= RowProgram::kSlack);

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

struct RowProgram::Numbers {
  LeafTable leaves;
  std::vector<Key> keys;  // kStride of each leaf, then those of an empty text
};

// What the loop over categories reads: small, so that all of a row's columns stay in the cache.
struct RowProgram::Category {
  std::uint64_t seed;
  std::uint64_t empty;    // the finaliser makes the key of an empty text of it,
  std::uint64_t missing;  // and of a missing one of this
  std::uint32_t column;
};

struct RowProgram::Operation {
  features::Feature::Op op = features::Feature::UNKNOWN;
  std::uint32_t column = 0;
  std::uint64_t seed = 0;
  std::uint64_t text_seed = 0;  // numbers: keys of texts that are values
  std::uint32_t levels = 1;     // keys a number makes
  bool empty_is_key = false;    // an empty text makes empty_key
  bool text_is_value = false;
  Key missing_key = 0;
  Category category = {};  // HASH
  Key empty_key = 0;
  std::shared_ptr<const Numbers> numbers;  // shared: operations are copied while compiling
  double mean = 0;
  double inverse_deviation = 1;
  std::vector<Operation> members;  // of a cross
};

struct RowProgram::Batch {
  features::Feature::Op op;
  std::uint32_t begin, end;      // operations
  std::uint32_t first_category;  // HASH: the same operations among the categories
};

RowProgram::~RowProgram() = default;

RowProgram::RowProgram(const features::Plan& plan) {
  for (const std::string& text : plan.missing()) {
    if (text.empty()) {
      empty_is_missing_ = true;
    } else {
      rare_sizes_ |= std::uint64_t{1} << std::min<std::size_t>(text.size(), 63);
    }
    double number;
    if (ParseNumber(text, &number)) never_short_ = ~std::uint64_t{0};
    missing_.push_back(text);
  }
  for (const features::Feature& feature : plan.feature()) {
    operations_.push_back(Compile(plan, feature));
    const auto index = static_cast<std::uint32_t>(operations_.size() - 1);
    max_keys_ += operations_.back().levels;
    has_values_ |= feature.op() == features::Feature::RAW;
    if (batches_.empty() || batches_.back().op != feature.op()) {
      const auto categories = static_cast<std::uint32_t>(categories_.size());
      batches_.push_back({feature.op(), index, index, categories});
    }
    batches_.back().end = index + 1;
    if (feature.op() == features::Feature::HASH) {
      categories_.push_back(operations_.back().category);
    }
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
  const std::uint64_t missing_seed = FieldSeed(MissingName(name));
  op.missing_key = BucketKey(missing_seed, 0);
  op.text_is_value = feature.text_is_value();
  const bool is_hash = feature.op() == features::Feature::HASH;
  op.empty_is_key = empty_is_missing_ || op.text_is_value || is_hash;
  op.empty_key =
      empty_is_missing_ ? op.missing_key : CategoryKey(is_hash ? op.seed : op.text_seed, "");
  if (feature.level_size() > 0) {
    const std::vector<double> cuts(feature.cut().begin(), feature.cut().end());
    auto numbers = std::make_shared<Numbers>(Numbers{LeafTable(cuts), {}});
    numbers->keys.resize((cuts.size() + 2) * kStride);
    numbers->keys[(cuts.size() + 1) * kStride] = op.empty_key;
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
  // BucketKey(seed, 0) and CategoryKey(seed, "") are the finaliser of the seed itself.
  op.category = {op.seed, empty_is_missing_ ? missing_seed : op.seed, missing_seed, op.column};
  op.mean = feature.mean();
  if (feature.op() == features::Feature::RAW) op.inverse_deviation = 1 / feature.deviation();
  for (const features::Feature& member : feature.member()) {
    op.members.push_back(Compile(plan, member));
  }
  return op;
}

bool RowProgram::IsMissing(std::string_view text) const {
  if (text.empty()) return empty_is_missing_;
  if ((rare_sizes_ >> std::min<std::size_t>(text.size(), 63) & 1) == 0) return false;
  return std::find(missing_.begin(), missing_.end(), text) != missing_.end();
}

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

template <bool kTrim>
inline int RowProgram::BucketKeys(const Operation& op, const RowText& row, Key* out) const {
  const std::string_view text = FieldOf<kTrim>(row, op.column);
  double number;
  // Masks instead of conditions, which the compiler would turn into branches: whether a field is
  // empty cannot be predicted.
  const std::uint64_t empty = -static_cast<std::uint64_t>(text.empty() & op.empty_is_key);
  const std::uint64_t wrong = ParseShortInteger(text, &number) | never_short_;
  if ((wrong & ~empty) != 0) [[unlikely]] {
    const NumberText kind = SlowNumber(op, text, &number, out);
    if (kind != NumberText::kNumber) return kind == NumberText::kKey;
  }
  // An empty field goes the common way too, to the leaf behind the last.
  std::uint64_t leaf = op.numbers->leaves.LeafOf(number);
  leaf ^= (leaf ^ op.numbers->leaves.leaves()) & empty;
  _mm256_storeu_si256(
      reinterpret_cast<__m256i*>(out),
      _mm256_loadu_si256(reinterpret_cast<const __m256i*>(&op.numbers->keys[leaf * kStride])));
  return static_cast<int>(op.levels - ((op.levels - 1) & static_cast<std::uint32_t>(empty)));
}

template <bool kTrim>
inline int RowProgram::LogKey(const Operation& op, const RowText& row, Key* out) const {
  const std::string_view text = FieldOf<kTrim>(row, op.column);
  double number;
  // Masks instead of conditions, which the compiler would turn into branches: whether a field is
  // empty cannot be predicted.
  const std::uint64_t empty = -static_cast<std::uint64_t>(text.empty() & op.empty_is_key);
  const std::uint64_t wrong = ParseShortInteger(text, &number) | never_short_;
  if ((wrong & ~empty) != 0) [[unlikely]] {
    const NumberText kind = SlowNumber(op, text, &number, out);
    if (kind != NumberText::kNumber) return kind == NumberText::kKey;
  }
  const Key key = BucketKey(op.seed, LogCell(number));
  *out = key ^ ((key ^ op.empty_key) & empty);
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
      key[0] = NonZeroKey(Mix64(Unmixed<kTrim>(member.category, row)));
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
      const Category* const category = categories_.data() + batch.first_category;
      const std::uint32_t count = batch.end - batch.begin;
      for (std::uint32_t i = 0; i < count; ++i) out[i] = Unmixed<kTrim>(category[i], row);
      MixKeys(out, count);
      out += count;
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
