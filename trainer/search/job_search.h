// Search over whole jobs (tune.search): trials, each the job with other values of the varied keys and
// each in a process of its own; the best by the validation rows becomes the job's model.
//
// What came of the trials lies in <output.dir>.search until the search is over: the same job that is
// started again after a kill goes on with the next trial. One thread; `stop` may be set from anywhere.
#pragma once

#include <atomic>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "models/config/search_space.h"
#include "trainer/progress/progress_reporter.h"

namespace ps {

class JobSearch {
 public:
  struct Options {
    std::vector<std::string> flags;  // of ps_train, given to each trial
    ProgressReporter* reporter = nullptr;
    const std::atomic<bool>* stop = nullptr;
  };
  struct Result {
    std::string text;      // for a person: the best trial's own lines, and what was searched
    bool complete = true;  // false: stopped before its end
    bool without_test = false;  // the model has no test metrics, as the test rows could not be read
  };

  // "trials, jobs, metric" for a person, before anything is run.
  static std::string Describe(const SearchSpace& space, const std::string& output_dir);

  // Leaves the bundle in output.dir. FailedPrecondition and Unavailable: a directory that cannot take
  // it, or trials of another search there; InvalidArgument: all trials failed; Cancelled: stopped
  // before a trial had ended.
  static absl::StatusOr<Result> Run(const LoadedJob& job, const SearchSpace& space, const Options& options);
};

}  // namespace ps
