// What every trial of a search (tune.search) would fail by, said before the first one begins. Blocking; one thread.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "models/config/search_space.h"
#include "trainer/exit_code.h"
#include "trainer/node_choice.h"

namespace ps {

struct TrialCheck {
  absl::Status failure;  // of two jobs that differ, and by the same words: it is nothing that the search varies
  ExitCode code = ExitCode::kData;
  std::vector<std::string> notes;  // what one of them alone fails by
};

// Prepares the first job of the space and the last one. `job_file`: the search's.
TrialCheck CheckTrials(const std::string& job_file, const SearchSpace& space, const NodeFlags& flags);

}  // namespace ps
