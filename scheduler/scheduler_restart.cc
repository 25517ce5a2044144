// What outlives the scheduler, and how one that was started again goes on with nodes that went on
// without it.
//
// Durable before anybody hears of them: who has which number, and who holds which slot (with the
// gen). What is done need not be: a scheduler that comes back begins a new gen from the progress it
// stored last, a second or so old, as after the loss of a slot. Chunks since are done again, slots
// skip what they have, and rows count once. Until then nothing that nodes say of their work counts.
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/status_macros.h"
#include "ps/wire/protocol.h"
#include "scheduler/scheduler_machine.h"
#include "scheduler/scheduler_state.pb.h"

namespace ps {
namespace {

constexpr char kJob[] = "job";
constexpr char kMembers[] = "members";
constexpr char kSlots[] = "slots";
constexpr char kProgress[] = "progress";

constexpr MonotonicTime kProgressPause = std::chrono::seconds(30);

}  // namespace

bool HasStoredNodes(const std::map<std::string, std::string>& records) {
  const auto slots = records.find(kSlots);
  return slots != records.end() && !slots->second.empty();
}

absl::StatusOr<std::uint64_t> StoredCheckpoint(const std::map<std::string, std::string>& records) {
  const auto found = records.find(kJob);
  if (!HasStoredNodes(records) || found == records.end()) return 0;
  scheduler::Job job;
  if (!job.ParseFromString(found->second)) {
    return absl::DataLossError("the scheduler's stored state is malformed");
  }
  return job.checkpoint();
}

// Whether it is stored, or there is nothing to store it in.
absl::Status SchedulerMachine::TryPersist(absl::Span<const Record> records) {
  if (options_.store == nullptr || !status_.ok()) return absl::OkStatus();
  absl::Status stored = options_.store->Commit(records);
  if (absl::IsFailedPrecondition(stored)) {
    // The nodes are another's now.
    Fail(absl::UnavailableError(
        absl::StrCat("another scheduler has taken this job over: ", stored.message())));
    phase_ = Phase::kFinished;
  }
  return stored;
}

void SchedulerMachine::Persist(absl::Span<const Record> records) {
  const absl::Status stored = TryPersist(records);
  if (stored.ok() || !status_.ok()) return;
  Fail(absl::UnavailableError(
      absl::StrCat("the scheduler's state cannot be stored: ", stored.message())));
}

SchedulerMachine::Record SchedulerMachine::JobRecord() const {
  scheduler::Job job;
  job.set_plan_digest(options_.plan_digest);
  job.set_protocol(ProtocolDigest());
  const bool any = checkpointer_.has_value() && checkpointer_->latest() != nullptr;
  job.set_checkpoint(any ? checkpointer_->latest()->id() : 0);
  job.set_restore_from(restore_from_);
  job.set_restore_lane_changes(static_cast<std::uint32_t>(restore_lane_changes_));
  job.set_servers(wanted_.servers);
  job.set_workers(wanted_.workers);
  return {kJob, job.SerializeAsString()};
}

SchedulerMachine::Record SchedulerMachine::MembersRecord() const {
  scheduler::Members members;
  for (const Member& member : membership_.members()) {
    scheduler::Members::Member& saved = *members.add_members();
    saved.set_role(member.role);
    saved.set_incarnation(member.incarnation);
    saved.set_endpoint(member.endpoint);
    saved.set_host(member.host);
    saved.set_pid(member.pid);
    saved.set_alive(member.alive);
    saved.set_leaving(member.leaving);
  }
  return {kMembers, members.SerializeAsString()};
}

void SchedulerMachine::PersistMembers() {
  if (options_.store != nullptr) Persist({MembersRecord()});
}

// How many there shall be, and who leaves.
void SchedulerMachine::PersistWanted() {
  if (options_.store != nullptr) Persist({JobRecord(), MembersRecord()});
}

// With a new gen what is done is another set: it may not be older than that.
void SchedulerMachine::PersistSlots() {
  if (options_.store == nullptr) return;
  std::vector<Record> records = {{kSlots, slots_.Encode()}};
  if (!stored_gen_.has_value() || *stored_gen_ != slots_.gen()) {
    records.push_back(JobRecord());
    records.push_back({kProgress, CheckpointHead().SerializeAsString()});
  }
  Persist(records);
  stored_gen_ = slots_.gen();
}

// Its nodes have ended: nobody is to return to them.
void SchedulerMachine::ForgetStored() {
  if (options_.store == nullptr) return;
  const Record records[] = {{kSlots, ""}, {kMembers, ""}};
  const absl::Status stored = options_.store->Commit(records);
  if (!stored.ok()) LOG(WARNING) << "the scheduler's state stays: " << stored;
}

// Without the latest of it more is done again, and nothing is wrong: a store that is away for a
// while ends no job that has nothing else to store.
void SchedulerMachine::KeepProgress(MonotonicTime now) {
  if (options_.store == nullptr || phase_ != Phase::kTraining || now < next_progress_) return;
  next_progress_ = now + options_.progress_interval;
  const absl::Status stored = TryPersist(ProgressRecords());
  if (stored.ok() || !status_.ok()) return;
  Note(absl::StrCat("progress is not stored: ", stored.message()), google::GLOG_WARNING);
  next_progress_ = now + kProgressPause;  // trying costs time that nodes wait for
}

std::vector<SchedulerMachine::Record> SchedulerMachine::ProgressRecords() {
  return {JobRecord(), {kProgress, CheckpointHead().SerializeAsString()}};
}

void SchedulerMachine::PersistProgress() {
  if (options_.store == nullptr) return;
  Persist(ProgressRecords());
}

void SchedulerMachine::HandOver() {
  Note("asked to leave: the nodes go on with the next scheduler");
  if (phase_ == Phase::kTraining) PersistProgress();
  if (status_.ok()) status_ = absl::UnavailableError("left the job to the next scheduler");
  phase_ = Phase::kFinished;
}

absl::Status SchedulerMachine::LoadStored() {
  const auto& records = options_.stored;
  const auto at = [&](const char* name) -> std::string {
    const auto found = records.find(name);
    return found == records.end() ? "" : found->second;
  };
  scheduler::Job job;
  scheduler::Members members;
  const auto damaged = [](const std::string& what) {
    return absl::DataLossError(absl::StrCat("the scheduler's stored state: ", what));
  };
  if (!job.ParseFromString(at(kJob)) || !members.ParseFromString(at(kMembers))) {
    return damaged("malformed");
  }
  if (HasStoredNodes(records) && job.plan_digest() != options_.plan_digest) {
    return absl::InvalidArgumentError(
        "the scheduler's stored state is of a job with other data, features or settings: give "
        "cluster.state another name, or remove what is there");
  }
  if (HasStoredNodes(records) && job.protocol() != ProtocolDigest()) {
    return absl::InvalidArgumentError(
        "the nodes in the scheduler's stored state are of another version of the program: go on with that version, or end "
        "them and give cluster.state another name, or remove what is there (a job with checkpoints goes on from the last)");
  }
  for (const scheduler::Members::Member& saved : members.members()) {
    Member member;
    member.role = static_cast<wire::Role>(saved.role());
    member.incarnation = saved.incarnation();
    member.endpoint = saved.endpoint();
    member.host = saved.host();
    member.pid = saved.pid();
    member.alive = saved.alive() && HasStoredNodes(records);  // else once it is heard
    member.leaving = saved.leaving();
    membership_.Restore(std::move(member));
  }
  if (!HasStoredNodes(records)) return absl::OkStatus();  // training had not begun
  PS_RETURN_IF_ERROR(slots_.Decode(at(kSlots)));
  for (SlotIndex slot = 0; slot < slots_.slots(); ++slot) {
    for (const NodeId node : slots_.config(slot).members) {
      if (membership_.ByNode(node) == nullptr)
        return damaged("a slot of a node that there never was");
    }
  }
  wanted_ = {job.servers(), job.workers()};
  restore_from_ = job.restore_from();
  restore_lane_changes_ = job.restore_lane_changes();
  if (!at(kProgress).empty()) {
    checkpoint::Manifest progress;
    if (!progress.ParseFromString(at(kProgress))) return damaged("malformed progress");
    progress_ = std::move(progress);
  }
  phase_ = Phase::kReturning;
  return absl::OkStatus();
}

// Waits for the nodes to speak again; those that do not in the time that a living node may be
// silent are dead. Then all go on in a new gen.
void SchedulerMachine::Return(MonotonicTime now, Outbox& outbox) {
  if (interrupted_) return Fail(absl::CancelledError("stopped before training went on"));
  bool all_heard = now - phase_began_ > options_.heartbeat;
  for (const Member& member : membership_.members()) {
    all_heard = all_heard && (!member.alive || member.beat.incarnation() != 0);
  }
  if (!all_heard && now - phase_began_ <= options_.dead_after) return;
  // Some may have been known to be dead before that was stored of their slots.
  std::set<NodeId> dead = slots_.Holders();
  for (const auto& [node, server] : UsableServers()) dead.erase(node);
  RemoveServers(dead);
  SlotMap::Servers servers = UsableServers();
  std::erase_if(servers, [](const auto& server) { return server.second.leaving; });
  const bool lost = !slots_.Lost().empty();
  if (lost && servers.empty()) return;  // RecoverLost says when that is too long
  if (const absl::Status resumed = GoOnFrom(progress_); !resumed.ok()) return Fail(resumed);
  Note(absl::StrCat("the scheduler is back: ", membership_.alive(wire::SERVER), " servers and ",
                    membership_.alive(wire::WORKER), " workers are there"));
  workers_seen_ = slots_seen_ = last_progress_ = now;
  phase_ = Phase::kImporting;
  if (lost || stepped()) {
    RollBackSlots(servers, now);
  } else {
    slots_.Rollback(servers, /*all=*/false);
  }
  PublishSlots(outbox);
  if (!status_.ok()) return;
  BeginImport();
  events_->OnStarted();
  TellDevices();
}

}  // namespace ps
