// The shape of every node: a single-threaded state machine, messages in, outbox out. It touches no
// socket, clock, file or thread itself, so the same code runs over ZeroMQ, embedded in one process,
// and inside the deterministic simulation of the tests.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <vector>

#include "ps/wire/message.h"

namespace ps {

// Monotonic time since an arbitrary start, handed to the machine by whoever drives it.
using MonotonicTime = std::chrono::microseconds;

// Where a message comes from or goes to: an opaque address of the transport. A ZeroMQ transport
// uses endpoints for outgoing connections and routing ids for replies; the machine only compares
// and returns it.
using Address = std::string;

class Outbox {
 public:
  struct Item {
    Address to;
    Message message;
    std::shared_ptr<const Message> shared;  // instead, where the sender keeps the message

    const Message& what() const { return shared == nullptr ? message : *shared; }
  };
  void Send(Address to, Message message) { items_.push_back({std::move(to), std::move(message), nullptr}); }
  void Send(Address to, std::shared_ptr<const Message> message) { items_.push_back({std::move(to), {}, std::move(message)}); }
  std::vector<Item>& items() { return items_; }

 private:
  std::vector<Item> items_;
};

class Machine {
 public:
  virtual ~Machine() = default;
  // `from` is where a reply goes. Called one at a time.
  virtual void OnMessage(const Address& from, Message message, MonotonicTime now,
                         Outbox& outbox) = 0;
  // Called at least every tick_interval(), and after an OnMessage that returned with work_pending() as
  // soon as the messages that are there, or a few of them, have been taken.
  virtual void OnTick(MonotonicTime now, Outbox& outbox) = 0;
  virtual MonotonicTime tick_interval() const { return std::chrono::milliseconds(20); }
  // True when OnTick has something to do right now (a worker with a batch to compute).
  virtual bool work_pending() const { return false; }
  // True when the machine has nothing left to do; the driver flushes and ends.
  virtual bool finished() const = 0;
};

}  // namespace ps
