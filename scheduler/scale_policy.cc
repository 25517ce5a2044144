#include "scheduler/scale_policy.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"

namespace ps {
namespace {

constexpr double kMost = 4096;      // nodes
constexpr double kRoomToShrink = 0.7;  // of the memory target, with a server less
constexpr double kTolerance = 0.1;  // of the rate
constexpr double kWorthIt = 1.05;   // by how much more workers must be faster

std::uint32_t AtLeast(double nodes) {
  return static_cast<std::uint32_t>(std::clamp(std::ceil(nodes), 1.0, kMost));
}

}  // namespace

std::uint32_t ScaleDecider::WantedServers(const ScaleObservation& seen) const {
  if (policy_.memory_per_server <= 0) return seen.servers;
  std::uint32_t wanted = seen.servers;
  const std::uint32_t needed = AtLeast(seen.table_bytes / policy_.memory_per_server);
  const std::uint32_t ample = AtLeast(seen.table_bytes / (policy_.memory_per_server * kRoomToShrink));
  if (needed > wanted) wanted = needed;
  if (ample < wanted) wanted = ample;
  return std::clamp(wanted, policy_.min_servers, policy_.max_servers);
}

std::uint32_t ScaleDecider::WantedWorkers(const ScaleObservation& seen) {
  if (policy_.rows_per_second <= 0) return seen.workers;
  const double target = policy_.rows_per_second;
  if (rate_before_growth_.has_value()) {
    if (seen.rows_per_second < *rate_before_growth_ * kWorthIt) {
      useless_above_ = seen.workers;
      servers_then_ = seen.servers;
    }
    rate_before_growth_.reset();
  }
  if (useless_above_.has_value() && servers_then_ != seen.servers) useless_above_.reset();
  const double one = seen.rows_per_second / seen.workers;
  std::uint32_t wanted = seen.workers;
  if (seen.rows_per_second <= 0) {
    // Nothing was learnt: nothing is known of what a worker does.
  } else if (seen.rows_per_second < target * (1 - kTolerance)) {
    // A rate says little about twice as many workers, and nothing about more.
    wanted = std::min(AtLeast(target / one), 2 * seen.workers);
    if (useless_above_.has_value()) wanted = std::min(wanted, std::max(*useless_above_, seen.workers));
  } else if (seen.rows_per_second > target * (1 + kTolerance)) {
    wanted = std::min(AtLeast(target * kWorthIt / one), seen.workers);
  }
  return std::clamp(wanted, policy_.min_workers, policy_.max_workers);
}

bool ScaleDecider::Again(std::uint32_t from, std::uint32_t to, Wish* before) {
  const bool again = from != to && before->from == from && before->to != from &&
                     (to > from) == (before->to > from);
  *before = again ? Wish{} : Wish{from, to};
  return again;
}

std::optional<ScaleDecision> ScaleDecider::Decide(const ScaleObservation& seen) {
  if (!seen.settled) {
    servers_ = workers_ = {};
    return std::nullopt;
  }
  ScaleDecision decision{seen.servers, seen.workers, ""};
  const std::uint32_t servers = WantedServers(seen);
  if (Again(seen.servers, servers, &servers_)) {
    decision.servers = servers;
    decision.reason = absl::StrFormat("tables need %.3g MiB a server of %.3g wanted",
                                      seen.table_bytes / seen.servers / 1048576,
                                      policy_.memory_per_server / 1048576);
  }
  const std::uint32_t workers = WantedWorkers(seen);
  if (Again(seen.workers, workers, &workers_)) {
    decision.workers = workers;
    absl::StrAppendFormat(&decision.reason, "%s%.3g rows/s of %.3g wanted",
                          decision.reason.empty() ? "" : ", ", seen.rows_per_second,
                          policy_.rows_per_second);
    if (workers > seen.workers) rate_before_growth_ = seen.rows_per_second;
  }
  if (decision.reason.empty()) return std::nullopt;
  return decision;
}

}  // namespace ps
