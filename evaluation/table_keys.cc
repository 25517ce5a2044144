#include "evaluation/table_keys.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "evaluation/inspection_text.h"
#include "models/features/number.h"
#include "models/features/plan.h"
#include "models/gbdt/json_value.h"

namespace ps {
namespace {

using features::Feature;

// Names stand between tabs, and in JSON.
std::string Printable(std::string_view text) {
  const std::string escaped = IsUtf8(text) ? absl::Utf8SafeCEscape(std::string(text)) : absl::CHexEscape(std::string(text));
  std::string printable;
  for (const char c : escaped) {  // " x " stands between the members of a cross
    if (c == ' ' && absl::EndsWith(printable, " x")) printable.replace(printable.size() - 1, 1, "\\x78");
    printable.push_back(c);
  }
  return printable;
}

// A column's part of a name, which ends where its keys' parts begin.
std::string ColumnName(const std::string& column, Feature::Op op, bool say_op) {
  const std::string name = absl::StrReplaceAll(Printable(column), {{"=", "\\x3d"}});
  // One that ends like a name with an operation says its own, lest it be taken for the other.
  for (int other = Feature::Op_MIN; other <= Feature::Op_MAX; ++other)
    say_op |= absl::EndsWith(name, absl::StrCat(" (", OpName(static_cast<Feature::Op>(other)), ")"));
  return say_op ? absl::StrCat(name, " (", OpName(op), ")") : name;
}

std::string RangeName(const std::string& name, const double* low, const double* high) {
  if (low == nullptr && high == nullptr) return absl::StrCat(name, " a number");
  if (low == nullptr) return absl::StrCat(name, " < ", Shortest(*high));
  if (high == nullptr) return absl::StrCat(name, " >= ", Shortest(*low));
  return absl::StrCat(name, " in [", Shortest(*low), ", ", Shortest(*high), ")");
}

// Numbers whose LogCell it is, of a number that was divided by the scale.
std::string CellName(const std::string& name, std::uint64_t cell, double scale) {
  constexpr int kCellBits = 15;  // the sign's the highest
  const auto bound = [scale](std::uint64_t of) {
    const std::uint64_t bits = of << (64 - kCellBits);
    double number;
    std::memcpy(&number, &bits, sizeof(number));
    return Shortest(number * scale);
  };
  const bool negative = cell >> (kCellBits - 1) != 0;
  return negative ? absl::StrCat(name, " in (", bound(cell + 1), ", ", bound(cell), "]")
                  : absl::StrCat(name, " in [", bound(cell), ", ", bound(cell + 1), ")");
}

}  // namespace

TableKeys::TableKeys(const features::Plan& plan) : missing_(plan.missing().begin(), plan.missing().end()) {
  std::map<std::uint32_t, int> features_of;  // by column
  for (const Feature& feature : plan.feature()) {
    if (feature.op() != Feature::CROSS) ++features_of[feature.column()];
  }
  for (const Feature& feature : plan.feature())
    sources_.push_back(Compile(plan, feature, feature.op() != Feature::CROSS && features_of[feature.column()] > 1));
}

TableKeys::Source TableKeys::Compile(const features::Plan& plan, const Feature& feature, bool say_op) {
  Source source;
  const std::string name = FeatureName(plan, feature);
  source.op = feature.op();
  source.seed = FieldSeed(name);
  for (const Feature& member : feature.member()) source.members.push_back(Compile(plan, member, /*say_op=*/false));
  if (source.op == Feature::CROSS) return source;
  source.column = feature.column();
  source.name = ColumnName(plan.column(static_cast<int>(feature.column())).name(), source.op, say_op);
  source.text_seed = FieldSeed(TextName(name));
  source.missing_key = BucketKey(FieldSeed(MissingName(name)), 0);
  source.cuts.assign(feature.cut().begin(), feature.cut().end());
  source.scale = feature.scale();
  for (int l = 0; l < feature.level_size(); ++l) {
    const auto& first = feature.level(l).first_leaf();
    source.levels.push_back({FieldSeed(LevelName(name, l)), {first.begin(), first.end()},
                             feature.level_size() > 1 ? absl::StrCat(", level ", l + 1) : ""});
  }
  return source;
}

bool TableKeys::IsMissing(std::string_view text) const {
  return std::find(missing_.begin(), missing_.end(), text) != missing_.end();
}

void TableKeys::OfPlan(const Visit& visit) const {
  for (const Source& source : sources_) {
    if (source.op == Feature::CROSS) continue;
    visit(source.missing_key, [&] { return absl::StrCat(source.name, " missing"); });
    if (source.op == Feature::RAW) visit(BucketKey(source.seed, 0), [&] { return absl::StrCat(source.name, ", value"); });
    for (const Level& level : source.levels) {
      for (std::size_t bucket = 0; bucket < level.first_leaf.size(); ++bucket) {
        visit(BucketKey(level.seed, bucket), [&] {
          // Leaf i holds cut[i - 1] <= x < cut[i].
          const double* const low = bucket == 0 ? nullptr : &source.cuts[level.first_leaf[bucket] - 1];
          const bool last = bucket + 1 == level.first_leaf.size();
          const double* const high = last ? nullptr : &source.cuts[level.first_leaf[bucket + 1] - 1];
          return absl::StrCat(RangeName(source.name, low, high), level.suffix);
        });
      }
    }
  }
}

void TableKeys::OfField(const Source& source, std::string_view text, const Visit& visit) const {
  const auto text_name = [&] { return absl::StrCat(source.name, "=", Printable(text)); };
  double number;
  if (IsMissing(text)) {
    visit(source.missing_key, [&] { return absl::StrCat(source.name, " missing"); });
  } else if (source.op == Feature::HASH) {
    visit(CategoryKey(source.seed, text), text_name);
  } else if (!ParseNumber(text, &number)) {
    visit(CategoryKey(source.text_seed, text), text_name);
  } else if (source.op == Feature::LOG) {
    const std::uint64_t cell = LogCell(number * (1 / source.scale));
    visit(BucketKey(source.seed, cell), [&] { return CellName(source.name, cell, source.scale); });
  } else if (source.op == Feature::RAW) {
    visit(BucketKey(source.seed, 0), [&] { return absl::StrCat(source.name, ", value"); });
  } else {
    const auto leaf = static_cast<std::uint32_t>(
        std::upper_bound(source.cuts.begin(), source.cuts.end(), number) - source.cuts.begin());
    for (const Level& level : source.levels) {
      const auto behind = std::upper_bound(level.first_leaf.begin(), level.first_leaf.end(), leaf);
      const auto bucket = static_cast<std::uint64_t>(behind - level.first_leaf.begin()) - 1;
      visit(BucketKey(level.seed, bucket), [&] {
        const double* const low = bucket == 0 ? nullptr : &source.cuts[level.first_leaf[bucket] - 1];
        const double* const high = behind == level.first_leaf.end() ? nullptr : &source.cuts[*behind - 1];
        return absl::StrCat(RangeName(source.name, low, high), level.suffix);
      });
    }
  }
}

void TableKeys::OfCross(const Source& source, const SplitRow& row, const Visit& visit) const {
  Key crossed = kEmptyKey;
  for (const Source& member : source.members) {
    bool first_of_member = true;  // a number has its first level there
    OfField(member, row.field(member.column), [&](Key key, const std::function<std::string()>&) {
      if (!std::exchange(first_of_member, false)) return;
      crossed = &member == &source.members.front() ? key : CrossKey(source.seed, crossed, key);
    });
  }
  visit(crossed, [&] {
    std::string name;
    for (const Source& member : source.members) {
      bool first_of_member = true;
      OfField(member, row.field(member.column), [&](Key, const std::function<std::string()>& one) {
        if (std::exchange(first_of_member, false)) absl::StrAppend(&name, name.empty() ? "" : " x ", one());
      });
    }
    return name;
  });
}

void TableKeys::OfRow(const SplitRow& row, const Visit& visit) const {
  for (const Source& source : sources_) {
    if (source.op == Feature::CROSS) {
      OfCross(source, row, visit);
    } else {
      OfField(source, row.field(source.column), visit);
    }
  }
}

}  // namespace ps
