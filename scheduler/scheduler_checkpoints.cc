// Checkpoints of a running job, and going on from one.
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/status_macros.h"
#include "ps/table/entry_layout.h"
#include "scheduler/scheduler_machine.h"
#include "scheduler/scheduler_state.pb.h"

namespace ps {
namespace {

// For an interrupted job's last checkpoint; one that is not there by then is not waited for.
constexpr MonotonicTime kLastCheckpointLimit = std::chrono::seconds(60);
// Moves of slots that have begun may take so long; a checkpoint begins all the same after it.
constexpr MonotonicTime kMovesLimit = std::chrono::seconds(2);

const char* NameOf(Optimizer type) {
  switch (type) {
    case Optimizer::kFtrl:
      return "ftrl";
    case Optimizer::kAdaGrad:
      return "adagrad";
    case Optimizer::kSgd:
    case Optimizer::kNewtonCg:  // in one process only
      break;
  }
  return "sgd";
}

}  // namespace

std::vector<Checkpointer::Shard> SchedulerMachine::Primaries() const {
  std::set<NodeId> primaries;
  for (SlotIndex slot = 0; slot < slots_.slots(); ++slot) {
    primaries.insert(slots_.config(slot).primary());
  }
  std::vector<Checkpointer::Shard> shards;
  for (const Member& member : membership_.members()) {
    if (!primaries.contains(member.node)) continue;
    shards.push_back({member.node, member.address, member.incarnation});
  }
  return shards;
}

checkpoint::Manifest SchedulerMachine::CheckpointHead() {
  checkpoint::Manifest head;
  const wire::Plan& plan = options_.plan;
  head.set_format("hyperplane-checkpoint");
  head.set_version(1);
  head.set_gen(slots_.gen());
  head.set_job(options_.job_name);
  head.set_plan_digest(options_.plan_digest);
  head.set_slot_bits(plan.slot_bits());
  head.set_min_count(plan.min_count());
  const auto type = static_cast<Optimizer>(plan.optimizer());
  const EntryLayout layout = EntryLayout::For(type, static_cast<int>(lanes_));
  head.set_lanes(static_cast<std::uint32_t>(layout.lanes));
  head.set_floats_per_lane(static_cast<std::uint32_t>(layout.floats_per_lane));
  head.set_optimizer(NameOf(type));
  head.set_chunks(ledger_.chunks());
  head.set_pass(ledger_.pass());
  for (const auto& [first, last] : ledger_.DoneIntervals()) {
    checkpoint::Manifest::Interval& interval = *head.add_done();
    interval.set_first(first);
    interval.set_last(last);
  }
  scheduler::State state;
  books_.Save(ledger_.pass(), &state);  // one that is repeated is followed by one that had begun
  state.set_rows_learnt(rows_learnt_);
  state.set_passes_done(passes_done_);
  state.set_job(events_->SaveState());
  state.set_lane_changes(static_cast<std::uint32_t>(lane_changes_));
  head.set_progress(state.SerializeAsString());
  return head;
}

// What is done is fixed before any shard is asked. With staleness 0 slots are written between two
// rounds: there, none has a part of a step.
void SchedulerMachine::KeepCheckpoints(MonotonicTime now, Outbox& outbox) {
  const bool due = phase_ == Phase::kTraining && checkpointer_->Due(now) &&
                   (!interrupted_ || last_checkpoint_asked_ >= MonotonicTime::zero()) &&
                   slots_.Lost().empty() && !slots_.changed();
  const bool waits = due || !checkpointer_->idle();
  if (waits && !moves_wait_) moves_wait_since_ = now;
  moves_wait_ = waits;
  if (stepped()) ledger_.Hold(waits);
  const bool settled = stepped() ? ledger_.WoundDown()
                                 : slots_.Syncing() == 0 || now - moves_wait_since_ > kMovesLimit;
  if (due && settled) checkpointer_->Begin(CheckpointHead(), now);
  if (phase_ < Phase::kStopping && !slots_.changed()) {
    const std::uint64_t written = checkpointer_->written();
    const bool collecting = checkpointer_->collecting();  // else looking for them is for nothing
    checkpointer_->OnTick(collecting ? Primaries() : std::vector<Checkpointer::Shard>(), slots_, now,
                          outbox);
    // Before the next one thins those out that are older than this; and what is counted may not be
    // older than what it says is done.
    if (checkpointer_->written() != written) PersistProgress();
  } else if (phase_ >= Phase::kStopping) {
    checkpointer_->End();
  }
  if (std::string news = checkpointer_->TakeNews(); !news.empty()) {
    Note(std::move(news), checkpointer_->failed_last() ? google::GLOG_WARNING : google::GLOG_INFO);
  }
}

void SchedulerMachine::OnCheckpointPart(const Member& member, const Message& message,
                                        MonotonicTime now) {
  if (!checkpointer_.has_value() || member.role != wire::SERVER || slots_.changed()) return;
  checkpointer_->OnPart({member.node, member.address, member.incarnation}, message, slots_, now);
  changed_ = true;
}

bool SchedulerMachine::LastCheckpointOver(MonotonicTime now) {
  if (!checkpointer_.has_value()) return true;
  if (last_checkpoint_asked_ < MonotonicTime::zero()) {
    last_checkpoint_asked_ = now;
    checkpointer_->AskNow();
  }
  const bool asked_and_written = checkpointer_->idle() && !checkpointer_->Due(now);
  return asked_and_written || now - last_checkpoint_asked_ > kLastCheckpointLimit;
}

void SchedulerMachine::BeginFrom(const checkpoint::Manifest* manifest) {
  ledger_.BeginPass(manifest == nullptr ? 0 : manifest->pass());
  if (manifest != nullptr) {
    for (const checkpoint::Manifest::Interval& interval : manifest->done()) {
      ledger_.MarkDone(interval.first(), interval.last());
    }
  }
  PlanLook();
}

absl::Status SchedulerMachine::GoOnFrom(const std::optional<checkpoint::Manifest>& progress) {
  if (!progress.has_value()) return absl::OkStatus();
  scheduler::State state;
  if (!state.ParseFromString(progress->progress())) {
    return absl::DataLossError("the progress that was stored is malformed");
  }
  PS_RETURN_IF_ERROR(books_.Load(state));
  rows_learnt_ = rows_then_ = state.rows_learnt();
  passes_done_ = state.passes_done();
  PS_RETURN_IF_ERROR(events_->OnResume(state.job(), books_.Look(progress->pass())));
  SetLanes(LaneChangesOf(&*progress));
  BeginFrom(&*progress);
  done_changed_ = true;
  Note(absl::StrCat("going on in pass ", progress->pass() + 1, ": ", ledger_.done(), " of ",
                    ledger_.chunks(), " chunks done, ", rows_learnt_, " rows learnt"));
  return absl::OkStatus();
}

absl::Status SchedulerMachine::Resume() {
  if (!options_.resume.has_value()) return absl::OkStatus();
  restore_from_ = options_.resume->id();
  Note(absl::StrCat("going on from checkpoint ", restore_from_));
  PS_RETURN_IF_ERROR(GoOnFrom(options_.resume));
  restore_lane_changes_ = lane_changes_;
  return absl::OkStatus();
}

}  // namespace ps
