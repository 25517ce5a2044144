// The chunks a worker holds: what was leased, which batches are on their way, which every shard has
// acknowledged, and what the scheduler has been told. One thread.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ps/wire/machine.h"
#include "worker/backoff.h"
#include "worker/chunk_source.h"

namespace ps {

struct HeldChunk {
  wire::Lease::Chunk lease;
  bool read = false;
  ChunkRows rows;                // once read
  std::uint32_t batches = 0;     // once read
  std::uint32_t next_batch = 0;  // the first that was not started
  std::uint64_t landed = 0;      // batches that all shards have acknowledged
  std::uint64_t reported = 0;    // batches that the scheduler has acknowledged, from whomever
  std::uint32_t in_flight = 0;
  std::vector<wire::Progress::BatchStats> unreported;
  MonotonicTime progress_deadline{0};  // when Progress is sent (again)
  int progress_attempts = 0;

  std::uint64_t all() const {
    return batches == 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << batches) - 1;
  }
  // Moves next_batch over batches that are done already; true when one is left to start.
  bool HasBatchToStart();
};

class LeaseBook {
 public:
  LeaseBook(MonotonicTime retry_first, MonotonicTime retry_longest, std::uint64_t seed)
      : backoff_(retry_first, retry_longest, seed) {}

  // Adds the chunks of a Lease that are not held yet.
  void Add(const wire::Lease& lease);
  // A rollback: all that was leased is void.
  void Clear() { held_.clear(); }
  // What LeaseRequest.holding lists.
  void ListHeld(wire::LeaseRequest* request) const;

  const std::vector<std::shared_ptr<HeldChunk>>& held() const { return held_; }
  // Chunks with batches to start, or not read yet.
  std::size_t startable() const;

  // All shards have acknowledged a batch.
  void Landed(HeldChunk& chunk, wire::Progress::BatchStats stats, MonotonicTime now);
  void OnProgressAck(const wire::ProgressAck& ack, MonotonicTime now);
  // Sends what is due to the scheduler: at most one Progress a chunk is on its way.
  struct Count {
    std::uint64_t incarnation = 0;
    std::uint64_t landed = 0;  // batches, since the worker came
    std::uint64_t gen = 0;
  };
  void SendProgress(const Address& scheduler, Count count, MonotonicTime now, Outbox& outbox);

 private:
  Backoff backoff_;
  std::vector<std::shared_ptr<HeldChunk>> held_;  // in the order of leasing
};

}  // namespace ps
