#include "scheduler/chunk_ledger.h"

#include <algorithm>

namespace ps {

void ChunkLedger::BeginPass(std::uint32_t pass) {
  pass_ = pass;
  chunks_.assign(options_.chunks, Chunk());
  leases_.clear();
  returned_.clear();
  next_ = first_open_ = done_ = 0;
  winding_down_ = false;
}

std::uint32_t ChunkLedger::RoundEnd(std::uint32_t chunk) const {
  const std::uint64_t round = chunk / options_.round_chunks;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(options_.chunks, (round + 1) * options_.round_chunks));
}

std::uint32_t ChunkLedger::LeaseEnd() const {
  if (options_.round_chunks == 0) return winding_down_ ? next_ : options_.chunks;
  if (!winding_down_ && !holding_) return RoundEnd(first_open_);
  return next_ == 0 ? 0 : RoundEnd(next_ - 1);
}

bool ChunkLedger::WoundDown() const {
  return leases_.empty() && returned_.empty() && next_ == LeaseEnd();
}

std::uint32_t ChunkLedger::RoundChunks(std::uint32_t chunk) const {
  if (options_.round_chunks == 0) return 0;
  const std::uint32_t first = chunk - chunk % options_.round_chunks;
  return std::min(options_.round_chunks, options_.chunks - first);
}

std::vector<std::uint32_t> ChunkLedger::Lease(NodeId worker, const std::set<std::uint32_t>& holding,
                                              std::uint32_t want, std::size_t workers,
                                              MonotonicTime now) {
  std::vector<std::uint32_t> granted;
  std::size_t held = 0;
  for (auto& [chunk, lease] : leases_) {
    if (lease.worker != worker) continue;
    ++held;
    if (granted.size() < want && !holding.contains(chunk)) {
      lease.deadline = now + options_.lease_limit;
      granted.push_back(chunk);
    }
  }
  const auto grant = [&](std::uint32_t chunk) {
    leases_[chunk] = {worker, now + options_.lease_limit};
    granted.push_back(chunk);
  };
  for (auto at = returned_.begin(); at != returned_.end() && granted.size() < want;) {
    // One it holds already (its lease had lapsed) is leased to it again, without being an answer.
    if (holding.contains(*at)) {
      leases_[*at] = {worker, now + options_.lease_limit};
    } else {
      grant(*at);
    }
    at = returned_.erase(at);
  }
  const std::size_t share = options_.round_chunks == 0 ? options_.chunks
                                                       : (options_.round_chunks + workers - 1) /
                                                             std::max<std::size_t>(1, workers);
  const std::uint32_t end = LeaseEnd();
  while (granted.size() < want && next_ < end && held < share) {
    const std::uint32_t chunk = next_++;
    if (chunks_[chunk].done) continue;
    grant(chunk);
    ++held;
  }
  return granted;
}

std::uint64_t ChunkLedger::Report(NodeId worker, std::uint32_t chunk, std::uint64_t mask,
                                  std::uint32_t batches, MonotonicTime now) {
  if (chunk >= options_.chunks || batches < 1 || batches > 64) return 0;
  const std::uint64_t all = batches == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << batches) - 1;
  Chunk& state = chunks_[chunk];
  const std::uint64_t fresh = mask & all & ~state.mask;
  state.mask |= fresh;
  const auto lease = leases_.find(chunk);
  if (lease != leases_.end() && lease->second.worker == worker) {
    lease->second.deadline = now + options_.lease_limit;
  }
  if (state.done || state.mask != all) return fresh;
  state.done = true;
  ++done_;
  if (lease != leases_.end()) leases_.erase(lease);
  returned_.erase(chunk);
  while (first_open_ < options_.chunks && chunks_[first_open_].done) ++first_open_;
  return fresh;
}

void ChunkLedger::MarkDone(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t chunk = first; chunk <= last && chunk < options_.chunks; ++chunk) {
    done_ += chunks_[chunk].done ? 0 : 1;
    chunks_[chunk] = {~std::uint64_t{0}, true};
  }
  while (first_open_ < options_.chunks && chunks_[first_open_].done) ++first_open_;
}

void ChunkLedger::Release(NodeId worker) {
  for (auto at = leases_.begin(); at != leases_.end();) {
    if (at->second.worker != worker) {
      ++at;
      continue;
    }
    returned_.insert(at->first);
    at = leases_.erase(at);
  }
}

void ChunkLedger::ReleaseOverdue(MonotonicTime now) {
  for (auto at = leases_.begin(); at != leases_.end();) {
    if (now < at->second.deadline) {
      ++at;
      continue;
    }
    returned_.insert(at->first);
    at = leases_.erase(at);
  }
}

std::map<NodeId, std::uint32_t> ChunkLedger::LeasesByHolder() const {
  std::map<NodeId, std::uint32_t> leases;
  for (const auto& [chunk, held] : leases_) ++leases[held.worker];
  return leases;
}

std::set<NodeId> ChunkLedger::Holders() const {
  std::set<NodeId> holders;
  for (const auto& [chunk, held] : leases_) holders.insert(held.worker);
  return holders;
}

std::vector<std::pair<std::uint32_t, std::uint32_t>> ChunkLedger::DoneIntervals() const {
  std::vector<std::pair<std::uint32_t, std::uint32_t>> intervals;
  for (std::uint32_t chunk = 0; chunk < options_.chunks; ++chunk) {
    if (!chunks_[chunk].done) continue;
    if (!intervals.empty() && intervals.back().second + 1 == chunk) {
      intervals.back().second = chunk;
    } else {
      intervals.emplace_back(chunk, chunk);
    }
  }
  return intervals;
}

}  // namespace ps
