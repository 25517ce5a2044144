// What every trial of a search (tune.search) would fail by, said before the first one begins. Blocking; one thread.
#pragma once

#include "absl/status/status.h"
#include "models/config/search_space.h"
#include "trainer/node_choice.h"

namespace ps {

// Prepares the first job of the space and the last one. FailedPrecondition: one does not go together with the command
// line. Errors of PrepareJob where neither can be prepared: then it is the data.
absl::Status CheckTrials(const SearchSpace& space, const NodeFlags& flags);

}  // namespace ps
