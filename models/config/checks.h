// What no single key can show: keys that need, exclude or contradict each other.
//
// Pure; any thread.
#pragma once

#include <map>
#include <string>

#include "models/config/config_errors.h"
#include "models/config/job_config.h"

namespace ps {

// Keys that the file or an override gives, as shown to a person ("features[2].op"), sections too.
using GivenKeys = std::map<std::string, Place>;

void CheckJob(const JobConfig& config, const GivenKeys& given, ConfigErrors* errors);

}  // namespace ps
