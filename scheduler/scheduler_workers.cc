// Workers: who gets what to do, and what becomes of it when one is slow or silent.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "scheduler/scheduler_machine.h"

namespace ps {
namespace {

// How long a worker's request for a lease may wait for something to be leased.
constexpr MonotonicTime kLeaseWait = std::chrono::milliseconds(800);

}  // namespace

std::set<NodeId> SchedulerMachine::WorkersToWaitFor() const {
  std::set<NodeId> workers, slow;
  for (const Member& member : membership_.members()) {
    if (member.role != wire::WORKER || !member.alive || member.leaving || member.failed) continue;
    if (silent_.contains(member.node) || LacksDevice(member)) continue;
    (pace_.Slow(member.node) ? slow : workers).insert(member.node);
  }
  return workers.empty() ? slow : workers;
}

void SchedulerMachine::TellDevices() {
  if (phase_ == Phase::kGathering) return;
  WorkerDevices devices;
  for (const Member& member : membership_.members()) {
    if (member.role != wire::WORKER || !member.alive || member.failed) continue;
    if (member.computes_on.empty()) {
      if (LacksDevice(member) || silent_.contains(member.node)) continue;
      return;
    }
    devices.Add(member.computes_on, member.on_device, /*has_work=*/true);
  }
  if (devices.workers == 0 || devices == devices_) return;
  devices_ = devices;
  events_->OnDevices(devices_);
}

std::size_t SchedulerMachine::ReadyWorkers() const {
  const auto& members = membership_.members();
  return static_cast<std::size_t>(std::count_if(members.begin(), members.end(), [this](const Member& member) {
    return member.role == wire::WORKER && member.alive && !member.failed && !LacksDevice(member);
  }));
}

void SchedulerMachine::OnFailure(Member& member, const Message& message, Outbox& outbox) {
  // A server that was cut off may fail at what is no longer its own. If it is, it says so again.
  if (member.role == wire::SERVER && message.body.epoch() < slots_.epoch()) return;
  const wire::Failure& failure = message.body.failure();
  // Whatever the wire says, this is no success.
  const bool known = failure.status_code() >= 1 && failure.status_code() <= 16;
  const absl::Status status(known ? static_cast<absl::StatusCode>(failure.status_code()) : absl::StatusCode::kInternal,
                            absl::StrCat(member.Name(), ": ", failure.message()));
  if (!failure.of_device() || member.role != wire::WORKER || !slots_.started()) return Fail(status);
  if (phase_ >= Phase::kStopping) return;  // which tells everybody to stop
  if (!member.failed) {
    Note(absl::StrCat(status.message(), "; it ends, and others go on"), google::GLOG_WARNING);
    member.failed = true;
    device_failure_ = status;
    changed_ = true;
    ledger_.Release(member.node);
    waiting_.erase(member.node);
    pace_.Forget(member.node);
    TellDevices();
  }
  Message stop;
  stop.body.mutable_stop()->set_reason("its GPU has failed, or is not there");
  outbox.Send(member.address, std::move(stop));
}

// One that says nothing may be dead, stopped, or cut off. It is given up only after dead_after, but others need not wait for
// it until then: what it does all the same counts once.
void SchedulerMachine::FindSilentWorkers(MonotonicTime now) {
  const MonotonicTime limit = std::min(options_.dead_after, options_.silent_beats * options_.heartbeat);
  for (const Member& member : membership_.members()) {
    if (member.role != wire::WORKER || LacksDevice(member)) continue;
    if (!member.alive || now - member.last_heard <= limit) {
      if (silent_.erase(member.node) > 0 && member.alive) Note(absl::StrCat(member.Name(), " is heard again"));
    } else if (silent_.insert(member.node).second) {
      Note(absl::StrFormat("%s has said nothing for %.1f s: its chunks go to others", member.Name(),
                           std::chrono::duration<double>(now - member.last_heard).count()),
           google::GLOG_WARNING);
      ledger_.Release(member.node);
      waiting_.erase(member.node);
    }
  }
}

void SchedulerMachine::FindSlowWorkers(MonotonicTime now) {
  if (now < next_judgement_) return;  // paces come with beats
  next_judgement_ = now + options_.heartbeat;
  const std::set<NodeId> workers = WorkersToWaitFor();
  for (const NodeId node : pace_.Judge(workers, now)) {
    std::set<NodeId> others = workers;
    others.erase(node);
    const std::string what = absl::StrFormat(
        "%s is slow: %.2f ms a batch, others %.2f ms", membership_.ByNode(node)->Name(),
        1e3 * pace_.SecondsABatch(node).value_or(0), 1e3 * pace_.Median(others).value_or(0));
    if (!all_wait_) {
      Note(absl::StrCat(what, "; it is helped at the end of a pass"), google::GLOG_WARNING);
      continue;
    }
    Note(absl::StrCat(what, "; it gets nothing to do for ",
                      std::chrono::duration_cast<std::chrono::seconds>(WorkerPace::kRest).count(), " s"),
         google::GLOG_WARNING);
    ledger_.Release(node);
  }
}

void SchedulerMachine::OnLeaseRequest(Member& member, Message message, MonotonicTime now,
                                      Outbox& outbox) {
  if (!member.alive || member.leaving || member.failed || member.role != wire::WORKER) return;
  if (TryLease(member, message, now, outbox)) {
    waiting_.erase(member.node);
  } else {
    waiting_[member.node] = {std::move(message), now + kLeaseWait};
  }
}

bool SchedulerMachine::TryLease(Member& member, const Message& request, MonotonicTime now,
                                Outbox& outbox) {
  if (phase_ != Phase::kTraining) return false;
  std::uint32_t share = 0;  // of a round
  if (all_wait_) {
    const std::set<NodeId> workers = WorkersToWaitFor();
    if (!workers.contains(member.node)) return false;
    if (stepped()) share = pace_.Share(member.node, workers, options_.plan.chunks_per_round());
  }
  std::set<std::uint32_t> holding;
  for (const wire::LeaseRequest::Held& held : request.body.lease_request().holding()) {
    if (held.pass() == ledger_.pass()) holding.insert(held.chunk());
  }
  std::vector<Grant> grants;
  for (const std::uint32_t chunk : ledger_.Lease(member.node, holding, request.body.lease_request().want(), share, now)) {
    grants.push_back({chunk, ledger_.mask(chunk)});
  }
  if (grants.empty()) {
    if (const std::optional<Grant> part = Borrow(member, holding, now)) grants.push_back(*part);
  }
  if (grants.empty()) return false;
  Message message;
  message.body.set_request(request.body.request());
  wire::Lease& lease = *message.body.mutable_lease();
  for (const auto& [index, done] : grants) {
    wire::Lease::Chunk& chunk = *lease.add_chunks();
    chunk.set_pass(ledger_.pass());
    chunk.set_chunk(index);
    chunk.set_file(options_.chunks[index].file);
    chunk.set_begin(options_.chunks[index].begin);
    chunk.set_end(options_.chunks[index].end);
    chunk.set_done_mask(done);
    chunk.set_round_chunks(ledger_.RoundChunks(index));
    if (lanes_ > 1) chunk.set_lanes(static_cast<std::uint32_t>(lanes_));
  }
  bound_.SetLive(ledger_.Holders());
  lease.set_may_start(bound_.MayStart(member.node));
  outbox.Send(member.address, std::move(message));
  return true;
}

// In steps a part helps nobody: its batches wait for those before them.
std::optional<SchedulerMachine::Grant> SchedulerMachine::Borrow(const Member& member, const std::set<std::uint32_t>& holding,
                                                                MonotonicTime now) {
  if (stepped()) return std::nullopt;
  const auto pace = [this](NodeId node) { return pace_.SecondsABatch(node).value_or(0); };
  const std::optional<ChunkLedger::Part> part = ledger_.Lend(member.node, holding, pace, now);
  if (!part.has_value()) return std::nullopt;
  VLOG(1) << "worker " << member.node << " takes a part of chunk " << part->chunk << " from " << part->lender;
  return Grant{part->chunk, part->skip};
}

void SchedulerMachine::AnswerWaiting(MonotonicTime now, Outbox& outbox) {
  std::erase_if(waiting_, [&](const auto& entry) {
    Member* member = membership_.ByNode(entry.first);
    if (!member->alive || TryLease(*member, entry.second.request, now, outbox)) return true;
    if (now < entry.second.deadline) return false;
    Message message;
    message.body.set_request(entry.second.request.body.request());
    message.body.mutable_lease();
    outbox.Send(member->address, std::move(message));
    return true;
  });
}

}  // namespace ps
