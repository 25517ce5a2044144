// One trial of a search: ps_train run on the trial's own job file, in a process of its own, so that
// whatever becomes of it (no memory, a bug, a signal) is a failed trial and not the end of the search.
//
// One thread.
#pragma once

#include <atomic>
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/search/search_state.pb.h"

namespace ps {

class TrialProcess {
 public:
  using Clock = std::chrono::steady_clock;

  struct Options {
    std::string directory;           // of the trial: job.yaml, model, log, out
    std::vector<std::string> flags;  // of ps_train, beside --config
    std::string metric;              // log_loss, auc or rmse
    const std::atomic<bool>* stop = nullptr;
    std::optional<Clock::time_point> deadline;
  };
  static std::string JobPath(const std::string& directory) { return directory + "/job.yaml"; }
  static std::string ModelPath(const std::string& directory) { return directory + "/model"; }
  static std::string OutPath(const std::string& directory) { return directory + "/out"; }

  enum class End { kEnded, kStopped, kOutOfTime };
  // Runs it to its end, fills in what came of it and adds its time. kStopped: somebody wants it, or this process, to
  // end. Unavailable where no process can be started.
  static absl::StatusOr<End> Run(const Options& options, search::Trial* trial);
};

}  // namespace ps
