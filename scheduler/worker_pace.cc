#include "scheduler/worker_pace.h"

#include <algorithm>
#include <cmath>

namespace ps {
namespace {

// Enough to tell a pace.
constexpr double kFewestBatches = 8;
// Enough to call it slow: a worker that lost the processor for a moment is not.
constexpr double kFewestSeconds = 0.25;
// What is older than this much work fades.
constexpr double kRememberedSeconds = 2;

}  // namespace

void WorkerPace::Beat(NodeId worker, MonotonicTime busy, std::uint64_t landed) {
  Worker& state = workers_[worker];
  if (landed < state.landed_then || busy < state.busy_then) state = Worker();
  if (landed == state.landed_then) return;
  state.batches += static_cast<double>(landed - state.landed_then);
  state.seconds += std::chrono::duration<double>(busy - state.busy_then).count();
  state.landed_then = landed;
  state.busy_then = busy;
  if (state.seconds > kRememberedSeconds && state.batches > 2 * kFewestBatches) {
    const double keep = std::max(kRememberedSeconds / state.seconds, 2 * kFewestBatches / state.batches);
    state.seconds *= keep;
    state.batches *= keep;
  }
}

std::optional<double> WorkerPace::SecondsABatch(NodeId worker) const {
  const auto at = workers_.find(worker);
  if (at == workers_.end() || at->second.batches < kFewestBatches) return std::nullopt;
  return at->second.seconds / at->second.batches;
}

std::optional<double> WorkerPace::Median(const std::set<NodeId>& workers) const {
  std::vector<double> paces;
  for (const NodeId worker : workers) {
    if (const std::optional<double> pace = SecondsABatch(worker)) paces.push_back(*pace);
  }
  if (paces.empty()) return std::nullopt;
  const auto middle = paces.begin() + static_cast<std::ptrdiff_t>((paces.size() - 1) / 2);
  std::nth_element(paces.begin(), middle, paces.end());
  return *middle;
}

std::vector<NodeId> WorkerPace::Judge(const std::set<NodeId>& workers, MonotonicTime now) {
  std::vector<NodeId> slow;
  for (auto& [node, worker] : workers_) {
    if (worker.slow_until >= MonotonicTime::zero() && now >= worker.slow_until) {
      worker.slow_until = MonotonicTime(-1);
      worker.batches = worker.seconds = 0;  // as fast as the others, until it shows
    }
    if (Slow(node) || !workers.contains(node) || worker.seconds < kFewestSeconds) continue;
    const std::optional<double> pace = SecondsABatch(node);
    std::set<NodeId> others = workers;
    others.erase(node);
    std::erase_if(others, [this](NodeId other) { return Slow(other); });
    const std::optional<double> usual = Median(others);
    if (!pace.has_value() || !usual.has_value() || *pace <= kSlow * *usual) continue;
    worker.slow_until = now + kRest;
    slow.push_back(node);
  }
  return slow;
}

bool WorkerPace::Slow(NodeId worker) const {
  const auto at = workers_.find(worker);
  return at != workers_.end() && at->second.slow_until >= MonotonicTime::zero();
}

std::uint32_t WorkerPace::Share(NodeId worker, const std::set<NodeId>& workers,
                                std::uint32_t chunks) const {
  const std::optional<double> median = Median(workers);
  const auto speed = [&](NodeId node) {
    const double pace = SecondsABatch(node).value_or(median.value_or(0));
    return pace > 0 && median.value_or(0) > 0 ? *median / pace : 1.0;
  };
  double all = 0;
  for (const NodeId node : workers) all += speed(node);
  const double share = all > 0 ? chunks * speed(worker) / all : chunks;
  // Rounding errors must not make one more of a whole number.
  return std::min(chunks, static_cast<std::uint32_t>(std::ceil(share - 1e-9)));
}

}  // namespace ps
