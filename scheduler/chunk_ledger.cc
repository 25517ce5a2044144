#include "scheduler/chunk_ledger.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ps {

void ChunkLedger::BeginPass(std::uint32_t pass) {
  pass_ = pass;
  chunks_.assign(options_.chunks, Chunk());
  leases_.clear();
  lent_.clear();
  returned_.clear();
  next_ = first_open_ = done_ = 0;
  winding_down_ = false;
  stop_ = ~std::uint32_t{0};
}

std::uint32_t ChunkLedger::RoundEnd(std::uint32_t chunk) const {
  const std::uint64_t round = chunk / options_.round_chunks;
  return static_cast<std::uint32_t>(
      std::min<std::uint64_t>(options_.chunks, (round + 1) * options_.round_chunks));
}

std::uint32_t ChunkLedger::OpenEnd() const {
  if (options_.round_chunks == 0) return winding_down_ ? next_ : options_.chunks;
  if (!winding_down_ && !holding_) return RoundEnd(first_open_);
  return next_ == 0 ? 0 : RoundEnd(next_ - 1);
}

bool ChunkLedger::WoundDown() const {
  return leases_.empty() && returned_.empty() && next_ == LeaseEnd();
}

bool ChunkLedger::AtStop() const { return first_open_ >= stop_ && stop_ <= options_.chunks; }

std::uint32_t ChunkLedger::RoundChunks(std::uint32_t chunk) const {
  if (options_.round_chunks == 0) return 0;
  const std::uint32_t first = chunk - chunk % options_.round_chunks;
  return std::min(options_.round_chunks, options_.chunks - first);
}

std::vector<std::uint32_t> ChunkLedger::Lease(NodeId worker, const std::set<std::uint32_t>& holding,
                                              std::uint32_t want, std::uint32_t share,
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
    leases_[chunk] = {worker, now + options_.lease_limit, now};
    granted.push_back(chunk);
  };
  for (auto at = returned_.begin(); at != returned_.end() && granted.size() < want;) {
    // One it holds already (its lease had lapsed) is leased to it again, without being an answer.
    if (holding.contains(*at)) {
      leases_[*at] = {worker, now + options_.lease_limit, now};
    } else {
      grant(*at);
    }
    at = returned_.erase(at);
  }
  const std::uint32_t end = LeaseEnd();
  while (granted.size() < want && next_ < end && (options_.round_chunks == 0 || held < share)) {
    const std::uint32_t chunk = next_++;
    if (chunks_[chunk].done) continue;
    grant(chunk);
    ++held;
  }
  return granted;
}

std::uint64_t ChunkLedger::Taken(NodeId worker, std::uint32_t chunk) const {
  const auto lent = lent_.find(chunk);
  const bool to_another = lent != lent_.end() && lent->second.worker != worker;
  return chunks_[chunk].mask | (to_another ? ~lent->second.skip : 0);
}

std::uint32_t ChunkLedger::BatchesOf(std::uint32_t chunk) const {
  return chunks_[chunk].batches > 0 ? chunks_[chunk].batches : usual_batches_;
}

std::uint32_t ChunkLedger::Missing(std::uint32_t chunk) const {
  return BatchesOf(chunk) - std::min<std::uint32_t>(BatchesOf(chunk), std::popcount(chunks_[chunk].mask));
}

std::optional<ChunkLedger::Part> ChunkLedger::PartOf(std::uint32_t chunk, NodeId holder, double seconds_left,
                                                     double holder_pace, double worker_pace) const {
  // The borrower reads the whole chunk, which is about half of the work.
  const double reading = 0.5 * BatchesOf(chunk) * worker_pace;
  if (seconds_left < 2 * (reading + worker_pace)) return std::nullopt;
  // Both are to end at the same time.
  const double part = std::floor((seconds_left - reading) / (holder_pace + worker_pace) + 1e-9);
  auto left = static_cast<std::uint32_t>(std::min<double>(part, Missing(chunk)));
  if (left == 0) return std::nullopt;
  // The last ones: the holder begins at the front.
  std::uint32_t from = BatchesOf(chunk);
  while (left > 0) left -= ((chunks_[chunk].mask >> --from) & 1) == 0;
  return Part{chunk, holder, chunks_[chunk].mask | ((std::uint64_t{1} << from) - 1)};
}

std::optional<ChunkLedger::Part> ChunkLedger::Lend(NodeId worker, const std::set<std::uint32_t>& holding,
                                                   const std::function<double(NodeId)>& pace,
                                                   MonotonicTime now) {
  std::map<NodeId, std::uint32_t> missing;  // by holder
  std::map<NodeId, MonotonicTime> moved;
  for (const auto& [chunk, held] : leases_) {
    if (held.worker == worker) return std::nullopt;
    missing[held.worker] += Missing(chunk);
    moved[held.worker] = std::max(moved[held.worker], held.moved);
  }
  for (auto& [chunk, lent] : lent_) {
    if (lent.worker != worker) continue;
    if (holding.contains(chunk)) return std::nullopt;  // one at a time
    const auto held = leases_.find(chunk);
    return Part{chunk, held == leases_.end() ? kNoNode : held->second.worker, lent.skip | chunks_[chunk].mask};
  }
  std::optional<Part> best;
  double longest = 0;
  for (const auto& [chunk, held] : leases_) {
    if (holding.contains(chunk) || lent_.contains(chunk)) continue;
    // A chunk is read before its first batch, and batches land several at a time; longer silence is
    // work that takes longer than before.
    const double silence = std::chrono::duration<double>(now - moved[held.worker]).count();
    const double known = pace(held.worker);
    const double holder_pace = known > 0 && silence > 64 * known ? silence : known;
    const double worker_pace = pace(worker) > 0 ? pace(worker) : known;
    const double seconds = holder_pace * missing[held.worker];
    if (seconds < longest || seconds == 0) continue;
    if (std::optional<Part> part = PartOf(chunk, held.worker, seconds, holder_pace, worker_pace)) {
      best = part;
      longest = seconds;
    }
  }
  if (best.has_value()) lent_[best->chunk] = {worker, now + options_.lease_limit, best->skip};
  return best;
}

std::uint64_t ChunkLedger::Report(NodeId worker, std::uint32_t chunk, std::uint64_t mask,
                                  std::uint32_t batches, MonotonicTime now) {
  if (chunk >= options_.chunks || batches < 1 || batches > 64) return 0;
  Chunk& state = chunks_[chunk];
  state.batches = batches;
  usual_batches_ = std::max(usual_batches_, batches);
  const std::uint64_t fresh = mask & state.all() & ~state.mask;
  state.mask |= fresh;
  const auto lease = leases_.find(chunk);
  if (lease != leases_.end() && lease->second.worker == worker) {
    lease->second.deadline = now + options_.lease_limit;
    if (fresh != 0) lease->second.moved = now;
  }
  if (const auto lent = lent_.find(chunk); lent != lent_.end()) {
    if (lent->second.worker == worker) lent->second.deadline = now + options_.lease_limit;
    if ((state.all() & ~lent->second.skip & ~state.mask) == 0) lent_.erase(lent);
  }
  if (state.done || state.mask != state.all()) return fresh;
  state.done = true;
  ++done_;
  if (lease != leases_.end()) leases_.erase(lease);
  lent_.erase(chunk);
  returned_.erase(chunk);
  while (first_open_ < options_.chunks && chunks_[first_open_].done) ++first_open_;
  return fresh;
}

double ChunkLedger::Fraction() const {
  double done = done_;
  const auto add = [&](std::uint32_t chunk) {
    const Chunk& state = chunks_[chunk];
    if (state.batches > 0) done += static_cast<double>(std::popcount(state.mask)) / state.batches;
  };
  for (const auto& [chunk, lease] : leases_) add(chunk);
  for (const std::uint32_t chunk : returned_) add(chunk);
  return options_.chunks == 0 ? 0 : done / options_.chunks;
}

void ChunkLedger::MarkDone(std::uint32_t first, std::uint32_t last) {
  for (std::uint32_t chunk = first; chunk <= last && chunk < options_.chunks; ++chunk) {
    done_ += chunks_[chunk].done ? 0 : 1;
    chunks_[chunk] = {.mask = ~std::uint64_t{0}, .done = true};
  }
  while (first_open_ < options_.chunks && chunks_[first_open_].done) ++first_open_;
}

void ChunkLedger::Release(NodeId worker) {
  std::erase_if(lent_, [&](const auto& lent) { return lent.second.worker == worker; });
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
  std::erase_if(lent_, [&](const auto& lent) { return now >= lent.second.deadline; });
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
  for (const auto& [chunk, lent] : lent_) ++leases[lent.worker];
  return leases;
}

std::set<NodeId> ChunkLedger::Holders() const {
  std::set<NodeId> holders;
  for (const auto& [chunk, held] : leases_) holders.insert(held.worker);
  for (const auto& [chunk, lent] : lent_) holders.insert(lent.worker);
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
