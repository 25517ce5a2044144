#include "scheduler/staleness_bound.h"

#include <algorithm>
#include <limits>

namespace ps {

StalenessBound::Worker& StalenessBound::Of(NodeId worker) {
  return workers_.try_emplace(worker, Worker{.base = slowest_}).first->second;
}

void StalenessBound::Landed(NodeId worker, std::uint64_t batches) {
  Worker& state = Of(worker);
  state.landed = std::max(state.landed, batches);
}

void StalenessBound::SetLive(const std::set<NodeId>& live) {
  std::uint64_t slowest = std::numeric_limits<std::uint64_t>::max();
  for (const NodeId node : live) slowest = std::min(slowest, ClockOf(Of(node)));
  if (live.empty()) {
    // Nobody is waited for, and all go on side by side. (Workers whose leases have lapsed are still
    // at work; they would wait for each other for ever.)
    slowest = 0;
    for (const auto& [node, worker] : workers_) slowest = std::max(slowest, ClockOf(worker));
  }
  slowest_ = std::max(slowest_, slowest);
  for (auto& [node, worker] : workers_) {
    const std::uint64_t clock = ClockOf(worker);
    if (clock < slowest_ && !live.contains(node)) worker.base += slowest_ - clock;
  }
}

std::uint64_t StalenessBound::LimitOf(const Worker& worker) const {
  const std::uint64_t limit = slowest_ + static_cast<std::uint64_t>(staleness_) + 1;
  return limit > worker.base ? limit - worker.base : 0;
}

std::uint64_t StalenessBound::MayStart(NodeId worker) {
  if (staleness_ <= 0) return 0;
  Worker& state = Of(worker);
  state.told = std::max(state.told, LimitOf(state));
  return state.told;
}

std::vector<NodeId> StalenessBound::Waiting() const {
  // One with more than this left to start has more than it can have on its way.
  constexpr std::uint64_t kEnough = 16;
  std::vector<NodeId> waiting;
  if (staleness_ <= 0) return waiting;
  for (const auto& [node, worker] : workers_) {
    if (LimitOf(worker) > worker.told && worker.told < worker.landed + kEnough) {
      waiting.push_back(node);
    }
  }
  return waiting;
}

}  // namespace ps
