#include "models/features/plan_compiler.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/features/header_hint.h"
#include "models/features/number_features.h"
#include "models/features/plan.h"
#include "models/features/table_sample.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

using features::Feature;
using features::Plan;

template <typename... Parts>
absl::Status Invalid(const Parts&... parts) {
  return absl::InvalidArgumentError(absl::StrCat(parts...));
}

class Compiler {
 public:
  // `start`: null, or whose features these are to be.
  Compiler(const JobConfig& config, const DataFiles& train, const Plan* start)
      : config_(config), train_(train), start_(start) {}

  absl::StatusOr<Plan> Run() {
    const DataConfig& data = config_.data;
    plan_.set_version(kPlanVersion);
    plan_.set_format(std::string(FormatName(data.format)));
    if (data.format == DataFormat::kLibsvm) plan_.set_index_base(data.index_base);
    if (start_ != nullptr && start_->format() != plan_.format()) {
      return Invalid("data.format: the features are of ", start_->format(), " text, these data are ", plan_.format());
    }
    if (!IsTable(data.format)) {
      if (start_ != nullptr) return RowsAsBefore();
      PS_RETURN_IF_ERROR(SetFeaturesOfRows());
      return plan_;
    }
    if (data.quote.size() > 1) return Invalid("data.quote: expected one character or none");
    const TableShape shape = ShapeOf(data);
    PS_ASSIGN_OR_RETURN(sample_, SampleTable(train_, shape));
    PS_RETURN_IF_ERROR(SetTable(shape));
    PS_RETURN_IF_ERROR(start_ == nullptr ? SetFeatures() : TakeFeatures());
    if (absl::Status status = ValidatePlan(plan_); !status.ok()) return status;
    return std::move(plan_);
  }

 private:
  absl::StatusOr<std::vector<std::string>> ColumnNames() const {
    const DataConfig& data = config_.data;
    if (data.format == DataFormat::kCriteo) return CriteoColumns();
    if (data.header) {
      if (!data.columns.empty()) {
        return Invalid("data.columns: the files' header names the columns; set one of the two");
      }
      if (sample_.header.empty()) {
        return Invalid("data.train.files: ", train_.files()[0].path, train_.files().size() > 1 ? " and the others have" : " has",
                       " no header line: the first line is empty or not there. Files without one need data.header: false");
      }
      return sample_.header;
    }
    if (!data.columns.empty()) return data.columns;
    if (start_ != nullptr && sample_.columns == static_cast<std::size_t>(start_->column_size())) {
      std::vector<std::string> names;
      for (const features::Column& column : start_->column()) names.push_back(column.name());
      return names;
    }
    if (sample_.columns == 0) return Invalid("data.train.files: no rows to count the columns of");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < sample_.columns; ++i) names.push_back(absl::StrCat("c", i));
    return names;
  }

  absl::Status SetTable(const TableShape& shape) {
    const DataConfig& data = config_.data;
    PS_ASSIGN_OR_RETURN(names_, ColumnNames());
    if (names_.size() > kMaxColumns) return Invalid("data: more than ", kMaxColumns, " columns");
    std::set<std::string> seen;
    for (const std::string& name : names_) {
      if (name.empty() || name.find('\n') != std::string::npos || !seen.insert(name).second) {
        return Invalid("data: the column name \"", name, "\" is empty or occurs twice",
                       HeaderAdvice(data, names_));
      }
    }
    if (sample_.rows > 0 && sample_.columns != names_.size()) {
      return Invalid("data: rows of ", sample_.columns, " columns, but ", names_.size(), " names",
                     data.format == DataFormat::kCriteo ? " in the Criteo layout" : "");
    }
    sample_.column.resize(names_.size());
    plan_.set_header(shape.header);
    if (shape.layout.quote != 0) plan_.set_quote(std::string(1, shape.layout.quote));
    std::set<std::string> missing(shape.missing.begin(), shape.missing.end());
    for (const std::string& text : missing) plan_.add_missing(text);
    for (std::size_t i = 0; i < names_.size(); ++i) {
      const ColumnSample& column = sample_.column[i];
      features::Column* out = plan_.add_column();
      out->set_name(names_[i]);
      out->set_numeric(IsNumeric(i));
      out->set_distinct(column.distinct);
      out->set_missing(column.missing);
    }
    plan_.set_sample_rows(sample_.rows);
    plan_.set_positive(data.label.positive);
    ColumnRef label = data.label.column;
    if (!label.set()) {
      if (seen.count("label") != 0) {
        label.name = "label";
      } else {
        label.index = 0;
      }
    }
    PS_ASSIGN_OR_RETURN(label_, Resolve(label, "data.label.column"));
    plan_.set_label_column(label_);
    if (data.weight.set()) {
      PS_ASSIGN_OR_RETURN(const std::uint32_t weight, Resolve(data.weight, "data.weight"));
      if (weight == label_) return Invalid("data.weight: \"", names_[weight], "\" is the label");
      plan_.set_weighted(true);
      plan_.set_weight_column(weight);
    }
    return absl::OkStatus();
  }

  bool IsNumeric(std::size_t column) const {
    if (config_.data.format == DataFormat::kCriteo) return column >= 1 && column <= 13;
    const ColumnSample& sample = sample_.column[column];
    const auto numbers = static_cast<double>(sample.numbers.size());
    return numbers >= kNumericShare * (numbers + static_cast<double>(sample.texts)) &&
           sample.distinct > kNumericDistinct;
  }

  absl::StatusOr<std::uint32_t> Resolve(const ColumnRef& ref, const std::string& path) const {
    if (!ref.name.empty()) {
      const auto found = std::find(names_.begin(), names_.end(), ref.name);
      if (found != names_.end()) return static_cast<std::uint32_t>(found - names_.begin());
      constexpr std::size_t kShown = 50;
      const std::vector<std::string> shown(
          names_.begin(), names_.begin() + static_cast<long>(std::min(kShown, names_.size())));
      return Invalid(path, ": no column \"", ref.name, "\"; the columns are ",
                     absl::StrJoin(shown, ", "), names_.size() > kShown ? ", ..." : "",
                     HeaderAdvice(config_.data, names_));
    }
    if (ref.index < 0 || static_cast<std::size_t>(ref.index) >= names_.size()) {
      return Invalid(path, ": column ", ref.index, " of ", names_.size(),
                     " (columns count from 0)");
    }
    return static_cast<std::uint32_t>(ref.index);
  }

  // Of text without columns: its indices, leaves of trees in their place, or both. The trees
  // themselves come later (Extractor::Compile).
  absl::Status SetFeaturesOfRows() {
    if (config_.features.empty()) return absl::OkStatus();
    bool rest = false;
    for (const FeatureConfig& feature : config_.features) {
      rest |= feature.op == FeatureOp::kRest;
      if (config_.data.format == DataFormat::kLibsvm &&
          (feature.op == FeatureOp::kRest || feature.op == FeatureOp::kTreeLeaves)) {
        continue;
      }
      return Invalid("features: ", plan_.format(),
                     " text has no columns; leave `features` out for this format");
    }
    plan_.set_without_indices(!rest);
    return absl::OkStatus();
  }

  absl::StatusOr<Plan> RowsAsBefore() const {
    if (start_->index_base() != plan_.index_base()) {
      return Invalid("data.index_base: ", plan_.index_base(), ", but the features are those of index_base: ",
                     start_->index_base());
    }
    return *start_;
  }

  // Features of the plan to start from, on the columns that have the names of its own here.
  absl::Status TakeFeatures() {
    const auto same_texts = [](const auto& a, const auto& b) { return std::equal(a.begin(), a.end(), b.begin(), b.end()); };
    if (!same_texts(start_->missing(), plan_.missing())) {
      return Invalid("data.missing: another than that of the features: [\"", absl::StrJoin(start_->missing(), "\", \""), "\"]");
    }
    std::vector<std::uint32_t> place(start_->column_size());  // here, of each of its columns
    std::vector<bool> there(place.size());
    for (std::uint32_t i = 0; i < place.size(); ++i) {
      const features::Column& column = start_->column(static_cast<int>(i));
      const auto found = std::find(names_.begin(), names_.end(), column.name());
      there[i] = found != names_.end();
      place[i] = static_cast<std::uint32_t>(found - names_.begin());
      if (there[i]) *plan_.mutable_column(static_cast<int>(place[i])) = column;
    }
    if (!start_->trees().empty()) {
      for (std::uint32_t i = 0; i < place.size(); ++i) {
        if (place[i] != i || place.size() != names_.size()) {
          return Invalid("data: the features have leaves of trees among them, so the columns must be the same in the same order");
        }
      }
      plan_.set_version(start_->version());
      plan_.set_trees(start_->trees());
      plan_.set_without_indices(start_->without_indices());
    }
    const auto move = [&](Feature* feature) -> absl::Status {
      const std::uint32_t was = feature->column();
      const std::string& name = start_->column(static_cast<int>(was)).name();
      if (!there[was]) return Resolve({.name = name}, "data.train.files").status();
      if (place[was] == label_) return Invalid("data.label.column: \"", name, "\" is a feature");
      feature->set_column(place[was]);
      return absl::OkStatus();
    };
    for (const Feature& feature : start_->feature()) {
      Feature* const taken = plan_.add_feature();
      *taken = feature;
      if (feature.op() != Feature::CROSS) {
        PS_RETURN_IF_ERROR(move(taken));
        continue;
      }
      for (Feature& member : *taken->mutable_member()) PS_RETURN_IF_ERROR(move(&member));
    }
    plan_.set_sample_rows(start_->sample_rows());
    return absl::OkStatus();
  }

  absl::Status SetFeatures() {
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

  // All columns but the label, the weight and those that an item of their own names, by inferred
  // type.
  absl::Status SetRest() {
    std::set<std::uint32_t> without = {label_};
    if (plan_.weighted()) without.insert(plan_.weight_column());
    for (std::size_t i = 0; i < config_.features.size(); ++i) {
      if (!config_.features[i].column.set()) continue;
      PS_ASSIGN_OR_RETURN(
          const std::uint32_t column,
          Resolve(config_.features[i].column, absl::StrCat("features[", i, "].column")));
      without.insert(column);
    }
    for (std::uint32_t column = 0; column < names_.size(); ++column) {
      if (without.count(column) != 0) continue;
      const bool is_number = IsNumeric(column);
      Feature feature;
      if (is_number) {
        feature = Buckets(column, Feature::NUMERIC, NumericBuckets());
        feature.set_text_is_value(config_.data.format != DataFormat::kCriteo);
        *plan_.add_feature() = std::move(feature);
      }
      const bool typed = config_.data.format == DataFormat::kCriteo;
      if (!is_number || (!typed && MayBeNames(sample_.column[column].numbers))) {
        feature = Feature();
        feature.set_op(Feature::HASH);
        feature.set_column(column);
        *plan_.add_feature() = std::move(feature);
      }
    }
    return absl::OkStatus();
  }

  absl::Span<const int> NumericBuckets() const {
    if (sample_.whole && sample_.rows < kManyRows) return kNumericBucketsOfFewRows;
    return kNumericBuckets;
  }

  // A column that may become a feature: the label must not leak into them.
  absl::StatusOr<std::uint32_t> FeatureColumn(const ColumnRef& ref, const std::string& path) const {
    PS_ASSIGN_OR_RETURN(const std::uint32_t column, Resolve(ref, path));
    if (column == label_) return Invalid(path, ": \"", names_[column], "\" is the label");
    return column;
  }

  absl::StatusOr<Feature> Declared(const FeatureConfig& config, std::uint32_t column,
                                   const std::string& path) const {
    const ColumnSample& sample = sample_.column[column];
    Feature feature;
    feature.set_column(column);
    if (config.op == FeatureOp::kHash) {
      feature.set_op(Feature::HASH);
      return feature;
    }
    if (sample.numbers.empty() && sample.texts > 0) {
      return Invalid(path, ".op: column \"", names_[column],
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
    return BucketFeature(sample_.column[column].numbers, column, op, buckets);
  }

  // A column takes part in a cross as it is declared elsewhere, else by its inferred type.
  absl::StatusOr<Feature> Member(std::uint32_t column) const {
    for (std::size_t i = 0; i < config_.features.size(); ++i) {
      const FeatureConfig& config = config_.features[i];
      if (config.op == FeatureOp::kIgnore || !config.column.set()) continue;
      const std::string path = absl::StrCat("features[", i, "]");
      PS_ASSIGN_OR_RETURN(const std::uint32_t other, Resolve(config.column, path + ".column"));
      if (other != column) continue;
      if (config.op == FeatureOp::kNumeric || config.op == FeatureOp::kRaw) {
        return Buckets(column, Feature::BUCKET, {{kCrossBuckets}});
      }
      return Declared(config, column, path);
    }
    if (IsNumeric(column)) {
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
        return Invalid(member_path, ": \"", names_[column], "\" occurs twice");
      }
      PS_ASSIGN_OR_RETURN(*feature.add_member(), Member(column));
    }
    return feature;
  }

  const JobConfig& config_;
  const DataFiles& train_;
  const Plan* const start_;
  TableSample sample_;
  std::vector<std::string> names_;
  std::uint32_t label_ = 0;
  Plan plan_;
};

}  // namespace

absl::StatusOr<Plan> CompilePlan(const JobConfig& config, const DataFiles& train) {
  return Compiler(config, train, nullptr).Run();
}

absl::StatusOr<Plan> CompilePlanAs(const Plan& start, const JobConfig& config, const DataFiles& train) {
  return Compiler(config, train, &start).Run();
}

}  // namespace ps
