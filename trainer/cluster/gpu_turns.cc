#include "trainer/cluster/gpu_turns.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ps {

std::optional<int> GpuTurns::Next(const std::vector<pid_t>& running) const {
  if (gpus_ < 2) return std::nullopt;
  std::vector<int> workers(static_cast<std::size_t>(gpus_), 0);
  for (const pid_t pid : running) {
    const auto found = gpu_of_.find(pid);
    if (found != gpu_of_.end()) ++workers[static_cast<std::size_t>(found->second)];
  }
  return static_cast<int>(std::min_element(workers.begin(), workers.end()) - workers.begin());
}

std::string VisibleGpu(const char* visible, int gpu) {
  if (visible == nullptr) return absl::StrCat(gpu);
  const std::vector<std::string> all = absl::StrSplit(visible, ',');
  const auto at = static_cast<std::size_t>(gpu);
  return at < all.size() ? all[at] : "";
}

}  // namespace ps
