// Lanes of a tuned job. Before some chunks, those at which the coordinator wants to look at lanes, nothing is leased
// until all chunks before are done. Where lanes change there, a new gen begins with the change in the configuration of
// every server: what is still on its way is void, and it was all done.
//
// With staleness 0 a rollback takes changes back with the chunks before which they were made, and they are made again
// there. Otherwise slots that were not lost keep their lanes, and those that were lost get them.
#include <algorithm>
#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "scheduler/scheduler_machine.h"
#include "scheduler/scheduler_state.pb.h"

namespace ps {
namespace {

// A server that rewrites its entries says nothing meanwhile; this is several times what it takes.
constexpr double kSecondsAnEntry = 2e-6;

}  // namespace

void SchedulerMachine::SetLanes(std::size_t changes) {
  lane_changes_ = changes;
  const std::size_t first = std::max(1, options_.plan.lanes_size());
  lanes_ = changes == 0 ? first : events_->LaneChanges()[changes - 1].settings.size();
}

void SchedulerMachine::PlanLook() { ledger_.StopAt(events_->NextLook(ledger_.pass(), ledger_.first_open())); }

std::size_t SchedulerMachine::LaneChangesOf(const checkpoint::Manifest* manifest) const {
  scheduler::State state;
  if (manifest == nullptr || !state.ParseFromString(manifest->progress())) return 0;
  return std::min<std::size_t>(state.lane_changes(), events_->LaneChanges().size());
}

void SchedulerMachine::LookAtLanes(MonotonicTime now, Outbox& outbox) {
  const bool undisturbed = !checkpointer_.has_value() || checkpointer_->idle();
  if (!undisturbed || !slots_.Lost().empty()) return;
  if (!counter_.has_value()) {
    counter_.emplace(*routing_, nullptr, 0, next_transfer_request_);
    next_transfer_request_ += std::uint64_t{1} << 32;
  }
  counter_->OnTick(now, ShardSender(outbox));
  if (!counter_->finished()) return;
  const std::uint64_t entries = counter_->entries();
  counter_.reset();
  const std::uint32_t chunk = ledger_.stop();
  const std::size_t changes = events_->OnLook(ledger_.pass(), chunk, entries);
  ledger_.StopAt(events_->NextLook(ledger_.pass(), chunk + 1));
  changed_ = true;
  if (changes == lane_changes_) return;
  const std::size_t before = lanes_;
  SetLanes(changes);
  slots_.Rollback(UsableServers(), /*all=*/false);
  done_changed_ = true;
  const std::chrono::duration<double> rewriting(kSecondsAnEntry * static_cast<double>(entries));
  membership_.Excuse(std::chrono::duration_cast<MonotonicTime>(rewriting));
  Note(absl::StrCat("lanes change before chunk ", chunk, " of pass ", ledger_.pass() + 1, ": ", before, " become ", lanes_,
                    ", gen ", slots_.gen()));
}

void SchedulerMachine::DescribeLanes(wire::Config* config) const {
  const std::vector<LaneChange>& changes = events_->LaneChanges();
  for (std::size_t i = 0; i < lane_changes_; ++i) {
    wire::LaneChange& change = *config->add_lane_changes();
    for (const OptimizerParams& setting : changes[i].settings) {
      wire::LaneSetting& lane = *change.add_lanes();
      lane.set_alpha(setting.alpha);
      lane.set_beta(setting.beta);
      lane.set_l1(setting.l1);
      lane.set_l2(setting.l2);
      lane.set_newton(setting.newton);
    }
    for (const LaneOrigin& origin : changes[i].origins) {
      change.add_from(static_cast<std::uint32_t>(origin.from));
      change.add_reborn(origin.reborn);
      if (origin.same_weights) change.set_same_weights(true);
    }
  }
  config->set_checkpoint_lane_changes(static_cast<std::uint32_t>(restore_lane_changes_));
}

// Of those that there are now: the coordinator may have decided on changes that a rollback took back.
std::uint32_t SchedulerMachine::LeadingLane() const {
  const std::vector<LaneChange>& changes = events_->LaneChanges();
  std::uint32_t lane = events_->LeadingLane();
  for (std::size_t i = changes.size(); i > lane_changes_; --i) {
    lane = static_cast<std::uint32_t>(changes[i - 1].origins[lane].from);
  }
  return lane;
}

std::size_t SchedulerMachine::UsableLane(absl::Span<const float> margins) const {
  constexpr float kAstray = 1e9f;
  const std::size_t leader = LeadingLane();
  for (std::size_t i = 0; i < lanes_; ++i) {
    const std::size_t lane = (leader + i) % lanes_;
    bool usable = true;
    for (std::size_t at = lane; at < margins.size(); at += lanes_) usable &= std::abs(margins[at]) < kAstray;
    if (usable) return lane;
  }
  return leader;
}

}  // namespace ps
