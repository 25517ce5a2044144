// The part of a server that one core owns: a set of slots of the table, the ledger of pushes
// applied to them, and what answers a request about them. Knows nothing of membership or time's
// passing but its argument.
//
// The path of a push: Handle -> Push (checks) -> PushLedger::Record (duplicates) ->
// SlotTable::Push. Every request gets exactly one reply, an Error where it cannot be carried out;
// nothing that comes from the wire is trusted. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ps/server/push_ledger.h"
#include "ps/server/step_buffer.h"
#include "ps/table/slot_table.h"
#include "ps/wire/key_list_cache.h"
#include "ps/wire/machine.h"
#include "ps/wire/routing_table.h"

namespace ps {

class Shard {
 public:
  struct Options {
    SlotTable::Options table;
    bool stepped = false;  // staleness 0
    std::size_t key_cache_bytes = std::size_t{256} << 20;
    std::size_t most_parked = 4096;                      // pulls that wait for their step
    std::size_t most_open_chunks = 4096;                 // masks take slots * 8 bytes a chunk
    MonotonicTime park_limit = std::chrono::seconds(2);  // then the pull is answered with RETRY
  };
  explicit Shard(const Options& options);

  // The slots of `self` in `routing` are this shard's from now on.
  void SetRouting(RoutingTable routing, ShardIndex self);

  // Answers Pull, Push, Export and Import; true when the message was one of these.
  bool Handle(const Address& from, const Message& message, MonotonicTime now, Outbox& outbox);
  // Answers parked pulls that have waited too long.
  void OnTick(MonotonicTime now, Outbox& outbox);
  void MarkDone(const wire::Done& done);

  const SlotTable& table() const { return table_; }
  const PushLedger& ledger() const { return ledger_; }
  std::uint64_t refused() const { return refused_; }

 private:
  struct Parked {
    Address from;
    Message pull;
    MonotonicTime deadline;
  };

  std::optional<Message> Pull(const Message& message);  // nullopt: its step has not come yet
  Message Push(const Message& message);
  Message Export(const Message& message);
  Message Import(const Message& message);

  // Null, and *error the reply, when the list is malformed, not cached or not of this shard.
  SharedKeys ResolveKeys(const Message& message, const wire::KeyList& list, Message* error);
  Message ApplyNow(const Message& message, const SharedKeys& keys);
  Message ApplyStepped(const Message& message, const SharedKeys& keys);
  void Park(const Address& from, const Message& pull, MonotonicTime now, Outbox& outbox);
  void AnswerParked(Outbox& outbox);
  Message Refuse(const Message& request, wire::Error::Code code, std::string why);

  const Options options_;
  SlotTable table_;
  PushLedger ledger_;
  StepBuffer steps_;
  KeyListCache key_lists_;
  std::optional<RoutingTable> routing_;
  ShardIndex self_ = 0;
  std::vector<Parked> parked_;
  bool step_committed_ = false;  // since AnswerParked
  bool pushed_ = false;          // any push was taken: training has begun
  std::uint64_t refused_ = 0;
  // Scratch of one request, kept for its memory.
  std::vector<float> values_;
  std::vector<std::uint8_t> counts_;
  std::vector<KeyRange> fresh_;
};

}  // namespace ps
