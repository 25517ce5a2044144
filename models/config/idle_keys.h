// Keys of a job that have no effect where and as it runs. They are no errors: the same file with --local, with another
// --set or as a trial of a search gives them a meaning. Pure.
#pragma once

#include <string>
#include <vector>

#include "models/config/job_config.h"

namespace ps {

// One line for each key that is not at its default and does nothing, with what would give it a meaning. `on_cluster`:
// on server and worker processes, as cluster.servers or the command line asks.
std::vector<std::string> IdleKeys(const JobConfig& config, bool on_cluster);

}  // namespace ps
