#include "models/features/declared_features.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "models/features/invalid.h"
#include "models/features/number_features.h"
#include "models/features/plan.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

using features::Feature;

class DeclaredFeatures {
 public:
  DeclaredFeatures(const JobConfig& config, const TableColumns& columns, features::Plan* plan)
      : config_(config), columns_(columns), plan_(*plan) {}

  absl::Status SetAll() {
    const std::vector<FeatureConfig>& declared = config_.features;
    const bool only_ignores = std::all_of(declared.begin(), declared.end(),
                                          [](const auto& f) { return f.op == FeatureOp::kIgnore; });
    if (only_ignores) return SetRest();
    std::set<std::string> seen;
    for (std::size_t i = 0; i < declared.size(); ++i) {
      const std::string path = absl::StrCat("features[", i, "]");
      if (declared[i].op == FeatureOp::kRest) PS_RETURN_IF_ERROR(SetRest());
      if (declared[i].op == FeatureOp::kIgnore || declared[i].op == FeatureOp::kRest ||
          declared[i].op == FeatureOp::kTreeLeaves) {
        continue;
      }
      Feature feature;
      if (declared[i].op == FeatureOp::kCross) {
        PS_ASSIGN_OR_RETURN(feature, Cross(declared[i], path));
      } else {
        PS_ASSIGN_OR_RETURN(const std::uint32_t column,
                            FeatureColumn(declared[i].column, absl::StrCat(path, ".column")));
        PS_ASSIGN_OR_RETURN(feature, Declared(declared[i], column, path));
      }
      if (!seen.insert(FeatureName(plan_, feature)).second) {
        return Invalid(path, ": the same feature was declared before");
      }
      *plan_.add_feature() = std::move(feature);
    }
    return absl::OkStatus();
  }

 private:
  // All columns but the label, the weight and those that an item of their own names, by inferred
  // type.
  absl::Status SetRest() {
    std::set<std::uint32_t> without = {columns_.label};
    if (plan_.weighted()) without.insert(plan_.weight_column());
    for (std::size_t i = 0; i < config_.features.size(); ++i) {
      if (!config_.features[i].column.set()) continue;
      PS_ASSIGN_OR_RETURN(
          const std::uint32_t column,
          columns_.Resolve(config_.features[i].column, absl::StrCat("features[", i, "].column")));
      without.insert(column);
    }
    for (std::uint32_t column = 0; column < columns_.names.size(); ++column) {
      if (without.count(column) != 0) continue;
      const bool is_number = columns_.IsNumeric(column);
      Feature feature;
      if (is_number) {
        feature = Buckets(column, Feature::NUMERIC, NumericBuckets());
        feature.set_text_is_value(config_.data.format != DataFormat::kCriteo);
        *plan_.add_feature() = std::move(feature);
      }
      const bool typed = config_.data.format == DataFormat::kCriteo;
      if (!is_number || (!typed && MayBeNames(columns_.sample.column[column].numbers))) {
        feature = Feature();
        feature.set_op(Feature::HASH);
        feature.set_column(column);
        *plan_.add_feature() = std::move(feature);
      }
    }
    return absl::OkStatus();
  }

  absl::Span<const int> NumericBuckets() const {
    if (columns_.sample.whole && columns_.sample.rows < kManyRows) return kNumericBucketsOfFewRows;
    return kNumericBuckets;
  }

  // A column that may become a feature: the label must not leak into them.
  absl::StatusOr<std::uint32_t> FeatureColumn(const ColumnRef& ref, const std::string& path) const {
    PS_ASSIGN_OR_RETURN(const std::uint32_t column, columns_.Resolve(ref, path));
    if (column == columns_.label) return Invalid(path, ": \"", columns_.names[column], "\" is the label");
    return column;
  }

  absl::StatusOr<Feature> Declared(const FeatureConfig& config, std::uint32_t column,
                                   const std::string& path) const {
    const ColumnSample& sample = columns_.sample.column[column];
    Feature feature;
    feature.set_column(column);
    if (config.op == FeatureOp::kHash) {
      feature.set_op(Feature::HASH);
      return feature;
    }
    if (sample.numbers.empty() && sample.texts > 0) {
      return Invalid(path, ".op: column \"", columns_.names[column],
                     "\" holds no numbers but texts like \"", sample.first_text,
                     "\"; declare it as hash");
    }
    switch (config.op) {
      case FeatureOp::kNumeric:
        return Buckets(column, Feature::NUMERIC, NumericBuckets());
      case FeatureOp::kBucket:
        if (config.buckets < 2 || config.buckets > kMaxBuckets / 2) {
          return Invalid(path, ".buckets: expected 2 to ", kMaxBuckets / 2, ", found ",
                         config.buckets);
        }
        return Buckets(column, Feature::BUCKET, {{config.buckets}});
      case FeatureOp::kLog:
        return LogFeature(sample.numbers, column);
      case FeatureOp::kRaw:
        return RawFeature(sample.numbers, column);
      default:
        return Invalid(path, ".op: not an operation on one column");
    }
  }

  Feature Buckets(std::uint32_t column, Feature::Op op, absl::Span<const int> buckets) const {
    return BucketFeature(columns_.sample.column[column].numbers, column, op, buckets);
  }

  // A column takes part in a cross as it is declared elsewhere, else by its inferred type.
  absl::StatusOr<Feature> Member(std::uint32_t column) const {
    for (std::size_t i = 0; i < config_.features.size(); ++i) {
      const FeatureConfig& config = config_.features[i];
      if (config.op == FeatureOp::kIgnore || !config.column.set()) continue;
      const std::string path = absl::StrCat("features[", i, "]");
      PS_ASSIGN_OR_RETURN(const std::uint32_t other, columns_.Resolve(config.column, path + ".column"));
      if (other != column) continue;
      if (config.op == FeatureOp::kNumeric || config.op == FeatureOp::kRaw) {
        return Buckets(column, Feature::BUCKET, {{kCrossBuckets}});
      }
      return Declared(config, column, path);
    }
    if (columns_.IsNumeric(column)) {
      Feature feature = Buckets(column, Feature::BUCKET, {{kCrossBuckets}});
      feature.set_text_is_value(config_.data.format != DataFormat::kCriteo);
      return feature;
    }
    Feature feature;
    feature.set_op(Feature::HASH);
    feature.set_column(column);
    return feature;
  }

  absl::StatusOr<Feature> Cross(const FeatureConfig& config, const std::string& path) const {
    if (config.of.size() < 2 || config.of.size() > 16) {
      return Invalid(path, ".of: expected 2 to 16 columns, found ", config.of.size());
    }
    Feature feature;
    feature.set_op(Feature::CROSS);
    std::set<std::uint32_t> seen;
    for (std::size_t i = 0; i < config.of.size(); ++i) {
      const std::string member_path = absl::StrCat(path, ".of[", i, "]");
      PS_ASSIGN_OR_RETURN(const std::uint32_t column, FeatureColumn(config.of[i], member_path));
      if (!seen.insert(column).second) {
        return Invalid(member_path, ": \"", columns_.names[column], "\" occurs twice");
      }
      PS_ASSIGN_OR_RETURN(*feature.add_member(), Member(column));
    }
    return feature;
  }

  const JobConfig& config_;
  const TableColumns& columns_;
  features::Plan& plan_;
};

}  // namespace

absl::Status SetDeclaredFeatures(const JobConfig& config, const TableColumns& columns, features::Plan* plan) {
  return DeclaredFeatures(config, columns, plan).SetAll();
}

}  // namespace ps
