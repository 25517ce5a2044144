#include "scheduler/membership.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace ps {

std::string Member::Name() const {
  return absl::StrCat(role == wire::SERVER ? "server " : "worker ", node, " (", host, ", pid ", pid,
                      endpoint.empty() ? "" : ", ", endpoint, ")");
}

void Membership::Restore(Member member) {
  member.node = static_cast<NodeId>(members_.size()) + 1;
  members_.push_back(std::move(member));
}

void Membership::Greet(MonotonicTime now) {
  for (Member& member : members_) member.last_heard = now;
}

Member* Membership::Admit(const wire::Hello& hello, const Address& from, MonotonicTime now) {
  for (Member& member : members_) {
    if (member.incarnation != hello.incarnation()) continue;
    // One that was given up before its Welcome reached it; else a late duplicate.
    if (!member.alive && member.beat.incarnation() != 0) return nullptr;
    member.alive = true;
    member.last_heard = now;
    member.address = from;
    return &member;
  }
  for (Member& member : members_) {
    // The process that was at this address is gone: FindDead reports it at the next occasion.
    if (member.address == from) Ended(member);
  }
  Member member;
  member.node = static_cast<NodeId>(members_.size()) + 1;
  member.role = hello.role();
  member.incarnation = hello.incarnation();
  member.address = from;
  member.endpoint = hello.endpoint();
  member.host = hello.host();
  member.pid = hello.pid();
  member.last_heard = now;
  members_.push_back(std::move(member));
  return &members_.back();
}

Member* Membership::Heard(const Address& from, MonotonicTime now) {
  for (Member& member : members_) {
    if (member.address != from || member.last_heard == MonotonicTime::min()) continue;
    member.last_heard = now;
    return &member;
  }
  return nullptr;
}

Member* Membership::HeardBeat(const wire::Heartbeat& beat, const Address& from, MonotonicTime now) {
  for (Member& member : members_) {
    if (member.incarnation != beat.incarnation()) continue;
    // Whoever beats is there. A late Hello of a forerunner may have taken its place; now it has it
    // back.
    for (Member& other : members_) {
      if (&other != &member && other.address == from) Ended(other);
    }
    member.last_heard = now;
    member.address = from;
    member.alive = true;
    member.beat = beat;
    return &member;
  }
  return nullptr;
}

void Membership::Excuse(MonotonicTime gap) {
  for (Member& member : members_) {
    if (member.last_heard != MonotonicTime::min()) member.last_heard += gap;
  }
}

std::vector<Member*> Membership::FindDead(MonotonicTime now,
                                          const std::function<MonotonicTime(const Member&)>& limit) {
  std::vector<Member*> dead;
  for (Member& member : members_) {
    if (!member.alive || member.stopped) continue;
    const bool replaced = member.last_heard == MonotonicTime::min();
    if (!replaced && now - member.last_heard <= limit(member)) continue;
    member.alive = false;
    dead.push_back(&member);
  }
  return dead;
}

std::size_t Membership::alive(wire::Role role) const {
  return std::count_if(members_.begin(), members_.end(),
                       [&](const Member& member) { return member.alive && member.role == role; });
}

Member* Membership::ByNode(NodeId node) {
  return node >= 1 && node <= members_.size() ? &members_[node - 1] : nullptr;
}

}  // namespace ps
