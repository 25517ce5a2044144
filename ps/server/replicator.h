// Which slots a shard has, in what role, and how copies of a slot stay equal: the part of the data
// protocol that lives on servers.
//
// A slot's primary applies a push and sends it down the stream to each copy that follows it; the
// push is acknowledged when every copy that must have it has it. A copy follows exactly one stream,
// the one on which it got the slot as a whole (Snap): what comes on another is refused, and refusals
// are part of every acknowledgement. So a primary that was replaced, or a copy that was removed,
// cannot make anybody believe that a push is safe. Who is primary, copy or sync target is the
// scheduler's word alone (Config), ordered by versions; terms and sync ids say to which primary and
// to which bringing-up a snapshot belongs. No clock decides anything but when to send again.
//
// Not owned: the slots' data. One thread.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "ps/server/replica_stream.h"
#include "ps/server/slot_data.h"
#include "ps/wire/machine.h"
#include "ps/wire/slot_config.h"

namespace ps {

// Where a slot that was lost is restored from. Called until it has an answer, nullopt: not yet.
using SlotSource = std::function<std::optional<absl::StatusOr<SlotImage>>(
    SlotIndex slot, std::uint64_t checkpoint)>;

class Replicator {
 public:
  struct Options {
    NodeId self = kNoNode;
    std::uint64_t sync_bytes_per_second = 64 << 20;  // for copies that are not required yet
    std::size_t sync_bytes_in_flight = 8 << 20;      // a receiver
    MonotonicTime lag_limit = std::chrono::seconds(1);
    // A push is acknowledged before its copies have it, unless one of them is this far behind. What they lack
    // is lost with this server.
    bool ack_primary = false;
    std::size_t most_behind_bytes = 4 << 20;
    SlotSource source;  // empty: this shard cannot restore anything
  };
  Replicator(Options options, SlotData* data);

  enum class Serving : std::uint8_t { kNot, kReady, kLater };
  // Whether all keys are of slots that this shard serves now.
  Serving Check(absl::Span<const Key> keys) const;
  bool IsPrimary(SlotIndex slot) const { return states_[slot].role == Role::kPrimary; }
  Serving serving(SlotIndex slot) const { return serving_[slot]; }
  std::uint32_t term(SlotIndex slot) const { return states_[slot].term; }

  // The scheduler's configuration; false where it lacks what changed before it.
  bool OnConfig(const Message& message, MonotonicTime now, Outbox& outbox);
  void OnRepl(const Address& from, Message message, MonotonicTime now, Outbox& outbox);
  void OnRack(const wire::Rack& rack, MonotonicTime now, Outbox& outbox);
  void OnTick(MonotonicTime now, Outbox& outbox);

  // A push was applied here in the `fresh` ranges: the copies get it with the next Flush.
  void Forward(const wire::Name& name, const Gradients& gradients, absl::Span<const KeyRange> fresh,
               wire::ValueFormat format, MonotonicTime now, Outbox& outbox);
  // Sends `reply` once every copy of the keys' slots that must have what they contain has it.
  void ReplyWhenSafe(const Address& from, Message reply, const SharedKeys& keys, Outbox& outbox);
  // Sends pushes to copies and acknowledgements to primaries, as many as have come together in one message a
  // receiver. To be called when no more messages are there to be taken.
  bool flush_due() const { return flush_due_; }
  void Flush(MonotonicTime now, Outbox& outbox);

  std::uint64_t epoch() const { return epoch_; }
  std::uint64_t gen() const { return gen_; }
  wire::Insync Insync() const;
  std::vector<NodeId> Lagging(MonotonicTime now) const;
  std::uint64_t unacknowledged() const;
  // Not OK: a slot cannot be restored, as long as it is configured as it is now.
  const absl::Status& restored() const { return restored_; }
  // Not OK: the configuration's epoch, which may be one that could not be taken.
  std::uint64_t restored_epoch() const { return restored_epoch_; }

 private:
  enum class Role : std::uint8_t { kNone, kCopy, kPrimary };
  struct Peer {  // of a slot, kept by its primary
    NodeId node = kNobody;
    std::uint64_t sync_id = 0;
    std::uint32_t stream = 0;   // index into outgoing_
    std::uint64_t snap = 0;     // number of its snapshot on the stream; 0: not sent
    bool snapped = false;       // and acknowledged
    bool member = false;        // by the scheduler's word
    bool required = false;      // pushes wait for it
    std::uint64_t needed = 0;   // number on the stream: when it is there, the scheduler is told
    bool told = false;
    MonotonicTime retry_at{0};  // no snapshot before
  };
  struct SlotState {
    std::uint32_t term = 0;
    std::uint64_t ver = 0;
    std::uint64_t sync_id = 0;
    Role role = Role::kNone;
    bool loading = false;
    std::vector<Peer> peers;
  };
  // Where the pushes to a slot go, of its peers: streams.
  struct Route {
    std::vector<std::uint32_t> follow;  // that have its snapshot
    std::vector<std::uint32_t> need;    // without which no push is acknowledged
    bool operator==(const Route&) const = default;
  };

  void BeginGen(std::uint64_t gen);
  void ApplyConfig(SlotIndex slot, const SlotConfig& config, std::set<SlotIndex>* lost);
  void BecomePrimary(SlotIndex slot, const SlotConfig& config);
  void SetPeers(SlotIndex slot, const SlotConfig& config);
  void DropUnusedStreams(Outbox& outbox);
  void Refresh(SlotIndex slot);
  void UpdateRoute(SlotIndex slot);
  // Calls visit(route, range) for the runs of sorted keys that have the same route.
  template <typename Visit>
  void ForEachRoute(absl::Span<const Key> keys, KeyRange within, const Visit& visit) const;
  void AddEntry(OutgoingStream& stream, const wire::Name& name, const Gradients& gradients,
                absl::Span<const KeyRange> ranges, wire::ValueFormat format, MonotonicTime now, Outbox& outbox);
  std::uint32_t StreamTo(NodeId node);
  // Voids the waiting pushes that touch one of these slots.
  void Void(const std::set<SlotIndex>& slots, Outbox& outbox);
  void Settle(std::vector<std::shared_ptr<WaitingPush>> pushes, Outbox& outbox);

  bool ApplyItem(const Message& message, IncomingStream& stream, Outbox& outbox);
  struct Entry {  // of an item, decoded
    PushName name;
    std::vector<Key> keys;
    std::vector<float> values;
    std::vector<std::uint8_t> counts;
    bool import = false;
    bool other_lanes = false;  // than here: values are left out
  };
  // Takes its bytes off the front of `section`.
  bool DecodeEntry(const wire::Repl::Entry& entry, std::string_view* section, Entry* out) const;
  void ApplyEntry(const Entry& entry, IncomingStream& stream);
  void ApplySnap(const Message& message, IncomingStream& stream, Outbox& outbox);
  void AfterRack(Peer& peer, const OutgoingStream& stream);
  void SendSnap(SlotIndex slot, Peer& peer, MonotonicTime now, Outbox& outbox);
  void SendSnaps(MonotonicTime now, Outbox& outbox);
  void Load();

  const Options options_;
  SlotData& data_;
  std::vector<SlotState> states_;
  // What every key of a push asks of its slot, apart from the rest: it stays in the nearest cache.
  std::vector<Serving> serving_;
  std::vector<std::uint32_t> route_;              // into routes_
  std::vector<const IncomingStream*> source_;     // the stream that a copy follows
  std::vector<Route> routes_ = std::vector<Route>(1);  // the first is of slots without peers
  std::uint64_t epoch_ = 0;
  std::uint64_t gen_ = 0;
  std::uint64_t checkpoint_ = 0;  // from which slots that begin in this gen begin; 0: from nothing
  std::size_t checkpoint_lane_changes_ = 0;  // that it has
  absl::Status restored_;
  std::uint64_t restored_epoch_ = 0;
  std::map<NodeId, Address> addresses_;
  std::vector<std::unique_ptr<OutgoingStream>> outgoing_;  // null: dropped
  std::map<NodeId, std::uint32_t> outgoing_of_;
  std::uint64_t next_stream_;
  std::map<NodeId, IncomingStream> incoming_;  // stable addresses
  std::map<NodeId, Address> to_acknowledge_;   // senders of items since the last Flush
  bool flush_due_ = false;
  std::set<SlotIndex> unsettled_;  // primary's slots with a peer that is not yet a member with a snapshot
  std::set<SlotIndex> loading_;
  bool any_peers_ = false;
  double sync_budget_ = 0;  // bytes that may be sent to copies not required
  MonotonicTime budget_at_{0};
  // Scratch of a call.
  std::vector<std::vector<KeyRange>> parts_;
  std::vector<Key> keys_;
  std::vector<float> values_;
  std::vector<std::uint8_t> counts_;
  std::vector<Entry> entries_;  // of an item
};

}  // namespace ps
