// The job that tuning found, as a file that says it without tuning. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "models/config/job_config.h"

namespace ps {

// `job_yaml` as LoadedJob::effective_yaml has it, with the settings of `gbdt` that tuning chooses and its
// number of trees, and without what it takes the place of: the section tune, and early stopping.
absl::StatusOr<std::string> TunedTreesYaml(const std::string& job_yaml, const GbdtConfig& gbdt);

// `job_yaml` with that value of model.optimizer in place of model.tune. With `passes`: so many, on all
// rows, those of validation too.
absl::StatusOr<std::string> TunedLrYaml(const std::string& job_yaml, const std::string& optimizer_yaml,
                                        std::optional<int> passes = std::nullopt);

}  // namespace ps
