// The chunks of the running pass: who has a lease on which, which batches every shard has
// acknowledged, and what is left. A batch counts once, whoever reports it; leases may overlap, so
// taking one back is always safe, and so is lending a part of a chunk to a second worker.
//
// With rounds (staleness 0) the chunks of a round are leased only when all earlier rounds are done.
// One thread.
#pragma once

#include <cstdint>
#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ps/wire/machine.h"
#include "ps/wire/message.h"

namespace ps {

class ChunkLedger {
 public:
  struct Options {
    std::uint32_t chunks = 0;
    std::uint32_t round_chunks = 0;  // 0: no rounds
    MonotonicTime lease_limit =
        std::chrono::seconds(20);  // without progress, then it may go to another
  };
  explicit ChunkLedger(const Options& options) : options_(options) { BeginPass(0); }

  void BeginPass(std::uint32_t pass);
  std::uint32_t pass() const { return pass_; }

  // Up to `want` chunks for a worker that holds `holding`: first those it was granted and does not
  // hold (their Lease was lost), then returned ones, then new ones; of these, in a round, none when it
  // has `share`.
  std::vector<std::uint32_t> Lease(NodeId worker, const std::set<std::uint32_t>& holding,
                                   std::uint32_t want, std::uint32_t share, MonotonicTime now);

  // For a worker without a lease, when nothing is left to lease: a part of a chunk that another has and will be long
  // at. `pace` is seconds a batch, 0 for unknown. A part that was lent to the worker, and that it does not hold, is lent again.
  struct Part {
    std::uint32_t chunk = 0;
    NodeId lender = kNoNode;
    std::uint64_t skip = 0;  // batches that are not to be done; those beyond the chunk's end are not in it
  };
  std::optional<Part> Lend(NodeId worker, const std::set<std::uint32_t>& holding,
                           const std::function<double(NodeId)>& pace, MonotonicTime now);

  // Until the next pass nothing new is begun. Chunks that came back are still leased, for a part of
  // them may have been learnt, and so is what a begun round lacks: its steps wait for all its chunks.
  void WindDown() { winding_down_ = true; }
  // Everything begun is done.
  bool WoundDown() const;
  // No chunk from this one on is begun, in this pass, until another is said.
  void StopAt(std::uint32_t chunk) { stop_ = chunk; }
  // All before it are done.
  bool AtStop() const;
  std::uint32_t stop() const { return stop_; }
  std::uint32_t first_open() const { return first_open_; }
  // Rounds: none is begun while this holds.
  void Hold(bool hold) { holding_ = hold; }

  // These chunks of the pass were done before, as a checkpoint says: to be called at its begin.
  void MarkDone(std::uint32_t first, std::uint32_t last);

  // Batches in `mask` are acknowledged by all shards; `batches` is how many the chunk has. Returns
  // those that were not known before.
  std::uint64_t Report(NodeId worker, std::uint32_t chunk, std::uint64_t mask,
                       std::uint32_t batches, MonotonicTime now);

  // The leases of a dead worker, and leases without progress for too long, are open to others; parts lent to
  // them go back.
  void Release(NodeId worker);
  void ReleaseOverdue(MonotonicTime now);

  std::uint64_t mask(std::uint32_t chunk) const { return chunks_[chunk].mask; }
  // Batches that this worker need not do: they are done, or lent to another.
  std::uint64_t Taken(NodeId worker, std::uint32_t chunk) const;
  // Chunks in the round of this one.
  std::uint32_t RoundChunks(std::uint32_t chunk) const;
  bool PassDone() const { return done_ == options_.chunks; }
  std::set<NodeId> Holders() const;  // workers with a lease or a part
  std::map<NodeId, std::uint32_t> LeasesByHolder() const;
  std::uint32_t done() const { return done_; }
  double Fraction() const;  // of the pass that is done; a chunk counts by its batches
  std::uint32_t chunks() const { return options_.chunks; }
  // Closed intervals of done chunks, ascending.
  std::vector<std::pair<std::uint32_t, std::uint32_t>> DoneIntervals() const;

 private:
  struct Chunk {
    std::uint64_t mask = 0;
    std::uint32_t batches = 0;  // 0: unknown
    bool done = false;
    std::uint64_t all() const { return batches == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << batches) - 1; }
  };
  struct Held {
    NodeId worker;
    MonotonicTime deadline;
    MonotonicTime moved;  // when the lease was given, or a batch reported
  };
  struct Lent {
    NodeId worker;
    MonotonicTime deadline;
    std::uint64_t skip;
  };
  // As a Part to a worker that will have it sooner than its holder; nullopt: not worth it.
  std::optional<Part> PartOf(std::uint32_t chunk, NodeId holder, double seconds_left, double holder_pace,
                             double worker_pace) const;
  std::uint32_t BatchesOf(std::uint32_t chunk) const;
  std::uint32_t Missing(std::uint32_t chunk) const;
  std::uint32_t OpenEnd() const;   // but for a stop
  std::uint32_t LeaseEnd() const { return std::min(OpenEnd(), std::max(next_, stop_)); }  // chunks from here on may not be leased yet
  std::uint32_t RoundEnd(std::uint32_t chunk) const;  // of the round that holds this chunk

  const Options options_;
  std::uint32_t pass_ = 0;
  std::vector<Chunk> chunks_;
  std::map<std::uint32_t, Held> leases_;  // by chunk
  std::map<std::uint32_t, Lent> lent_;    // parts of leased chunks, one a chunk
  std::set<std::uint32_t> returned_;      // leased before, not now, not done
  std::uint32_t usual_batches_ = 0;       // the most that a chunk was seen to have
  std::uint32_t next_ = 0;                // the first never leased
  std::uint32_t first_open_ = 0;          // all before are done
  std::uint32_t done_ = 0;
  std::uint32_t stop_ = ~std::uint32_t{0};
  bool winding_down_ = false;
  bool holding_ = false;
};

}  // namespace ps
