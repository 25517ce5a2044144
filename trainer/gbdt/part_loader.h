// How a worker of a cluster of trees gets its part of the rows: bins as the coordinator planned
// them, rows from the files (or binned ones from data.cache), with the margins of the model that
// trees begin with, on threads of its own.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "models/data/data_files.h"
#include "ps/trees/loaded_part.h"
#include "trainer/gbdt/row_loader.h"

namespace ps {

// `sources` are those of `bins`.
void SetBinPlan(const BinPlan& bins, wire::TreePlan* plan);
// InvalidArgument: it is none, or not one of the rows that these features are read from. Its sources
// point into it.
absl::StatusOr<std::unique_ptr<BinPlan>> BinPlanOf(const wire::TreePlan& plan,
                                                   const features::Plan& features);

absl::StatusOr<std::unique_ptr<PartLoader>> StartPartLoader(DataFiles files, const wire::Plan& plan,
                                                            PartWanted wanted, int threads);

}  // namespace ps
