#include "models/features/plan.h"

#include <cmath>
#include <set>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

using features::Feature;
using features::Plan;

absl::Status Malformed(const char* what) {
  return absl::InvalidArgumentError(absl::StrCat("malformed extractor plan: ", what));
}

absl::Status ValidateLevels(const Feature& feature) {
  if (feature.cut_size() >= kMaxBuckets) return Malformed("too many cuts");
  for (int i = 0; i < feature.cut_size(); ++i) {
    if (!std::isfinite(feature.cut(i))) return Malformed("a cut is not finite");
    if (i > 0 && !(feature.cut(i - 1) < feature.cut(i))) return Malformed("cuts do not ascend");
  }
  const int levels = feature.level_size();
  if (levels == 0 || levels > (feature.op() == Feature::BUCKET ? 1 : kMaxLevels)) {
    return Malformed("number of levels");
  }
  for (const features::Level& level : feature.level()) {
    const int buckets = level.first_leaf_size();
    if (buckets == 0 || level.first_leaf(0) != 0)
      return Malformed("a level does not begin at leaf 0");
    for (int i = 1; i < buckets; ++i) {
      if (level.first_leaf(i) <= level.first_leaf(i - 1)) return Malformed("leaves do not ascend");
    }
    if (level.first_leaf(buckets - 1) > static_cast<std::uint32_t>(feature.cut_size())) {
      return Malformed("a leaf beyond the cuts");
    }
  }
  return absl::OkStatus();
}

absl::Status ValidateFeature(const Plan& plan, const Feature& feature, bool is_member) {
  if (feature.op() != Feature::CROSS) {
    const auto columns = static_cast<std::uint32_t>(plan.column_size());
    if (feature.column() >= columns) return Malformed("a feature of no column");
    if (feature.member_size() != 0) return Malformed("members of a feature that is no cross");
  }
  switch (feature.op()) {
    case Feature::HASH:
      return absl::OkStatus();
    case Feature::LOG:
      return IsLogScale(feature.scale()) ? absl::OkStatus() : Malformed("scale");
    case Feature::NUMERIC:
      if (is_member) return Malformed("member of a cross");
      return ValidateLevels(feature);
    case Feature::BUCKET:
      return ValidateLevels(feature);
    case Feature::RAW:
      if (is_member) return Malformed("member of a cross");
      if (!std::isfinite(feature.mean()) || !std::isfinite(feature.deviation()) ||
          !(feature.deviation() > 0)) {
        return Malformed("mean or deviation");
      }
      return absl::OkStatus();
    case Feature::CROSS:
      if (is_member) return Malformed("a cross of crosses");
      if (feature.member_size() < 2 || feature.member_size() > 16) {
        return Malformed("number of members of a cross");
      }
      for (const Feature& member : feature.member()) {
        PS_RETURN_IF_ERROR(ValidateFeature(plan, member, true));
      }
      return absl::OkStatus();
    default:
      return Malformed("unknown operation");
  }
}

}  // namespace

const char* FormatName(DataFormat format) {
  switch (format) {
    case DataFormat::kLibsvm:
      return "libsvm";
    case DataFormat::kCsv:
      return "csv";
    case DataFormat::kTsv:
      return "tsv";
    case DataFormat::kCriteo:
      return "criteo";
    case DataFormat::kVw:
      return "vw";
  }
  return "";
}

absl::StatusOr<DataFormat> FormatOfName(std::string_view name) {
  for (DataFormat format : {DataFormat::kLibsvm, DataFormat::kCsv, DataFormat::kTsv,
                            DataFormat::kCriteo, DataFormat::kVw}) {
    if (name == FormatName(format)) return format;
  }
  return Malformed("unknown format");
}

std::vector<std::string> CriteoColumns() {
  std::vector<std::string> names = {"label"};
  for (int i = 1; i <= 13; ++i) names.push_back(absl::StrCat("I", i));
  for (int i = 1; i <= 26; ++i) names.push_back(absl::StrCat("C", i));
  return names;
}

const char* OpName(Feature::Op op) {
  switch (op) {
    case Feature::HASH:
      return "hash";
    case Feature::BUCKET:
      return "bucket";
    case Feature::NUMERIC:
      return "numeric";
    case Feature::LOG:
      return "log";
    case Feature::RAW:
      return "raw";
    case Feature::CROSS:
      return "cross";
    default:
      return "unknown";
  }
}

std::string FeatureName(const Plan& plan, const Feature& feature) {
  if (feature.op() == Feature::CROSS) {
    std::string name = "cross";
    for (const Feature& member : feature.member()) {
      absl::StrAppend(&name, "\n", plan.column(static_cast<int>(member.column())).name());
    }
    return name;
  }
  const std::string& column = plan.column(static_cast<int>(feature.column())).name();
  // The plain name is a category's, so that equal names and texts give equal keys in every format.
  if (feature.op() == Feature::HASH) return column;
  return absl::StrCat(column, "\n", OpName(feature.op()));
}

std::string LevelName(const std::string& feature_name, int level) {
  return absl::StrCat(feature_name, "\n", level);
}

std::string MissingName(const std::string& feature_name) {
  return absl::StrCat(feature_name, "\nmissing");
}

std::string TextName(const std::string& feature_name) {
  return absl::StrCat(feature_name, "\ntext");
}

std::string LeafName(std::size_t tree) { return absl::StrCat("\nleaf\n", tree); }

absl::Status ValidatePlan(const Plan& plan) {
  if (plan.version() != kPlanVersion && plan.version() != kPlanVersionOfTrees) {
    return absl::InvalidArgumentError(absl::StrCat("extractor plan of version ", plan.version(),
                                                   "; this program reads versions ", kPlanVersion,
                                                   " and ", kPlanVersionOfTrees));
  }
  PS_ASSIGN_OR_RETURN(const DataFormat format, FormatOfName(plan.format()));
  const bool has_trees = !plan.trees().empty();
  if (has_trees != (plan.version() == kPlanVersionOfTrees) ||
      (has_trees && format == DataFormat::kVw) ||
      (plan.without_indices() && !(has_trees && format == DataFormat::kLibsvm))) {
    return Malformed("trees");
  }
  if (!IsTable(format)) {
    if (plan.index_base() < 0) return Malformed("index base");
    if (plan.column_size() != 0 || plan.feature_size() != 0) return Malformed("columns of a text");
    return absl::OkStatus();
  }
  const auto columns = static_cast<std::uint32_t>(plan.column_size());
  if (columns == 0 || columns > kMaxColumns) return Malformed("number of columns");
  if (plan.label_column() >= columns) return Malformed("label column");
  if (plan.weighted() && plan.weight_column() >= columns) return Malformed("weight column");
  if (plan.quote().size() > 1) return Malformed("quote");
  std::set<std::string> names;
  for (const features::Column& column : plan.column()) {
    if (column.name().empty() || column.name().find('\n') != std::string::npos ||
        !names.insert(column.name()).second) {
      return Malformed("column names");
    }
  }
  std::set<std::string> features;
  for (const Feature& feature : plan.feature()) {
    PS_RETURN_IF_ERROR(ValidateFeature(plan, feature, false));
    if (!features.insert(FeatureName(plan, feature)).second) return Malformed("a feature twice");
  }
  return absl::OkStatus();
}

}  // namespace ps
