#include "trainer/cluster/gpu_turns.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace ps {

GpuTurns::GpuTurns(const std::vector<int>& gpus)
    : chooses_(gpus.size() > 1 || (gpus.size() == 1 && gpus[0] != 0)) {
  for (const int number : gpus) gpus_.push_back({number});
  if (gpus_.empty()) gpus_.emplace_back();
}

std::optional<int> GpuTurns::Next(const std::vector<pid_t>& running) const {
  if (!chooses_) return std::nullopt;
  std::vector<int> workers(gpus_.size(), 0);
  for (const pid_t pid : running) {
    const auto found = gpu_of_.find(pid);
    if (found != gpu_of_.end()) ++workers[found->second];
  }
  std::size_t best = 0;
  const auto rank = [&](std::size_t gpu) { return std::pair(gpus_[gpu].failures, workers[gpu]); };
  for (std::size_t gpu = 1; gpu < gpus_.size(); ++gpu) {
    if (rank(gpu) < rank(best)) best = gpu;
  }
  return gpus_[best].number;
}

void GpuTurns::Started(pid_t pid, std::optional<int> gpu) {
  const auto found = std::find_if(gpus_.begin(), gpus_.end(),
                                  [&](const Gpu& one) { return one.number == gpu.value_or(one.number); });
  gpu_of_[pid] = static_cast<std::size_t>(found - gpus_.begin());
}

bool GpuTurns::Failed(pid_t pid) {
  if (const auto found = gpu_of_.find(pid); found != gpu_of_.end()) ++gpus_[found->second].failures;
  return std::any_of(gpus_.begin(), gpus_.end(),
                     [](const Gpu& gpu) { return gpu.failures < kMostFailures; });
}

std::string VisibleGpu(const char* visible, int gpu) {
  if (visible == nullptr) return absl::StrCat(gpu);
  const std::vector<std::string> all = absl::StrSplit(visible, ',');
  const auto at = static_cast<std::size_t>(gpu);
  return at < all.size() ? all[at] : "";
}

}  // namespace ps
