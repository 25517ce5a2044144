// How fast workers are: the time of work that each says it spends on a batch, and who is slow by the
// measure of the others.
//
// Time of work is what a worker measures around reading, building and computing; it holds no waiting
// for servers or for other workers, so that paces differ although all go in step. The latest seconds
// count most. Slowness decides only who does what: results never depend on it. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <vector>

#include "ps/wire/machine.h"

namespace ps {

class WorkerPace {
 public:
  // One that needs more than this times the median of the others is slow.
  static constexpr double kSlow = 3;
  // So long a slow worker is taken for slow. Then it is tried again.
  static constexpr MonotonicTime kRest = std::chrono::seconds(30);

  // Counts since the worker came; those that fall begin anew.
  void Beat(NodeId worker, MonotonicTime busy, std::uint64_t landed);
  void Forget(NodeId worker) { workers_.erase(worker); }

  // Seconds of work a batch; nullopt before there is enough to tell.
  std::optional<double> SecondsABatch(NodeId worker) const;
  // Of some workers, those of unknown pace left out; nullopt: all are.
  std::optional<double> Median(const std::set<NodeId>& workers) const;

  // Looks at these workers; returns those that have just been found slow.
  std::vector<NodeId> Judge(const std::set<NodeId>& workers, MonotonicTime now);
  bool Slow(NodeId worker) const;

  // Of `chunks` that `workers` do side by side, how many this one should have: in proportion to its
  // speed, rounded up, so that the shares of all are enough.
  std::uint32_t Share(NodeId worker, const std::set<NodeId>& workers, std::uint32_t chunks) const;

 private:
  struct Worker {
    std::uint64_t landed_then = 0;
    MonotonicTime busy_then{0};
    double batches = 0;  // of late
    double seconds = 0;  // spent on them
    MonotonicTime slow_until{-1};  // negative: it is not
  };
  std::map<NodeId, Worker> workers_;
};

}  // namespace ps
