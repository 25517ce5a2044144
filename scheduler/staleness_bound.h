// Bounded staleness: how many batches each worker may have started, so that none is more than N
// ahead of the slowest worker that has a lease.
//
// A worker's clock is the number of batches it has landed, shifted where it came later or was
// without a lease: it then goes on from where the slowest was. So the slowest clock never goes
// back, and limits, which are told in the worker's own count, only grow: late and lost ones do no
// harm. A worker that lost its leases, dead or idle, is not waited for. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <vector>

#include "ps/wire/message.h"

namespace ps {

class StalenessBound {
 public:
  // N; without a bound where `staleness` is not positive.
  explicit StalenessBound(std::int32_t staleness) : staleness_(staleness) {}

  // What a worker says of itself.
  void Landed(NodeId worker, std::uint64_t batches);
  // Those with a lease now.
  void SetLive(const std::set<NodeId>& live);

  // The limit to tell a worker; 0 without a bound.
  std::uint64_t MayStart(NodeId worker);
  // Workers that may be waiting and whose limit is larger than what they were told.
  std::vector<NodeId> Waiting() const;

 private:
  struct Worker {
    std::uint64_t landed = 0;
    std::uint64_t base = 0;  // what the clock is ahead of landed
    std::uint64_t told = 0;
  };
  static std::uint64_t ClockOf(const Worker& worker) { return worker.base + worker.landed; }
  Worker& Of(NodeId worker);
  std::uint64_t LimitOf(const Worker& worker) const;

  const std::int32_t staleness_;
  std::uint64_t slowest_ = 0;  // clock
  std::map<NodeId, Worker> workers_;
};

}  // namespace ps
