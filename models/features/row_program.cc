#include "models/features/row_program.h"

#include <algorithm>

#include "models/features/number.h"
#include "models/features/plan.h"
#include "models/features/row_program_parts.h"

namespace ps {

RowProgram::~RowProgram() = default;

RowProgram::RowProgram(const features::Plan& plan) {
  for (const std::string& text : plan.missing()) {
    if (text.empty()) {
      empty_is_missing_ = true;
    } else {
      rare_sizes_ |= std::uint64_t{1} << std::min<std::size_t>(text.size(), 63);
    }
    double number;
    if (ParseNumber(text, &number)) never_short_ = ~0u;
    missing_.push_back(text);
  }
  std::uint32_t numbers = 0;
  for (const features::Feature& feature : plan.feature()) {
    operations_.push_back(Compile(plan, feature));
    const auto index = static_cast<std::uint32_t>(operations_.size() - 1);
    max_keys_ += operations_.back().levels;
    has_values_ |= feature.op() == features::Feature::RAW;
    if (batches_.empty() || batches_.back().op != feature.op()) {
      batches_.push_back(
          {feature.op(), index, index, static_cast<std::uint32_t>(categories_.size()), numbers, 0});
    }
    batches_.back().end = index + 1;
    if (feature.op() == features::Feature::HASH) {
      categories_.push_back(operations_.back().category);
    }
    numbers += IsBucketed(feature.op()) || feature.op() == features::Feature::LOG;
  }
  // The operations stay where they are from now on.
  for (const Operation& op : operations_) {
    if (IsBucketed(op.op) || op.op == features::Feature::LOG) numbers_.push_back(NumberOf(op));
  }
  const auto columns = static_cast<std::uint32_t>(plan.column_size());
  for (Batch& batch : batches_) {
    AddBatchLanes(&batch, columns);
  }
  for (Operation& op : operations_) {
    for (Operation& member : op.members) {
      if (member.op == features::Feature::HASH) continue;
      member.first_lanes = static_cast<std::uint32_t>(number_lanes_.size());
      const Number number = NumberOf(member);
      AddLanes(&number, 1, columns, &number_lanes_);
    }
  }
}

namespace {

// The columns of up to four features; lanes without a feature take the columns that follow, where
// there are some, and the last feature's column where not.
template <typename Feature>
FieldLanes FieldLanesOf(const Feature* feature, std::uint32_t count, std::uint32_t columns) {
  FieldLanes lanes;
  lanes.neighbours = feature[0].column + 3 < columns;
  for (std::uint32_t i = 0; i < 4; ++i) {
    lanes.column[i] = feature[std::min(i, count - 1)].column;
    lanes.neighbours &= i >= count || lanes.column[i] == feature[0].column + i;
  }
  return lanes;
}

}  // namespace

void RowProgram::AddBatchLanes(Batch* batch, std::uint32_t columns) {
  const std::uint32_t count = batch->end - batch->begin;
  if (batch->op == features::Feature::HASH) {
    batch->first_lanes = static_cast<std::uint32_t>(category_lanes_.size());
    for (std::uint32_t at = 0; at < count; at += 4) {
      const Category* const first = &categories_[batch->first_category + at];
      const std::uint32_t here = std::min(count - at, 4u);
      CategoryLanes& lanes = category_lanes_.emplace_back();
      lanes.fields = FieldLanesOf(first, here, columns);
      for (std::uint32_t i = 0; i < 4; ++i) {
        lanes.seed[i] = first[std::min(i, here - 1)].seed;
        lanes.empty[i] = first[std::min(i, here - 1)].empty;
      }
    }
  } else if (IsBucketed(batch->op) || batch->op == features::Feature::LOG) {
    batch->first_lanes = static_cast<std::uint32_t>(number_lanes_.size());
    AddLanes(&numbers_[batch->first_number], count, columns, &number_lanes_);
  }
}

void RowProgram::AddLanes(const Number* number, std::uint32_t count, std::uint32_t columns,
                          std::vector<NumberLanes>* out) {
  for (std::uint32_t at = 0; at < count; at += 4) {
    const std::uint32_t here = std::min(count - at, 4u);
    NumberLanes& lanes = out->emplace_back();
    lanes = {};
    lanes.fields = FieldLanesOf(number + at, here, columns);
    for (std::uint32_t i = 0; i < 4; ++i) {
      const Number& from = number[at + std::min(i, here - 1)];
      lanes.origin[i] = from.leaves.origin;
      lanes.first[i] = from.leaves.first;
      lanes.last[i] = from.leaves.last;
      lanes.shift[i] = static_cast<std::uint64_t>(from.leaves.shift);
      lanes.cells[i] = from.leaves.cells;
      lanes.cuts[i] = from.leaves.cuts;
      lanes.keys[i] = from.keys;
      lanes.empty_leaf[i] = from.empty_leaf;
      lanes.levels[i] = from.levels;
      lanes.empty_is_key[i] = -static_cast<std::uint64_t>(from.empty_is_key);
      lanes.inverse_scale[i] = from.inverse_scale;
      lanes.seed[i] = from.seed;
      lanes.empty[i] = from.empty;
      lanes.crowded |= static_cast<std::uint32_t>(i < here && from.leaves.steps > 2) << i;
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
  const std::uint64_t empty_seed = is_hash ? op.seed : op.text_seed;
  op.category = {op.seed, empty_is_missing_ ? missing_seed : empty_seed, missing_seed, op.column};
  op.mean = feature.mean();
  if (feature.op() == features::Feature::RAW) op.inverse_deviation = 1 / feature.deviation();
  if (feature.op() == features::Feature::LOG) op.inverse_scale = 1 / feature.scale();
  for (const features::Feature& member : feature.member()) {
    op.members.push_back(Compile(plan, member));
  }
  return op;
}

RowProgram::Number RowProgram::NumberOf(const Operation& op) {
  Number number = {};
  if (op.numbers != nullptr) {
    number.leaves = op.numbers->leaves.view();
    number.keys = op.numbers->keys.data();
    number.empty_leaf = op.numbers->leaves.leaves();
  }
  number.rare = &op;
  number.column = op.column;
  number.levels = op.levels;
  number.empty_is_key = op.empty_is_key;
  number.inverse_scale = op.inverse_scale;
  number.seed = op.seed;
  number.empty = op.category.empty;
  return number;
}

bool RowProgram::IsMissing(std::string_view text) const {
  if (text.empty()) return empty_is_missing_;
  if ((rare_sizes_ >> std::min<std::size_t>(text.size(), 63) & 1) == 0) return false;
  return std::find(missing_.begin(), missing_.end(), text) != missing_.end();
}

}  // namespace ps
