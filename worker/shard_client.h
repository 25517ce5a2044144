// A worker's side of Pull and Push: parts a batch by the routing table, asks every shard, and asks
// again, under the same name and with the same bytes, until each has answered.
//
// Flights are not owned; one must be forgotten (Forget) before it goes. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "ps/wire/machine.h"
#include "ps/wire/routing_table.h"
#include "worker/backoff.h"
#include "worker/flight.h"

namespace ps {

class ShardClient {
 public:
  struct Options {
    bool stepped = false;  // staleness 0
    std::uint32_t chunks_per_round = 1;
    bool send_counts = false;
    wire::ValueFormat values = wire::F32;
    std::uint64_t seed = 0;
    MonotonicTime retry_first = std::chrono::seconds(1);  // after silence
    MonotonicTime retry_longest = std::chrono::seconds(8);
  };
  explicit ShardClient(const Options& options);

  // A newer table; what is on its way to a shard that has it no longer is asked for again.
  void SetRouting(RoutingTable routing, MonotonicTime now, Outbox& outbox);
  const std::optional<RoutingTable>& routing() const { return routing_; }
  // The gen that requests are of. Flights of the one before are to be forgotten. In steps its
  // routing table is forgotten too: a push goes to every shard of the table, without keys where
  // none is the shard's, and nobody refuses one without keys. By the table of the gen before it
  // would be acknowledged without a shard of this gen that then waits for it for ever.
  void SetGen(std::uint64_t gen);
  // A shard said MOVED since the last call.
  bool TakeMoved();
  // Requests sent again because no answer came in time.
  std::uint64_t repeated() const { return repeated_; }

  // Begins the pull of a built batch. The flight becomes kComputable when the weights are there.
  void Pull(Flight& flight, MonotonicTime now, Outbox& outbox);
  // Begins the push of a computed batch. The flight becomes kLanded when all shards have
  // acknowledged it.
  void Push(Flight& flight, MonotonicTime now, Outbox& outbox);
  void Forget(Flight& flight);

  // Takes a PullReply, PushAck or Error. Not OK: the job cannot go on (a shard refuses what must be
  // right); OutOfRange where weights are not finite.
  absl::Status OnReply(const Message& message, MonotonicTime now, Outbox& outbox);
  void OnTick(MonotonicTime now, Outbox& outbox);

 private:
  struct Waiting {
    Flight* flight;
    std::size_t part;
  };

  void Part(Flight& flight) const;
  void Begin(Flight& flight, MonotonicTime now, Outbox& outbox);
  void Ask(Flight& flight, std::size_t part, MonotonicTime now, Outbox& outbox);
  // Parts what is unanswered by a newer table.
  void Reroute(Flight& flight, const RoutingTable& before, MonotonicTime now, Outbox& outbox);
  void Send(Flight& flight, Flight::Part& part, MonotonicTime now, Outbox& outbox);
  Message MakePull(const Flight& flight, const Flight::Part& part) const;
  Message MakePush(const Flight& flight, const Flight::Part& part);
  void FillStep(const Flight& flight, wire::Push* push) const;
  absl::Status TakeWeights(Flight& flight, const Flight::Part& part, const Message& message);
  absl::Status OnError(const Message& message, Flight& flight, Flight::Part& part,
                       MonotonicTime now, Outbox& outbox);
  void Answered(Flight& flight, Flight::Part& part);

  const Options options_;
  Backoff silence_;  // until an unanswered request is repeated
  Backoff refusal_;  // until a shard that was not ready is asked again
  std::optional<RoutingTable> routing_;
  // Starts at random: an answer meant for a worker that was here before must not fit a request of
  // this one.
  std::uint64_t next_request_;
  absl::flat_hash_map<std::uint64_t, Waiting> waiting_;
  std::vector<Flight*> flights_;    // in kPulling or kPushing
  MonotonicTime next_deadline_{0};  // no part's deadline is before
  std::uint64_t gen_ = 0;
  bool moved_ = false;
  std::uint64_t repeated_ = 0;
  std::vector<float> values_;  // scratch
};

}  // namespace ps
