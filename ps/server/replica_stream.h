// The log from one shard to another, over a network that loses, doubles and reorders: items are
// numbered, kept until they are acknowledged, sent again after silence, and taken in order. One
// stream carries all slots of its two ends, so that a push costs one message a receiver at most, however
// many slots it touches: pushes that come together go in one item. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "ps/base/key.h"
#include "ps/wire/key_list_cache.h"
#include "ps/wire/machine.h"

namespace ps {

// A push that is applied here and waits for the copies that must have it.
struct WaitingPush {
  Address from;
  Message reply;
  SharedKeys keys;
  int streams = 0;      // that have not acknowledged yet
  bool settled = false;  // answered, or void
};

class OutgoingStream {
 public:
  OutgoingStream(NodeId self, NodeId to, Address address, std::uint64_t stream)
      : self_(self), to_(to), address_(std::move(address)), stream_(stream) {}

  NodeId to() const { return to_; }
  std::uint64_t id() const { return stream_; }
  std::uint64_t last() const { return last_; }    // number of the last item, the open one included
  std::uint64_t acked() const { return acked_; }  // all up to here are acknowledged
  std::size_t unacked() const { return unacked_.size(); }
  std::size_t unacked_bytes() const { return unacked_bytes_; }
  std::size_t waiting() const { return waiting_.size(); }

  // The item that pushes are gathered in, to be filled with entries and, in its one section, their bytes; `gen` is
  // the sender's.
  Message& Open(std::uint64_t gen);
  bool open() const { return open_.has_value(); }
  // Sends the open item, if there is one, with the acknowledgement, if there is one.
  void Seal(const wire::Rack* rack, MonotonicTime now, Outbox& outbox);
  // Sends an item of its own (Body.repl with its snap set, and sections), after the open one; returns its number.
  std::uint64_t Append(Message item, MonotonicTime now, Outbox& outbox);
  // The push is settled by the acknowledgement of all items so far; false when it is already there.
  bool Wait(std::shared_ptr<WaitingPush> push);

  // False for news of another stream, or old news.
  bool OnRack(const wire::Rack& rack, MonotonicTime now, Outbox& outbox);
  // Pushes whose wait for this stream is over since the last call.
  std::vector<std::shared_ptr<WaitingPush>> TakeSettled();
  // All that wait: the receiver is no longer needed.
  std::vector<std::shared_ptr<WaitingPush>> TakeAll();
  void ForEachWaiting(const std::function<void(WaitingPush&)>& visit) {
    for (auto& [number, push] : waiting_) visit(*push);
  }
  void Resend(MonotonicTime now, Outbox& outbox);

  // How long the receiver has acknowledged nothing of what it should.
  MonotonicTime SilentFor(MonotonicTime now) const {
    return unacked_.empty() ? MonotonicTime::zero() : now - progress_;
  }

 private:
  void Send(Message item, std::uint64_t number, MonotonicTime now, Outbox& outbox);
  void SendFirst(std::size_t count, Outbox& outbox);

  const NodeId self_, to_;
  const Address address_;
  const std::uint64_t stream_;
  std::uint64_t last_ = 0;
  std::optional<Message> open_;  // number last_
  std::uint64_t acked_ = 0;
  std::deque<std::shared_ptr<const Message>> unacked_;  // numbers from acked_ + 1, but for the open one
  std::size_t unacked_bytes_ = 0;
  std::deque<std::pair<std::uint64_t, std::shared_ptr<WaitingPush>>> waiting_;
  MonotonicTime progress_{0};
  MonotonicTime resend_at_{0};
  int resent_ = 0;
};

// The receiving end: hands out items in order.
class IncomingStream {
 public:
  std::uint64_t id() const { return stream_; }
  // Takes an item of the present or a newer stream; true when a newer one has begun.
  bool Take(Message item);
  // The next in order; to be followed by Advance once it is applied.
  const Message* Next() const;
  void Advance();
  // The next is none that a sender of ours makes: it is taken when it comes as it should be.
  void Refuse() { early_.erase(early_.begin()); }

  std::set<SlotIndex>& refused() { return refused_; }
  wire::Rack Acknowledge(NodeId self) const;

 private:
  static constexpr std::size_t kMostEarly = 4096;
  std::uint64_t stream_ = 0;
  std::uint64_t taken_ = 0;
  std::map<std::uint64_t, Message> early_;
  std::set<SlotIndex> refused_;  // slots that do not follow this stream although it has items of them
};

}  // namespace ps
