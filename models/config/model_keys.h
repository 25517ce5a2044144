// Which keys mean something to which type of model. Pure.
#pragma once

#include <string>
#include <vector>

#include "models/config/job_config.h"

namespace ps {

// Keys and sections that model.type gbdt refuses, but for model.tune, which it answers with advice.
const std::vector<std::string>& LinearModelKeys();

// False for a key, or one of a section, that jobs of that type ("lr" or "gbdt") refuse.
bool KeyAppliesTo(const std::string& model_type, const std::string& path);

// False for a key that changes nothing with that model.optimizer.type.
bool KeyAppliesToOptimizer(OptimizerType type, const std::string& path);

}  // namespace ps
