// Which GPU of this machine each worker process computes on: one that fewest of those that run
// have. A process is shown that one only, so all else takes the first that it sees. One thread.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace ps {

class GpuTurns {
 public:
  // So many as this process sees.
  explicit GpuTurns(int gpus) : gpus_(gpus) {}

  // Of a process that is started beside these. None where there is nothing to choose.
  std::optional<int> Next(const std::vector<pid_t>& running) const;
  void Started(pid_t pid, int gpu) { gpu_of_[pid] = gpu; }

 private:
  const int gpus_;
  std::map<pid_t, int> gpu_of_;
};

// CUDA_VISIBLE_DEVICES of a process that is to see number `gpu` of what `visible` shows, which is
// that variable here: a list, or null.
std::string VisibleGpu(const char* visible, int gpu);

}  // namespace ps
