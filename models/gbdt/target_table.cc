#include "models/gbdt/target_table.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ps/base/key.h"

namespace ps {
namespace {

constexpr double kMostUnits = 1 << 30;
constexpr std::uint64_t kMostRows = std::uint64_t{1} << 32;  // their labels' sum is below 2^62
constexpr std::uint64_t kFoldSalt = 0x9d8f3c51b7a4e602;

std::int64_t UnitsOf(float label, double unit) {
  return std::llround(std::clamp(static_cast<double>(label) / unit, -kMostUnits, kMostUnits));
}

bool AreSound(std::int64_t label, std::uint64_t rows) {
  const auto most = static_cast<std::int64_t>(kMostUnits);
  return rows > 0 && rows <= kMostRows && label <= static_cast<std::int64_t>(rows) * most &&
         label >= -static_cast<std::int64_t>(rows) * most;
}

}  // namespace

std::uint64_t TargetKey(std::string_view text) {
  constexpr std::uint64_t kKeySalt = 0x51f2a6d3c8e90b47;
  return CategoryKey(kKeySalt, text);  // never 0
}

std::uint32_t TargetFold(std::uint64_t seed, std::uint32_t file, std::uint64_t offset) {
  return static_cast<std::uint32_t>(Mix64(Mix64((seed ^ kFoldSalt) + file) ^ offset) %
                                    kTargetFolds);
}

double TargetUnit(bool numbers, float largest) {
  if (!numbers || !(largest > 0) || !std::isfinite(largest)) return 1;
  int exponent = 0;
  std::frexp(largest, &exponent);
  return std::ldexp(1.0, exponent - 29);
}

void TargetTable::Add(std::uint64_t key, std::uint32_t fold, float label) {
  const Sums one{UnitsOf(label, unit_), 1};
  all_ += one;
  if (key == 0) return;
  of_category_[key] += one;
  of_fold_[{key, fold}] += one;
}

void TargetTable::Merge(const TargetTable& other) {
  all_ += other.all_;
  for (const auto& [key, sums] : other.of_category_) of_category_[key] += sums;
  for (const auto& [fold, sums] : other.of_fold_) of_fold_[fold] += sums;
}

std::uint64_t TargetTable::RowsOfCategories() const {
  std::uint64_t rows = 0;
  for (const auto& [key, sums] : of_category_) rows += sums.rows;
  return rows;
}

float TargetTable::MeanOf(const Sums& sums) const {
  const double all = all_.rows == 0 ? 0
                                    : static_cast<double>(all_.label) / static_cast<double>(all_.rows),
               rows = static_cast<double>(sums.rows) + smooth_;
  return static_cast<float>(unit_ * ((static_cast<double>(sums.label) + smooth_ * all) / rows));
}

float TargetTable::Mean(std::uint64_t key) const {
  if (key == 0) return std::numeric_limits<float>::quiet_NaN();
  const auto found = of_category_.find(key);
  return MeanOf(found == of_category_.end() ? Sums() : found->second);
}

float TargetTable::MeanOutOfFold(std::uint64_t key, std::uint32_t fold) const {
  if (key == 0) return std::numeric_limits<float>::quiet_NaN();
  const auto found = of_category_.find(key);
  if (found == of_category_.end()) return MeanOf({});
  Sums others = found->second;
  if (const auto own = of_fold_.find({key, fold}); own != of_fold_.end()) {
    // Bytes that no writer wrote may hold sums of both signs: these wrap around.
    others.label = static_cast<std::int64_t>(static_cast<std::uint64_t>(others.label) -
                                             static_cast<std::uint64_t>(own->second.label));
    others.rows -= own->second.rows;
  }
  return MeanOf(others);
}

std::vector<WeightedValue> TargetTable::Values() const {
  std::vector<WeightedValue> values;
  if (of_fold_.empty()) {
    for (const auto& [key, sums] : of_category_) values.push_back({MeanOf(sums), sums.rows});
  } else {
    for (const auto& [of, sums] : of_fold_)
      values.push_back({MeanOutOfFold(of.key, of.fold), sums.rows});
  }
  std::sort(values.begin(), values.end(), [](const WeightedValue& a, const WeightedValue& b) {
    return a.value < b.value;
  });
  std::size_t last = 0;
  for (std::size_t i = 1; i < values.size(); ++i) {
    if (values[i].value == values[last].value) {
      values[last].count += values[i].count;
    } else {
      values[++last] = values[i];
    }
  }
  if (!values.empty()) values.resize(last + 1);
  return values;
}

void TargetTable::Write(bool folds, trees::Target* to) const {
  to->set_unit(unit_);
  to->set_smooth(smooth_);
  to->set_all_rows(all_.rows);
  to->set_all_label(all_.label);
  std::vector<std::pair<std::uint64_t, Sums>> categories(of_category_.begin(), of_category_.end());
  std::sort(categories.begin(), categories.end(),
            [](const auto& a, const auto& b) { return a.first < b.first; });
  for (const auto& [key, sums] : categories) {
    to->add_key(key);
    to->add_rows(sums.rows);
    to->add_label(sums.label);
  }
  if (!folds) return;
  for (std::size_t i = 0; i < categories.size(); ++i) {
    for (std::uint32_t fold = 0; fold < kTargetFolds; ++fold) {
      const auto found = of_fold_.find({categories[i].first, fold});
      if (found == of_fold_.end()) continue;
      to->add_fold(i * kTargetFolds + fold);
      to->add_fold_rows(found->second.rows);
      to->add_fold_label(found->second.label);
    }
  }
}

std::optional<TargetTable> TargetTable::Read(const trees::Target& from) {
  const int categories = from.key_size(), folds = from.fold_size();
  if (!(from.unit() > 0) || !std::isfinite(from.unit()) || !(from.smooth() > 0) ||
      !std::isfinite(from.smooth()) || !AreSound(from.all_label(), from.all_rows()) ||
      from.rows_size() != categories || from.label_size() != categories ||
      from.fold_rows_size() != folds || from.fold_label_size() != folds ||
      static_cast<std::size_t>(categories) > kMostTargetCategories) {
    return std::nullopt;
  }
  TargetTable table(from.unit(), from.smooth());
  table.all_ = {from.all_label(), from.all_rows()};
  table.of_category_.reserve(static_cast<std::size_t>(categories));
  std::uint64_t before = 0;
  for (int i = 0; i < categories; ++i) {
    const Sums sums{from.label(i), from.rows(i)};
    if (from.key(i) <= before || !AreSound(sums.label, sums.rows)) return std::nullopt;
    before = from.key(i);
    table.of_category_.emplace(from.key(i), sums);
  }
  table.of_fold_.reserve(static_cast<std::size_t>(folds));
  std::uint64_t next = 0;
  for (int i = 0; i < folds; ++i) {
    const std::uint64_t place = from.fold(i), category = place / kTargetFolds;
    const Sums sums{from.fold_label(i), from.fold_rows(i)};
    if (place < next || category >= static_cast<std::uint64_t>(categories) ||
        !AreSound(sums.label, sums.rows) || sums.rows > from.rows(static_cast<int>(category))) {
      return std::nullopt;
    }
    next = place + 1;
    table.of_fold_.emplace(
        FoldOfCategory{from.key(static_cast<int>(category)),
                       static_cast<std::uint32_t>(place % kTargetFolds)},
        sums);
  }
  return table;
}

}  // namespace ps
