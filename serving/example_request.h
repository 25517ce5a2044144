// A request that a model takes, to be pasted into a shell. Pure.
#pragma once

#include <string>

#include "serving/served_model.h"

namespace ps {

// The body: one instance with the first columns that the model reads, numbers 1, texts "a".
std::string ExampleBody(const ServedModel& model);
// The command line of curl. `name`: of the model.
std::string ExampleCommand(const ServedModel& model, const std::string& url, const std::string& name);

}  // namespace ps
