// Who is in the job: nodes by their incarnation, where to reach them, and when they were last
// heard. A node that restarts is a new incarnation and gets a new number; one that was thought dead
// and speaks again is alive again, which is safe because leases may overlap. One thread.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <string>
#include <vector>

#include "ps/wire/machine.h"
#include "ps/wire/message.h"

namespace ps {

struct Member {
  NodeId node = kNoNode;
  wire::Role role = wire::NONE;
  std::uint64_t incarnation = 0;
  Address address;       // where messages to it go
  std::string endpoint;  // a shard's, for workers
  std::string host;
  std::uint32_t pid = 0;
  MonotonicTime last_heard{0};
  bool alive = true;
  bool stopped = false;
  bool leaving = false;      // has been asked to leave, by a command or from outside
  bool ending = false;       // from outside: its process waits to be told to stop
  bool failed = false;       // a worker, whose device has: it does nothing any more, and waits to be told to stop
  wire::Heartbeat beat;      // the latest
  std::string computes_on;   // a worker, as its beats say; empty: none has said
  bool on_device = false;    // likewise
  std::string Name() const;  // for messages to a person
};

class Membership {
 public:
  // One that an earlier scheduler had admitted, in the order of their numbers. It is heard now.
  void Restore(Member member);
  // A Hello: the member it is from, new or known; null for one that is dead (a late duplicate).
  Member* Admit(const wire::Hello& hello, const Address& from, MonotonicTime now);
  // Any other message: its sender, heard now; null for strangers.
  Member* Heard(const Address& from, MonotonicTime now);
  // A heartbeat names its sender, whose address may have changed by a reconnection.
  Member* HeardBeat(const wire::Heartbeat& beat, const Address& from, MonotonicTime now);

  // The process of this member has ended, as whoever started it knows: FindDead reports it next
  // time.
  void Ended(Member& member) { member.last_heard = MonotonicTime::min(); }

  // Everybody was heard now.
  void Greet(MonotonicTime now);
  // The scheduler itself was busy for so long: what members said meanwhile is still to be read.
  void Excuse(MonotonicTime gap);

  // Marks members that are silent for longer than their limit as dead, and returns them.
  std::vector<Member*> FindDead(MonotonicTime now, const std::function<MonotonicTime(const Member&)>& limit);

  std::size_t alive(wire::Role role) const;
  std::deque<Member>& members() { return members_; }
  const std::deque<Member>& members() const { return members_; }
  Member* ByNode(NodeId node);

 private:
  std::deque<Member> members_;  // stable addresses; node numbers are positions + 1
};

}  // namespace ps
