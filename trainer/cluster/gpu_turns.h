// Which GPU of this machine each worker process computes on: one that fewest of those that run
// have, of those that have failed least. A process is shown that one only, so all else takes the
// first that it sees. One thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ps {

class GpuTurns {
 public:
  // The GPUs to share out, by their numbers among what this process sees. None: nobody chooses, and
  // whatever a worker finds by itself counts as one.
  explicit GpuTurns(const std::vector<int>& gpus);

  // Of a process that is started beside these. None where a process takes the right one by itself.
  std::optional<int> Next(const std::vector<pid_t>& running) const;
  // A process was started, on what Next said.
  void Started(pid_t pid, std::optional<int> gpu);
  // It has ended because its GPU failed, or was not there. False: all GPUs have failed so often that
  // another process would be started in vain.
  bool Failed(pid_t pid);

 private:
  static constexpr int kMostFailures = 3;  // of a GPU: it is not tried again
  struct Gpu {
    int number = 0;
    int failures = 0;
  };
  std::vector<Gpu> gpus_;                // one at least
  std::map<pid_t, std::size_t> gpu_of_;  // index into gpus_
  const bool chooses_;
};

// CUDA_VISIBLE_DEVICES of a process that is to see number `gpu` of what `visible` shows, which is
// that variable here: a list, or null.
std::string VisibleGpu(const char* visible, int gpu);

}  // namespace ps
