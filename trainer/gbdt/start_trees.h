// Going on from the trees of an earlier model (model.warm_start), or fitting them again
// (model.gbdt.refit); or beginning with a linear model (model.gbdt.base_model). Pure functions, any
// thread.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/gbdt/base_model.h"
#include "models/gbdt/tree_model.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/prepared_job.h"

namespace ps {

// The trees of model.warm_start; nothing without one. Their base score is that of this job's rows:
// `margin_offset` is what the job itself will add to margins. InvalidArgument: they are of another
// kind than the job's.
absl::StatusOr<std::optional<TreeModel>> OpenStartTrees(const PreparedJob& job, Objective objective,
                                                        double margin_offset);

// model.gbdt.base_model; null without one. InvalidArgument: it is no linear model.
absl::StatusOr<std::unique_ptr<BaseModel>> OpenBaseModel(const JobConfig& config);

// The columns of a model that is trained on these bins.
std::vector<TreeColumn> TreeColumnsOf(const BinPlan& bins);

// Gives the trees the columns of `bins`, which PlanBins has made for them: all columns, and
// categories that they do not know go where missing ones go.
void PlaceStartTrees(const BinPlan& bins, TreeModel* trees);

// The bins that nodes ask for, where all thresholds are cuts.
void SetBinsOfThresholds(const BinPlan& bins, TreeModel* trees);

}  // namespace ps
