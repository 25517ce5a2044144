#include "evaluation/model_exchange.h"

#include <algorithm>
#include <map>
#include <vector>

#include "absl/strings/str_cat.h"
#include "evaluation/output_file.h"
#include "models/bundle/manifest.h"
#include "models/config/job_config.h"
#include "models/features/extractor.pb.h"
#include "models/features/plan.h"
#include "models/gbdt/foreign_trees.h"
#include "models/gbdt/bundle_trees.h"
#include "models/gbdt/class_names.h"
#include "ps/base/file.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

const char* NameOf(ModelFormat format) {
  return format == ModelFormat::kLightGbm ? "lightgbm" : "xgboost";
}

absl::StatusOr<features::Plan> PlanOf(const Bundle& bundle) {
  PS_ASSIGN_OR_RETURN(const std::string text, bundle.ReadFile(kExtractorName));
  features::Plan plan;
  if (!plan.ParseFromString(text))
    return absl::DataLossError(absl::StrCat(bundle.dir(), ": ", kExtractorName, " cannot be read"));
  PS_RETURN_IF_ERROR(ValidatePlan(plan));
  return plan;
}

// The columns of a table that are neither label nor weight, in order.
std::vector<std::uint32_t> FeatureColumns(const features::Plan& plan) {
  std::vector<std::uint32_t> columns;
  for (std::uint32_t c = 0; c < static_cast<std::uint32_t>(plan.column_size()); ++c) {
    if (c == plan.label_column() || (plan.weighted() && c == plan.weight_column())) continue;
    columns.push_back(c);
  }
  return columns;
}

features::Plan NewPlan(const ForeignModel& model, const ImportLayout& layout) {
  features::Plan plan;
  plan.set_version(kPlanVersion);
  plan.set_format(layout.data_format);
  if (model.libsvm) return plan;  // both tools count indices from 0
  plan.set_header(true);
  if (layout.data_format == "csv") plan.set_quote(DataConfig().quote);
  std::vector<std::string> missing = DataConfig().missing;
  std::sort(missing.begin(), missing.end());
  for (const std::string& text : missing) plan.add_missing(text);
  plan.add_column()->set_name(layout.label);
  for (const ForeignFeature& feature : model.features) {
    const bool number =
        feature.column < 0 ||
        model.model.columns[static_cast<std::size_t>(feature.column)].kind == ColumnKind::kNumber;
    features::Feature* const to = plan.add_feature();
    to->set_op(number ? features::Feature::RAW : features::Feature::HASH);
    to->set_column(static_cast<std::uint32_t>(plan.column_size()));
    if (number) to->set_deviation(1);
    features::Column* const column = plan.add_column();
    column->set_name(feature.name);
    column->set_numeric(number);
  }
  return plan;
}

// Sources of columns in a plan that was there before.
absl::Status FindSources(const features::Plan& plan, ForeignModel* model) {
  if (model->libsvm) {
    for (TreeColumn& column : model->model.columns) {
      if (column.source < static_cast<std::uint32_t>(plan.index_base()))
        return absl::InvalidArgumentError("the model asks for an index below the data's first");
      column.source -= static_cast<std::uint32_t>(plan.index_base());
    }
    return absl::OkStatus();
  }
  const std::vector<std::uint32_t> places = FeatureColumns(plan);
  std::vector<ForeignFeature> names;
  for (const std::uint32_t c : places)
    names.push_back({plan.column(static_cast<int>(c)).name(), -1});
  std::map<std::string, std::uint32_t> place_of;
  const std::vector<std::string> plain = PlainNames(names);
  for (std::size_t i = 0; i < places.size(); ++i) place_of[plain[i]] = places[i];
  for (std::size_t i = 0; i < places.size(); ++i) place_of[names[i].name] = places[i];
  for (TreeColumn& column : model->model.columns) {
    const auto found = place_of.find(column.name);
    if (found == place_of.end()) {
      return absl::InvalidArgumentError(
          absl::StrCat("the data of --like have no column \"", column.name, "\""));
    }
    column.source = found->second;
    column.name = plan.column(static_cast<int>(found->second)).name();
    for (const features::Feature& feature : plan.feature()) {
      if (feature.column() == column.source) column.text_is_missing |= feature.text_is_value();
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status ExportModel(const Bundle& bundle, ModelFormat format, const std::string& path) {
  if (bundle.info().model_type != "gbdt")
    return absl::InvalidArgumentError("only models of trees can be exported");
  ForeignModel model;
  if (HasBaseModel(bundle))
    return absl::UnimplementedError("the trees begin with a linear model (model.gbdt.base_model), which the formats do not have");
  PS_ASSIGN_OR_RETURN(model.model, ReadTrees(bundle));
  if (model.model.has_targets()) {
    return absl::UnimplementedError(
        "columns of the model are the mean label of their categories (model.gbdt.target_encoding), which the formats "
        "do not have; train with target_encoding: none and no target_columns");
  }
  PS_ASSIGN_OR_RETURN(const features::Plan plan, PlanOf(bundle));
  model.libsvm = plan.format() == "libsvm";
  if (model.libsvm) {
    // Features are counted as the indices of the files are.
    for (std::size_t c = 0; c < model.model.columns.size(); ++c) {
      const std::size_t feature =
          model.model.columns[c].source + static_cast<std::size_t>(plan.index_base());
      if (feature >= kMostFeatures) {
        return absl::UnimplementedError(absl::StrCat(bundle.dir(), ": index ", feature,
                                                     " cannot be written: only ", kMostFeatures,
                                                     " features"));
      }
      if (feature >= model.features.size()) model.features.resize(feature + 1);
      model.features[feature].column = static_cast<std::int64_t>(c);
    }
  } else {
    std::vector<std::int64_t> column_of(static_cast<std::size_t>(plan.column_size()), -1);
    for (std::size_t c = 0; c < model.model.columns.size(); ++c) {
      if (model.model.columns[c].source >= column_of.size())
        return absl::DataLossError(
            absl::StrCat(bundle.dir(), ": a column that the data do not have"));
      column_of[model.model.columns[c].source] = static_cast<std::int64_t>(c);
    }
    for (const std::uint32_t c : FeatureColumns(plan))
      model.features.push_back({plan.column(static_cast<int>(c)).name(), column_of[c]});
  }
  if (model.features.empty()) model.features.push_back({});
  const auto write = format == ModelFormat::kLightGbm ? ToLightGbm : ToXgBoost;
  PS_ASSIGN_OR_RETURN(const std::string text, write(model, bundle.info().margin_offset));
  return WriteOutputFile(path, text);
}

absl::Status ImportModel(const std::string& path, ModelFormat format, const ImportLayout& layout,
                         const std::string& out) {
  PS_ASSIGN_OR_RETURN(const std::string text, ReadWholeFile(path));
  features::Plan plan;
  bool libsvm = layout.data_format == "libsvm";
  std::vector<std::string> like_classes;
  if (!layout.like.empty()) {
    PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> like, Bundle::Open(layout.like));
    PS_ASSIGN_OR_RETURN(plan, PlanOf(*like));
    libsvm = plan.format() == "libsvm";
    if (like->info().model_type == "gbdt") {
      PS_ASSIGN_OR_RETURN(const TreeModel trees, ReadTrees(*like));
      like_classes = trees.classes;
    }
  }
  const auto read = format == ModelFormat::kLightGbm ? FromLightGbm : FromXgBoost;
  auto model = read(text, libsvm);
  if (!model.ok())
    return absl::Status(model.status().code(),
                        absl::StrCat(path, ": ", std::string(model.status().message())));
  // Files of other tools number the classes: those of the same data have names.
  if (!like_classes.empty() && model->model.classes == NumberedClasses(like_classes.size()))
    model->model.classes = like_classes;
  if (layout.like.empty()) {
    plan = NewPlan(*model, layout);
    PS_RETURN_IF_ERROR(ValidatePlan(plan));
    if (!libsvm) {
      for (TreeColumn& column : model->model.columns) ++column.source;  // behind the label
    }
  } else {
    PS_RETURN_IF_ERROR(FindSources(plan, &*model));
  }
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<BundleWriter> writer, BundleWriter::Create(out));
  PS_RETURN_IF_ERROR(writer->AddFile(kTreesName, model->model.Serialize()));
  PS_RETURN_IF_ERROR(writer->AddFile(kExtractorName, plan.SerializeAsString()));
  BundleInfo info;
  info.model_type = "gbdt";
  info.job_name = "imported";
  info.optimizer =
      absl::StrCat("imported from ", NameOf(format), " trees=", model->model.trees.size());
  return writer->Finish(info);
}

}  // namespace ps
