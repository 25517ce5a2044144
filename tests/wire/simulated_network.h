// A whole cluster in one thread: machines, a network with faults, and a virtual clock, all from one
// seed.
//
// Every message goes through EncodeFrame and DecodeFrame, so the codec is exercised as on a real
// network. Addresses behave as those of the ZeroMQ transport: whoever is reached by its endpoint
// sees a reply address
// ("id:..."), and whoever is reached by a reply sees the endpoint it had sent to. A run depends on
// nothing but the seed, the faults and the machines; the same seed replays it. Machines are not
// owned. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <queue>
#include <random>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "absl/status/status.h"
#include "ps/wire/machine.h"

namespace ps {

// Faults are data. Probabilities are a message; delays are uniform between their bounds.
struct NetworkFaults {
  double drop = 0;
  double duplicate = 0;
  double corrupt = 0;     // a bit of the frame flips; the receiver's transport answers MALFORMED
  double forge = 0;       // somebody sends a changed one too, to its receiver or to any node
  double long_delay = 0;  // the delay is then up to longest_delay: overtaken by many others
  MonotonicTime shortest_delay = std::chrono::microseconds(50);
  MonotonicTime usual_delay = std::chrono::microseconds(500);
  MonotonicTime longest_delay = std::chrono::seconds(2);
  // How long a machine with work pending takes for a piece of it.
  MonotonicTime shortest_work = std::chrono::microseconds(20);
  MonotonicTime longest_work = std::chrono::microseconds(400);

  // Messages from one node to another are lost in [begin, end). An empty name is every node.
  struct Partition {
    Address from, to;
    MonotonicTime begin, end;
  };
  std::vector<Partition> partitions;
};

struct NetworkStats {
  std::uint64_t sent = 0;
  std::uint64_t delivered = 0;
  std::uint64_t dropped = 0;  // by chance, by a partition, or because nobody was there
  std::uint64_t duplicated = 0;
  std::uint64_t corrupted = 0;
  std::uint64_t forged = 0;
  std::uint64_t bad_frames = 0;  // refused by the decoder
};

class SimulatedNetwork {
 public:
  explicit SimulatedNetwork(std::uint64_t seed, NetworkFaults faults = {});

  // A node that is ticked from now on, until it is finished or removed. An address that was removed
  // may be added again: a restarted process, which may still get what was sent to the one before.
  void AddNode(const Address& address, Machine* machine);
  // The node crashes: it is never called again.
  void RemoveNode(const Address& address);
  // Whatever is at the address takes so many times as long for its work.
  void SlowDown(const Address& address, int times) { slowed_[address] = times; }
  // Calls `action` at a virtual time: to crash, restart or inspect.
  void At(MonotonicTime time, std::function<void()> action);
  // Replaces the faults from now on, e.g. with none to let a run come to an end.
  void SetFaults(NetworkFaults faults) { faults_ = std::move(faults); }

  // Runs until every node is finished, and returns OK; or until the virtual time, and returns
  // DeadlineExceeded with the seed and the nodes that are not finished.
  absl::Status Run(MonotonicTime until);
  // Runs until `done` says so after some event (true) or until the virtual time (false).
  bool RunUntil(const std::function<bool()>& done, MonotonicTime until);

  MonotonicTime now() const { return now_; }
  const NetworkStats& stats() const { return stats_; }
  // Of all that happened, in order: equal for equal runs.
  std::uint64_t trace_digest() const { return trace_digest_; }
  // For SCOPED_TRACE: what is needed to run this again.
  std::string Describe() const;

 private:
  struct Node {
    Machine* machine;
    std::uint64_t generation;   // which AddNode
    std::uint64_t tick_number;  // the tick that is scheduled; an older one in the queue is void
  };
  struct Event {
    MonotonicTime time;
    std::uint64_t number;  // ties go in the order of creation
    std::function<void()> run;
    bool operator>(const Event& other) const {
      return std::tie(time, number) > std::tie(other.time, other.number);
    }
  };

  void Schedule(MonotonicTime time, std::function<void()> run);
  bool Step(MonotonicTime until);
  void ScheduleTick(const Address& address, MonotonicTime time);
  void Tick(const Address& address, std::uint64_t generation, std::uint64_t tick_number);
  void Call(const Address& address, const std::function<void(Machine&, Outbox&)>& call);
  void Send(const Address& from, const Address& to, const Message& message);
  void SendForged(const Address& target, const Address& shown, const Message& message);
  void Deliver(const Address& to, const Address& from, const std::string& frame);
  bool Parted(const Address& from, const Address& to) const;
  bool Chance(double probability);
  MonotonicTime Between(MonotonicTime low, MonotonicTime high);
  void Trace(std::uint64_t what, std::string_view detail);

  const std::uint64_t seed_;
  NetworkFaults faults_;
  std::mt19937_64 random_;
  MonotonicTime now_{0};
  std::uint64_t events_ = 0;
  std::uint64_t generations_ = 0;
  std::uint64_t ticks_ = 0;
  std::map<Address, Node> nodes_;
  std::map<Address, int> slowed_;
  std::priority_queue<Event, std::vector<Event>, std::greater<>> queue_;
  NetworkStats stats_;
  std::uint64_t trace_digest_ = 0;
};

}  // namespace ps
