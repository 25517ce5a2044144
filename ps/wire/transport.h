// Moves messages between nodes. At most once: a message may be lost, and after a reconnect
// delivered twice; the machines above repeat and deduplicate. One transport belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/wire/machine.h"

namespace ps {

struct TransportStats {
  std::uint64_t frames_in = 0, frames_out = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  std::uint64_t bad_frames = 0;  // refused by the decoder; each got an Error reply
  std::uint64_t dropped = 0;  // not sent: unknown peer, full queue, or larger than a frame may be
};

class Transport {
 public:
  virtual ~Transport() = default;
  struct Inbound {
    Address from;
    Message message;
  };
  // Never blocks longer than it takes to hand the message over; a full queue drops it (and counts
  // it).
  virtual void Send(const Address& to, Message message) = 0;
  // As Send, for what the sender keeps.
  virtual void SendShared(const Address& to, std::shared_ptr<const Message> message) { Send(to, *message); }
  // Waits at most `timeout` for a message; nullopt when none came. A signal, or a frame that was
  // refused, ends the wait early.
  virtual std::optional<Inbound> Receive(MonotonicTime timeout) = 0;
  // Where others reach this transport, e.g. "tcp://10.0.0.3:40123".
  virtual std::string endpoint() const = 0;
  virtual TransportStats stats() const = 0;
};

// Runs a machine on a transport until it is finished or `deadline_idle` passes without any message
// and without work (DeadlineExceeded; naming the peers waited for is the machine's business). Zero:
// no deadline. Messages sent in the last call are handed to the transport, whose destructor gives
// them time to leave.
absl::Status RunMachine(Machine& machine, Transport& transport, MonotonicTime deadline_idle);

}  // namespace ps
