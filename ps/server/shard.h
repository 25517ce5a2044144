// The part of a server that one core owns: a set of slots of the table, the ledger of pushes
// applied to them, and what answers a request about them. Knows nothing of membership or time's
// passing but its argument.
//
// The path of a push: Handle -> Push (checks) -> PushLedger::Record (duplicates) ->
// SlotTable::Push -> Replicator (the copies, and when to answer). Every request gets one reply, an
// Error where it cannot be carried out, but for those that a rollback voids; nothing that comes from
// the wire is trusted. One thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ps/server/replicator.h"
#include "ps/server/slot_data.h"
#include "ps/server/step_buffer.h"
#include "ps/wire/key_list_cache.h"
#include "ps/wire/machine.h"

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
    Replicator::Options replication;
  };
  explicit Shard(const Options& options);

  // The scheduler's configuration of slots; false where this shard lacks what changed before it.
  bool OnConfig(const Message& message, MonotonicTime now, Outbox& outbox);

  // Answers Pull, Push, Export, Import, Repl and Rack; true when the message was one of these.
  bool Handle(const Address& from, Message message, MonotonicTime now, Outbox& outbox);
  // Answers parked pulls that have waited too long.
  void OnTick(MonotonicTime now, Outbox& outbox);
  // What messages of late left to be sent to other servers.
  bool flush_due() const { return replicator_.flush_due(); }
  void Flush(MonotonicTime now, Outbox& outbox) { replicator_.Flush(now, outbox); }
  // Of another gen than this shard's it is ignored.
  void MarkDone(std::uint64_t gen, const wire::Done& done);

  const SlotTable& table() const { return data_.table; }
  const PushLedger& ledger() const { return data_.ledger; }
  const SlotData& data() const { return data_; }
  const Replicator& replicator() const { return replicator_; }
  std::uint64_t refused() const { return refused_; }

 private:
  struct Parked {
    Address from;
    Message pull;
    MonotonicTime deadline;
  };

  std::optional<Message> Pull(const Message& message);  // nullopt: its step has not come yet
  void Push(const Address& from, const Message& message, MonotonicTime now, Outbox& outbox);
  Message Export(const Message& message);
  Message Count(const Message& message);  // of an export: its entries alone
  Message RefuseExport(const Message& message, Replicator::Serving serving);
  void Import(const Address& from, const Message& message, MonotonicTime now, Outbox& outbox);

  // The keys and values of a push; null, and *error the reply, where something is wrong.
  SharedKeys ReadPush(const Message& message, Message* error);
  // Null, and *error the reply, when the list is malformed, not cached or not of this shard.
  SharedKeys ResolveKeys(const Message& message, const wire::KeyList& list, Message* error);
  void ApplyNow(const Address& from, const Message& message, const SharedKeys& keys,
                MonotonicTime now, Outbox& outbox);
  Message ApplyStepped(const Message& message, const SharedKeys& keys);
  void Park(const Address& from, const Message& pull, MonotonicTime now, Outbox& outbox);
  void AnswerParked(Outbox& outbox);
  Message Refuse(const Message& request, wire::Error::Code code, std::string why);

  const Options options_;
  SlotData data_;
  Replicator replicator_;
  StepBuffer steps_;
  KeyListCache key_lists_;
  std::vector<Parked> parked_;
  bool step_committed_ = false;  // since AnswerParked
  std::uint64_t refused_ = 0;
  // Scratch of one request, kept for its memory.
  std::vector<float> values_;
  std::vector<std::uint8_t> counts_;
  std::vector<KeyRange> fresh_;
};

}  // namespace ps
