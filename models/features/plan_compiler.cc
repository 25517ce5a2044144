#include "models/features/plan_compiler.h"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/features/declared_features.h"
#include "models/features/header_hint.h"
#include "models/features/invalid.h"
#include "models/features/plan.h"
#include "models/features/table_columns.h"
#include "models/features/table_sample.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

using features::Feature;
using features::Plan;

class Compiler {
 public:
  // `start`: null, or whose features these are to be.
  Compiler(const JobConfig& config, const DataFiles& train, const Plan* start)
      : config_(config), train_(train), start_(start), columns_{.data = config.data, .sample = {}, .names = {}} {}

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
    PS_ASSIGN_OR_RETURN(columns_.sample, SampleTable(train_, shape));
    PS_RETURN_IF_ERROR(SetTable(shape));
    PS_RETURN_IF_ERROR(start_ == nullptr ? SetDeclaredFeatures(config_, columns_, &plan_) : TakeFeatures());
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
      if (columns_.sample.header.empty()) {
        return Invalid("data.train.files: ", train_.files()[0].path, train_.files().size() > 1 ? " and the others have" : " has",
                       " no header line: the first line is empty or not there. Files without one need data.header: false");
      }
      return columns_.sample.header;
    }
    if (!data.columns.empty()) return data.columns;
    if (start_ != nullptr && columns_.sample.columns == static_cast<std::size_t>(start_->column_size())) {
      std::vector<std::string> names;
      for (const features::Column& column : start_->column()) names.push_back(column.name());
      return names;
    }
    if (columns_.sample.columns == 0) return Invalid("data.train.files: no rows to count the columns of");
    std::vector<std::string> names;
    for (std::size_t i = 0; i < columns_.sample.columns; ++i) names.push_back(absl::StrCat("c", i));
    return names;
  }

  absl::Status SetTable(const TableShape& shape) {
    const DataConfig& data = config_.data;
    PS_ASSIGN_OR_RETURN(columns_.names, ColumnNames());
    if (columns_.names.size() > kMaxColumns) return Invalid("data: more than ", kMaxColumns, " columns");
    std::set<std::string> seen;
    for (const std::string& name : columns_.names) {
      if (name.empty() || name.find('\n') != std::string::npos || !seen.insert(name).second) {
        return Invalid("data: the column name \"", name, "\" is empty or occurs twice",
                       HeaderAdvice(data, columns_.names));
      }
    }
    if (columns_.sample.rows > 0 && columns_.sample.columns != columns_.names.size()) {
      return Invalid("data: rows of ", columns_.sample.columns, " columns, but ", columns_.names.size(), " names",
                     data.format == DataFormat::kCriteo ? " in the Criteo layout" : "");
    }
    columns_.sample.column.resize(columns_.names.size());
    plan_.set_header(shape.header);
    if (shape.layout.quote != 0) plan_.set_quote(std::string(1, shape.layout.quote));
    std::set<std::string> missing(shape.missing.begin(), shape.missing.end());
    for (const std::string& text : missing) plan_.add_missing(text);
    for (std::size_t i = 0; i < columns_.names.size(); ++i) {
      const ColumnSample& column = columns_.sample.column[i];
      features::Column* out = plan_.add_column();
      out->set_name(columns_.names[i]);
      out->set_numeric(columns_.IsNumeric(i));
      out->set_distinct(column.distinct);
      out->set_missing(column.missing);
    }
    plan_.set_sample_rows(columns_.sample.rows);
    plan_.set_positive(data.label.positive);
    ColumnRef label = data.label.column;
    if (!label.set()) {
      if (seen.count("label") != 0) {
        label.name = "label";
      } else {
        label.index = 0;
      }
    }
    PS_ASSIGN_OR_RETURN(columns_.label, columns_.Resolve(label, "data.label.column"));
    plan_.set_label_column(columns_.label);
    if (data.weight.set()) {
      PS_ASSIGN_OR_RETURN(const std::uint32_t weight, columns_.Resolve(data.weight, "data.weight"));
      if (weight == columns_.label) return Invalid("data.weight: \"", columns_.names[weight], "\" is the label");
      plan_.set_weighted(true);
      plan_.set_weight_column(weight);
    }
    return absl::OkStatus();
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
      const auto found = std::find(columns_.names.begin(), columns_.names.end(), column.name());
      there[i] = found != columns_.names.end();
      place[i] = static_cast<std::uint32_t>(found - columns_.names.begin());
      if (there[i]) *plan_.mutable_column(static_cast<int>(place[i])) = column;
    }
    if (!start_->trees().empty()) {
      for (std::uint32_t i = 0; i < place.size(); ++i) {
        if (place[i] != i || place.size() != columns_.names.size()) {
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
      if (!there[was]) return columns_.Resolve({.name = name}, "data.train.files").status();
      if (place[was] == columns_.label) return Invalid("data.label.column: \"", name, "\" is a feature");
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

  const JobConfig& config_;
  const DataFiles& train_;
  const Plan* const start_;
  TableColumns columns_;
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
