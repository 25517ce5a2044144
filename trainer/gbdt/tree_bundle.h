// What a job of trees leaves in its bundle. One thread.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "models/bundle/bundle.h"
#include "models/gbdt/base_model.h"
#include "models/gbdt/booster.h"
#include "models/gbdt/tree_model.h"
#include "trainer/gbdt/row_loader.h"
#include "trainer/prepared_job.h"

namespace ps {

struct FinishedTrees {
  const BoostParams* params = nullptr;
  const GbdtConfig* setting = nullptr;  // as tuned
  const BinPlan* bins = nullptr;
  const std::vector<double>* base_scores = nullptr;
  const TreeModel* start = nullptr;  // whose trees come first; may be null
  const std::vector<Tree>* trees = nullptr;
  const BaseModel* base = nullptr;  // may be null
  double offset = 0;                // of margins
};

absl::Status WriteTrees(const FinishedTrees& finished, BundleWriter* writer, BundleInfo* info);

}  // namespace ps
