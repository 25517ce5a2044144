#include "trainer/gbdt/start_trees.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/bundle/bundle.h"
#include "models/bundle/manifest.h"
#include "models/features/extractor.pb.h"
#include "models/features/plan.h"
#include "models/gbdt/bundle_trees.h"
#include "ps/base/status_macros.h"
#include "trainer/warm_start.h"

namespace ps {
namespace {

const char* NameOf(Objective objective) {
  switch (objective) {
    case Objective::kSquared: return "squared";
    case Objective::kSoftmax: return "softmax";
    case Objective::kLogistic: break;
  }
  return "logistic";
}

absl::StatusOr<features::Plan> ReadPlan(const std::string& extractor) {
  features::Plan plan;
  if (!plan.ParseFromString(extractor))
    return absl::DataLossError("model.warm_start: its feature plan cannot be read");
  return plan;
}

}  // namespace

absl::StatusOr<std::optional<TreeModel>> OpenStartTrees(const PreparedJob& job, Objective objective,
                                                        double margin_offset) {
  const std::string& dir = job.config.model.warm_start;
  if (dir.empty()) return std::optional<TreeModel>();
  PS_ASSIGN_OR_RETURN(const std::unique_ptr<Bundle> bundle, OpenStartBundle(dir));
  const auto unfit = [&](const std::string& what) {
    return absl::InvalidArgumentError(absl::StrCat("model.warm_start: '", dir, "' ", what));
  };
  if (bundle->info().model_type != "gbdt")
    return unfit(absl::StrCat("is a model of type ", bundle->info().model_type, ", not of trees"));
  if (HasBaseModel(*bundle))
    return unfit("begins with a linear model (model.gbdt.base_model), which cannot be gone on from "
                 "in this version");
  PS_ASSIGN_OR_RETURN(TreeModel model, ReadTrees(*bundle));
  if (model.objective != objective) {
    return unfit(absl::StrCat("was trained with objective: ", NameOf(model.objective),
                              ", this job has ", NameOf(objective)));
  }
  const std::vector<std::string>& classes = job.config.data.label.classes;
  if (!classes.empty() && classes != model.classes) {
    return unfit(absl::StrCat("knows the classes ", absl::StrJoin(model.classes, ", "),
                              ": set data.label.classes to them in this order, or leave it out"));
  }
  PS_ASSIGN_OR_RETURN(const std::string extractor, bundle->ReadFile(kExtractorName));
  PS_ASSIGN_OR_RETURN(const features::Plan had, ReadPlan(extractor));
  PS_ASSIGN_OR_RETURN(const features::Plan has, ReadPlan(job.extractor->Serialize()));
  const bool libsvm = had.format() == "libsvm", wanted = has.format() == "libsvm";
  if (libsvm != wanted)
    return unfit(absl::StrCat("was trained on ", libsvm ? "libsvm text" : "tables",
                              ", this job's data are ", wanted ? "libsvm text" : "tables"));
  if (libsvm && had.index_base() != has.index_base()) {
    return unfit(absl::StrCat("was trained with data.index_base: ", had.index_base(), ", set the same"));
  }
  if (libsvm && model.absent_is_zero != job.config.model.gbdt.absent_is_zero) {
    return unfit(absl::StrCat("was trained with model.gbdt.absent: ",
                              model.absent_is_zero ? "zero" : "missing", ", set the same"));
  }
  model.base_score += bundle->info().margin_offset - margin_offset;
  return std::optional<TreeModel>(std::move(model));
}

absl::StatusOr<std::unique_ptr<BaseModel>> OpenBaseModel(const JobConfig& config) {
  const std::string& dir = config.model.gbdt.base_model;
  if (dir.empty()) return std::unique_ptr<BaseModel>();
  const auto within = [](const absl::Status& status) {
    return absl::Status(status.code(),
                        absl::StrCat("model.gbdt.base_model: ", status.message()));
  };
  absl::StatusOr<std::unique_ptr<Bundle>> bundle = Bundle::Open(dir);
  if (!bundle.ok()) return within(bundle.status());
  if ((*bundle)->info().model_type != "lr") {
    return absl::InvalidArgumentError(
        absl::StrCat("model.gbdt.base_model: '", dir, "' is a model of type ",
                     (*bundle)->info().model_type,
                     ", not lr; trees go on from trees by model.warm_start"));
  }
  absl::StatusOr<std::unique_ptr<BaseModel>> base = BaseModel::FromLinear(*std::move(bundle));
  if (!base.ok()) return within(base.status());
  features::Plan plan;
  if (!plan.ParseFromString((*base)->scorer().extractor()->Serialize()))
    return absl::InternalError("the plan cannot be read back");
  if (plan.format() != FormatName(config.data.format)) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.gbdt.base_model: '", dir, "' reads format ", plan.format(),
                     ", this job's data are ", FormatName(config.data.format)));
  }
  if (plan.format() == "libsvm" && plan.index_base() != config.data.index_base) {
    return absl::InvalidArgumentError(
        absl::StrCat("model.gbdt.base_model: '", dir, "' was trained with data.index_base: ",
                     plan.index_base(), ", set the same"));
  }
  return base;
}

std::vector<TreeColumn> TreeColumnsOf(const BinPlan& bins) {
  std::vector<TreeColumn> columns;
  for (std::size_t c = 0; c < bins.columns.size(); ++c) {
    const ValueColumn& source = bins.sources[c];
    columns.push_back({bins.columns[c].name, source.source, bins.columns[c].kind, source.text_is_missing,
                       bins.columns[c].categories, source.target});
  }
  return columns;
}

void PlaceStartTrees(const BinPlan& bins, TreeModel* trees) {
  std::vector<TreeColumn> columns = TreeColumnsOf(bins);
  absl::flat_hash_map<std::string, std::uint32_t> place_of_name;
  for (std::size_t c = 0; c < columns.size(); ++c) place_of_name.emplace(columns[c].name, static_cast<std::uint32_t>(c));
  std::vector<std::uint32_t> place;
  for (const TreeColumn& column : trees->columns)
    place.push_back(bins.libsvm ? bins.column_of_index[column.source]
                                : place_of_name.at(column.name));
  for (Tree& tree : trees->trees) {
    std::vector<BinSet> sets;
    for (TreeNode& node : tree.nodes) {
      const std::size_t known = trees->columns[node.column].categories.size();
      node.column = place[node.column];
      if (node.kind != ColumnKind::kCategory) continue;
      BinSet set = tree.left_sets[node.left_set];
      for (std::size_t bin = known + 1; bin <= columns[node.column].categories.size(); ++bin) {
        if (Contains(set, 0)) Insert(&set, static_cast<std::uint8_t>(bin));
      }
      node.left_set = static_cast<std::uint32_t>(sets.size());
      sets.push_back(set);
    }
    tree.left_sets = std::move(sets);
  }
  trees->columns = std::move(columns);
}

void SetBinsOfThresholds(const BinPlan& bins, TreeModel* trees) {
  for (Tree& tree : trees->trees) {
    for (TreeNode& node : tree.nodes) {
      if (node.kind == ColumnKind::kCategory) continue;
      const std::vector<float>& cuts = bins.columns[node.column].cuts;
      const auto at = std::lower_bound(cuts.begin(), cuts.end(), node.threshold);
      node.bin = static_cast<std::uint8_t>(at - cuts.begin() + 1);
      // What sparse rows do not have goes the way of bin 0.
      if (trees->absent_is_zero && bins.sparse) node.missing_left = 0 < node.threshold;
    }
  }
}

}  // namespace ps
