// Nodes that come and go while the job runs: how many there shall be, who leaves, and when one may.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "scheduler/scheduler_machine.h"

namespace ps {

bool SchedulerMachine::running() const {
  return slots_.started() && status_.ok() && phase_ < Phase::kStopping;
}

std::set<std::uint32_t> SchedulerMachine::LeavingPids() const {
  std::set<std::uint32_t> pids;
  for (const Member& member : membership_.members()) {  // the last that had the number has it
    if (member.leaving) {
      pids.insert(member.pid);
    } else {
      pids.erase(member.pid);
    }
  }
  return pids;
}

std::size_t SchedulerMachine::Staying(wire::Role role) const {
  const auto& members = membership_.members();
  return std::count_if(members.begin(), members.end(), [&](const Member& member) {
    return member.role == role && member.alive && !member.leaving && !member.failed;
  });
}

absl::Status SchedulerMachine::MayChangeNodes() const {
  if (phase_ <= Phase::kReturning) {
    return absl::FailedPreconditionError("training has not begun: nodes are still to come");
  }
  if (!running() || interrupted_) return absl::FailedPreconditionError("the job is ending");
  return absl::OkStatus();
}

absl::StatusOr<std::string> SchedulerMachine::Scale(const ClusterCommand& command) {
  if (!options_.scaling_refusal.empty()) {
    return absl::FailedPreconditionError(options_.scaling_refusal);
  }
  if (absl::Status may = MayChangeNodes(); !may.ok()) return may;
  const Wanted wanted{command.servers.value_or(wanted_.servers),
                      command.workers.value_or(wanted_.workers)};
  if (wanted.servers < 1 || wanted.workers < 1) {
    return absl::InvalidArgumentError("a job needs a server and a worker at least");
  }
  if (wanted.servers > slots_.slots()) {
    return absl::InvalidArgumentError(absl::StrCat(
        wanted.servers, " servers: there are only ", slots_.slots(),
        " slots to share out (cluster.slot_bits)"));
  }
  if (wanted.servers != wanted_.servers && stepped()) {
    return absl::FailedPreconditionError(
        "with train.staleness: 0 slots stay where they are, so the number of servers is fixed");
  }
  if (wanted.servers < wanted_.servers &&
      wanted.servers < static_cast<std::uint32_t>(options_.replicas)) {
    return absl::InvalidArgumentError(absl::StrCat(wanted.servers, " servers cannot hold ",
                                                   options_.replicas, " copies of every slot"));
  }
  if (wanted == wanted_) return "there are to be as many already";
  const std::string change =
      absl::StrCat("from ", wanted_.servers, " servers and ", wanted_.workers, " workers to ",
                   wanted.servers, " and ", wanted.workers);
  Note(absl::StrCat("scaling ", change));
  wanted_ = wanted;
  LeaveNewest(wire::SERVER, wanted_.servers);
  LeaveNewest(wire::WORKER, wanted_.workers);
  changed_ = true;
  PersistWanted();
  return absl::StrCat("scaling ", change, "; training goes on while slots move (see status)");
}

absl::StatusOr<std::string> SchedulerMachine::Drain(NodeId node) {
  Member* member = membership_.ByNode(node);
  if (member == nullptr) return absl::NotFoundError(absl::StrCat("there is no node ", node));
  if (!member->alive) {
    return absl::NotFoundError(absl::StrCat("node ", node, " is gone: ", member->Name()));
  }
  if (absl::Status may = MayChangeNodes(); !may.ok()) return may;
  if (member->leaving) return absl::StrCat(member->Name(), " is leaving already");
  if (Staying(member->role) < 2) {
    return absl::FailedPreconditionError(absl::StrCat(
        member->Name(), " is the only one", member->role == wire::SERVER ? " for its slots" : ""));
  }
  if (member->role == wire::SERVER && stepped()) {
    return absl::FailedPreconditionError(
        "with train.staleness: 0 slots stay where they are, so no server can be drained");
  }
  std::uint32_t& wanted = member->role == wire::SERVER ? wanted_.servers : wanted_.workers;
  wanted = std::max(1u, wanted - 1);  // nobody is to take its place
  OnLeave(*member);
  PersistWanted();
  return absl::StrCat(member->Name(), member->role == wire::SERVER
                                          ? " gives its slots away, then it ends"
                                          : " hands its chunks back and ends");
}

// It asks to leave, or a person or the policy wants it to.
void SchedulerMachine::OnLeave(Member& member) {
  if (!member.leaving) {
    const bool stays = member.role == wire::SERVER && stepped() && slots_.started();
    Note(absl::StrCat(member.Name(), stays ? " is asked to leave, but with train.staleness: 0 its "
                                             "slots have to stay where they are"
                                           : " is to leave"));
  }
  member.leaving = true;
  changed_ = true;
  if (member.role != wire::WORKER) return;
  ledger_.Release(member.node);
  waiting_.erase(member.node);
}

void SchedulerMachine::LeaveNewest(wire::Role role, std::uint32_t wanted) {
  std::size_t excess = Staying(role);
  excess -= std::min<std::size_t>(excess, wanted);
  for (auto at = membership_.members().rbegin(); excess > 0; ++at) {
    if (at->role != role || !at->alive || at->leaving) continue;
    OnLeave(*at);
    --excess;
  }
}

// Processes that were started for an order that was taken back before they came. Only what stays so:
// a process that died may seem alive beside its successor until its silence is noticed.
void SchedulerMachine::LeaveExcess(MonotonicTime now) {
  if (!options_.scaling_refusal.empty() || options_.ended_from_outside || !running()) return;
  const bool excess = Staying(wire::SERVER) > wanted_.servers ||
                      Staying(wire::WORKER) > wanted_.workers;
  if (!excess || excess_since_ < MonotonicTime::zero()) {
    excess_since_ = excess ? now : MonotonicTime(-1);
    return;
  }
  if (now - excess_since_ <= 2 * options_.dead_after) return;
  LeaveNewest(wire::SERVER, stepped() ? ~0u : wanted_.servers);
  LeaveNewest(wire::WORKER, wanted_.workers);
}

std::vector<SchedulerMachine::LeavingNode> SchedulerMachine::Leaving() const {
  std::vector<LeavingNode> nodes;
  for (const Member& member : membership_.members()) {
    if (member.alive && member.leaving && !member.ending) {
      nodes.push_back({member.node, member.role, member.host});
    }
  }
  if (nodes.empty()) return nodes;
  // What is no version yet may still be on them.
  const std::set<NodeId> holders = slots_.Holders();
  for (LeavingNode& node : nodes) node.drained = !slots_.changed() && !holders.contains(node.node);
  return nodes;
}

void SchedulerMachine::SetWanted(const Wanted& wanted) {
  if (wanted == wanted_) return;
  Note(absl::StrCat("from outside: ", wanted.servers, " servers and ", wanted.workers,
                    " workers are wanted instead of ", wanted_.servers, " and ", wanted_.workers));
  wanted_ = wanted;
  changed_ = true;
  PersistWanted();
}

void SchedulerMachine::Release(NodeId node) {
  if (Member* member = membership_.ByNode(node); member != nullptr) member->ending = true;
  changed_ = true;
}

void SchedulerMachine::FollowPolicy(MonotonicTime now) {
  if (phase_ != Phase::kTraining || interrupted_) {
    observed_since_ = MonotonicTime(-1);
    return;
  }
  if (observed_since_ >= MonotonicTime::zero() &&
      now - observed_since_ < options_.scale_policy->every) {
    return;
  }
  const double seconds = std::chrono::duration<double>(now - observed_since_).count();
  const auto rows = static_cast<double>(rows_learnt_ - rows_then_);
  const bool begins = std::exchange(observed_since_, now) < MonotonicTime::zero();
  rows_then_ = rows_learnt_;
  if (begins) return;
  double entries = 0;
  double entry_bytes = 0;  // on the server with the least of room: others may have had more slots
  for (const Member& member : membership_.members()) {
    if (member.role != wire::SERVER || !member.alive || member.beat.entries() == 0) continue;
    const auto count = static_cast<double>(member.beat.entries());
    const double bytes = static_cast<double>(member.beat.table_bytes()) / count;
    entries += count;
    entry_bytes = entry_bytes == 0 ? bytes : std::min(entry_bytes, bytes);
  }
  const std::optional<ScaleDecision> decision = decider_->Decide(
      {.servers = wanted_.servers,
       .workers = wanted_.workers,
       .settled = Staying(wire::SERVER) == wanted_.servers &&
                  membership_.alive(wire::SERVER) == wanted_.servers &&
                  Staying(wire::WORKER) == wanted_.workers && slots_.Syncing() == 0,
       .table_bytes = entries * entry_bytes,
       .rows_per_second = rows / seconds});
  if (!decision.has_value()) return;
  Note(absl::StrCat("the scaling policy wants other nodes: ", decision->reason));
  const absl::StatusOr<std::string> done =
      Scale({.kind = ClusterCommand::Kind::kScale,
             .servers = decision->servers,
             .workers = decision->workers});
  if (!done.ok()) Note(absl::StrCat("which cannot be: ", done.status().message()), google::GLOG_WARNING);
}

// Said until they are gone: a Stop may be lost.
void SchedulerMachine::LetGo(Outbox& outbox) {
  if (phase_ >= Phase::kStopping || phase_ <= Phase::kReturning || slots_.changed()) return;
  std::optional<std::set<NodeId>> holders;
  for (const Member& member : membership_.members()) {
    if (!member.leaving || !member.alive) continue;
    if (options_.ended_from_outside && !member.ending) continue;
    if (member.role == wire::SERVER) {
      if (!holders.has_value()) holders = slots_.Holders();
      if (holders->contains(member.node)) continue;
    }
    Message stop;
    stop.body.mutable_stop();
    outbox.Send(member.address, std::move(stop));
  }
}

}  // namespace ps
