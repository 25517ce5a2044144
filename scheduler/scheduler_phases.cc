// The phases of a job and what ends each of them.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "scheduler/scheduler_machine.h"

namespace ps {
namespace {

std::int64_t Seconds(MonotonicTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time).count();
}

}  // namespace

void SchedulerMachine::Step(MonotonicTime now, Outbox& outbox) {
  changed_ = false;
  // Events may take long (an evaluation after a pass); that is no silence of the others.
  if (last_tick_ >= MonotonicTime::zero() && now - last_tick_ > options_.dead_after / 4) {
    membership_.Excuse(now - last_tick_);
    last_progress_ += now - last_tick_;
  }
  last_tick_ = now;
  if (phase_began_ < MonotonicTime::zero()) {
    phase_began_ = now;
    if (phase_ == Phase::kReturning) {
      membership_.Greet(now);
      slots_seen_ = now;
    }
  }
  if (phase_ < Phase::kStopping && options_.hand_over && options_.hand_over()) return HandOver();
  if (!interrupted_ && options_.stop_requested && options_.stop_requested()) {
    Interrupt(now, "asked to stop: finishing what is leased");
    ledger_.WindDown();
  }
  if (phase_ != Phase::kStopping) {
    CheckMembers(now);
    if (phase_ != Phase::kReturning || slots_.Lost().empty() || UsableServers().empty()) RecoverLost(now);
    LeaveExcess(now);
    if (decider_.has_value()) FollowPolicy(now);
  }
  CheckStall(now);
  if (checkpointer_.has_value() && phase_ > Phase::kReturning) KeepCheckpoints(now, outbox);
  KeepProgress(now);
  switch (phase_) {
    case Phase::kGathering:
      Gather(now, outbox);
      break;
    case Phase::kReturning:
      Return(now, outbox);
      break;
    case Phase::kImporting:
      importer_->OnTick(now, ShardSender(outbox));
      if (importer_->finished()) phase_ = Phase::kTraining;
      break;
    case Phase::kTraining:
      Train(now, outbox);
      break;
    case Phase::kExporting:
      exporter_->OnTick(now, ShardSender(outbox));
      if (exporter_->finished()) AfterExport();
      break;
    case Phase::kStopping:
      Stop(now, outbox);
      break;
    case Phase::kFinished:
      break;
  }
}

void SchedulerMachine::Fail(absl::Status status) {
  if (phase_ >= Phase::kStopping) return;
  Note(absl::StrCat("the job fails: ", status.ToString()), google::GLOG_ERROR);
  status_ = std::move(status);
  phase_ = Phase::kStopping;
  phase_began_ = MonotonicTime(-1);
}

void SchedulerMachine::Interrupt(MonotonicTime now, const std::string& why) {
  if (interrupted_) return;
  Note(why);
  interrupted_ = true;
  interrupted_at_ = now;
  changed_ = true;
}

void SchedulerMachine::Gather(MonotonicTime now, Outbox& outbox) {
  const std::size_t shards = membership_.alive(wire::SERVER);
  const std::size_t workers = ReadyWorkers();
  if (interrupted_) return Fail(absl::CancelledError("stopped before training began"));
  if (shards >= options_.shards && workers >= options_.workers) return Start(now, outbox);
  if (now - phase_began_ <= options_.gather_limit) return;
  std::vector<std::string> names;
  for (const Member& member : membership_.members()) {
    if (!member.alive) continue;
    names.push_back(absl::StrCat(member.Name(), LacksDevice(member) ? ", whose GPU is not ready" : ""));
  }
  Fail(absl::UnavailableError(
      absl::StrCat("after ", Seconds(options_.gather_limit), " s only ", shards, " of ",
                   options_.shards, " servers and ", workers, " of ", options_.workers,
                   " workers have come: ", names.empty() ? "none" : absl::StrJoin(names, ", "))));
}

void SchedulerMachine::Start(MonotonicTime now, Outbox& outbox) {
  PlanLook();
  if (const absl::Status resumed = Resume(); !resumed.ok()) return Fail(resumed);
  slots_.Start(UsableServers(), /*from_checkpoint=*/restore_from_ != 0);
  slots_.Seal();
  PersistSlots();
  if (!status_.ok()) return;
  for (const Member& member : membership_.members()) {
    if (member.alive && member.role == wire::SERVER) SendConfig(member, 0, outbox);
  }
  UpdateRouting(outbox);
  if (!status_.ok()) return;
  workers_seen_ = slots_seen_ = last_progress_ = now;
  Note(absl::StrCat("training begins on ", options_.shards, " servers and ",
                    membership_.alive(wire::WORKER), " workers"));
  BeginImport();
  importer_->OnTick(now, ShardSender(outbox));
  if (importer_->finished()) phase_ = Phase::kTraining;
  events_->OnStarted();
  TellDevices();
}

void SchedulerMachine::Train(MonotonicTime now, Outbox& outbox) {
  ledger_.ReleaseOverdue(now);
  FindSilentWorkers(now);
  FindSlowWorkers(now);
  AnswerWaiting(now, outbox);
  TellWaiting(outbox);
  if (std::exchange(done_changed_, false)) {
    for (const Member& member : membership_.members()) {
      if (member.alive && member.role == wire::SERVER) SendDone(member, outbox);
    }
  }
  if (!status_.ok()) return;
  if (ledger_.AtStop() && !interrupted_) return LookAtLanes(now, outbox);
  if (ledger_.PassDone()) {
    const bool stops = interrupted_ && ledger_.pass() + 1 < options_.passes;
    if (!stops || LastCheckpointOver(now)) EndPass();
    return;
  }
  const bool settled = ledger_.WoundDown() || now - interrupted_at_ > options_.interrupt_limit;
  if (interrupted_ && settled && LastCheckpointOver(now)) {
    // One that a rollback had repeated was reported.
    report_pending_ = ledger_.pass() >= passes_done_;
    BeginExport();
  }
}

void SchedulerMachine::EndPass() {
  CheckBadRows(true);
  if (!status_.ok()) return;
  const std::uint32_t pass = ledger_.pass();
  if (pass < passes_done_ && passes_done_ < options_.passes) {  // one that a rollback had repeated
    if (interrupted_) return BeginExport();
    BeginPass(pass + 1);
    return;
  }
  if (options_.export_every_pass || pass + 1 == options_.passes || interrupted_) {
    report_pending_ = true;
    BeginExport();
    return;
  }
  ++passes_done_;
  const bool go_on = events_->OnPassEnd(books_.Of(pass));
  books_.Finish(pass);
  if (!go_on) return BeginExport();
  BeginPass(pass + 1);
}

void SchedulerMachine::BeginPass(std::uint32_t pass) {
  ledger_.BeginPass(pass);
  PlanLook();
}

void SchedulerMachine::BeginExport() {
  phase_ = Phase::kExporting;
  // The job ends while several lanes live: one of them is the model all the same.
  if (interrupted_ && lanes_ > 1) events_->OnLook(ledger_.pass(), ledger_.chunks(), 0);
  const bool all_lanes = !interrupted_ && events_->ExportsAllLanes(ledger_.pass());
  export_lanes_ = all_lanes ? static_cast<std::uint32_t>(lanes_) : 1;
  export_lane_ = 0;
  ExportLane(all_lanes ? 0 : LeadingLane());
}

void SchedulerMachine::ExportLane(std::uint32_t lane) {
  exporter_.emplace(
      *routing_,
      [this](absl::Span<const Key> keys, absl::Span<const float> weights) {
        events_->OnWeights(export_lane_, keys, weights);
      },
      lane, next_transfer_request_);
  changed_ = true;
  next_transfer_request_ += std::uint64_t{1} << 32;
}

void SchedulerMachine::AfterExport() {
  if (++export_lane_ < export_lanes_) return ExportLane(export_lane_);
  PassReport& report = books_.Of(ledger_.pass());
  report.exported = true;
  report.lanes = export_lanes_;
  report.entries = exporter_->entries();
  exporter_.reset();
  bool go_on = false;
  if (std::exchange(report_pending_, false)) {
    const bool whole = ledger_.PassDone();
    report.again = report.pass < passes_done_;
    if (whole) passes_done_ = std::max(passes_done_, report.pass + 1);
    go_on = events_->OnPassEnd(report) && passes_done_ < options_.passes && !interrupted_;
    if (whole) books_.Finish(report.pass);
  }
  if (!go_on) {
    interrupted_ = interrupted_ && passes_done_ < options_.passes;
    phase_ = Phase::kStopping;
    phase_began_ = MonotonicTime(-1);
    return;
  }
  phase_ = Phase::kTraining;
  BeginPass(ledger_.pass() + 1);
}

void SchedulerMachine::CheckMembers(MonotonicTime now) {
  std::set<NodeId> dead;
  const auto limit = [this](const Member& member) {
    return LacksDevice(member) ? std::max(options_.dead_after, options_.device_limit) : options_.dead_after;
  };
  bool worker_died = false;
  for (Member* member : membership_.FindDead(now, limit)) {
    const bool left = member->leaving && !slots_.Holders().contains(member->node);
    Note(absl::StrCat(member->Name(), left ? " has left" : " is gone"),
         left ? google::GLOG_INFO : google::GLOG_WARNING);
    if (member->role == wire::WORKER) {
      ledger_.Release(member->node);
      waiting_.erase(member->node);
      pace_.Forget(member->node);
      worker_died = true;
    } else {
      dead.insert(member->node);
    }
  }
  if (worker_died) TellDevices();
  RemoveServers(dead);
  if (ReadyWorkers() > 0) workers_seen_ = now;
  const MonotonicTime patience = membership_.alive(wire::WORKER) == 0
                                     ? options_.no_workers_limit
                                     : std::max(options_.no_workers_limit, options_.device_limit);
  if (phase_ == Phase::kTraining && now - workers_seen_ > patience) {
    const std::string what = absl::StrCat("no worker has been alive for ", Seconds(patience), " s");
    if (device_failure_.ok()) return Fail(absl::UnavailableError(what));
    Fail(absl::ResourceExhaustedError(absl::StrCat(what, ": ", device_failure_.message())));
  }
}

void SchedulerMachine::OnProcessEnded(std::uint32_t pid, const std::string& what) {
  changed_ = true;
  bool known = false;
  for (Member& member : membership_.members()) {  // a server has one for each of its shards
    if (member.pid != pid) continue;
    membership_.Ended(member);
    known = true;
  }
  // It never said Hello, and nobody will start it again.
  if (!known && phase_ == Phase::kGathering) Fail(absl::UnavailableError(what));
}

void SchedulerMachine::CheckStall(MonotonicTime now) {
  const bool waits =
      phase_ == Phase::kImporting || phase_ == Phase::kTraining || phase_ == Phase::kExporting;
  if (!waits || now - last_progress_ <= options_.stall_limit) return;
  const std::string seconds = absl::StrCat(Seconds(options_.stall_limit), " s");
  if (phase_ != Phase::kTraining) {
    return Fail(
        absl::UnavailableError(absl::StrCat("no server has taken or given weights for ", seconds)));
  }
  std::vector<std::string> holders;
  for (const NodeId node : ledger_.Holders()) holders.push_back(membership_.ByNode(node)->Name());
  Fail(absl::UnavailableError(absl::StrCat(
      "no batch has been finished for ", seconds, "; can the workers reach every server? At work: ",
      holders.empty() ? "none" : absl::StrJoin(holders, ", "))));
}

void SchedulerMachine::Stop(MonotonicTime now, Outbox& outbox) {
  bool all_stopped = true;
  for (const Member& member : membership_.members()) {
    all_stopped &= member.stopped || !member.alive;
  }
  if (all_stopped || now - phase_began_ > options_.stop_limit) {
    phase_ = Phase::kFinished;
    ForgetStored();
    return;
  }
  if (now < next_stop_) return;
  next_stop_ = now + std::chrono::milliseconds(200);
  for (const Member& member : membership_.members()) {
    if (member.stopped || !member.alive) continue;
    Message message;
    message.body.mutable_stop()->set_failed(!status_.ok());
    message.body.mutable_stop()->set_reason(std::string(status_.message()));
    outbox.Send(member.address, std::move(message));
  }
}

}  // namespace ps
