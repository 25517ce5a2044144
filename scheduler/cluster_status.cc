// What SchedulerMachine tells people, and does when they ask.
#include "scheduler/cluster_status.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <utility>

#include "glog/logging.h"
#include "ps/base/seconds.h"
#include "scheduler/scheduler_machine.h"

namespace ps {
namespace {

ServerStatus StatusOfServer(const Member& member) {
  ServerStatus server;
  server.node = member.node;
  server.host = member.host;
  server.endpoint = member.endpoint;
  server.pid = member.pid;
  server.incarnation = member.incarnation;
  server.alive = member.alive;
  server.draining = member.leaving;
  server.entries = member.beat.entries();
  server.table_bytes = member.beat.table_bytes();
  server.replication_lag = member.beat.unacknowledged();
  server.refused_frames = member.beat.bad_frames();
  return server;
}

WorkerStatus StatusOfWorker(const Member& member) {
  WorkerStatus worker;
  worker.node = member.node;
  worker.host = member.host;
  worker.pid = member.pid;
  worker.incarnation = member.incarnation;
  worker.alive = member.alive;
  worker.draining = member.leaving;
  worker.rows = member.beat.rows();
  worker.batches = member.beat.landed();
  return worker;
}

// A member whose process is known to have ended was last heard at MonotonicTime::min().
double SilentSeconds(const Member& member, MonotonicTime now) {
  if (member.last_heard == MonotonicTime::min()) return -1;
  return std::max(0.0, Seconds(now - member.last_heard));
}

}  // namespace

void SchedulerMachine::Note(std::string text, int severity) {
  LOG_AT_LEVEL(severity) << text;
  history_.Add(last_tick_, std::move(text));
}

const char* SchedulerMachine::PhaseName() const {
  switch (phase_) {
    case Phase::kGathering:
      return "gathering";
    case Phase::kReturning:
      return "returning";
    case Phase::kImporting:
      return "importing";
    case Phase::kTraining:
      return "training";
    case Phase::kExporting:
      return "exporting";
    case Phase::kStopping:
      return "stopping";
    case Phase::kFinished:
      break;
  }
  return "finished";
}

ClusterStatus SchedulerMachine::Status(MonotonicTime now) const {
  ClusterStatus status;
  status.phase = PhaseName();
  const PassReport report = books_.Look(ledger_.pass());
  status.pass = report.pass + 1;
  status.passes = options_.passes;
  status.chunks_done = ledger_.done();
  status.chunks = ledger_.chunks();
  status.rows_learnt = rows_learnt_;
  status.bad_rows = report.counts.bad;
  const double weight = report.progressive.rows();
  status.logloss = weight > 0 ? report.progressive.loss_sum() / weight : NAN;
  status.gen = slots_.gen();
  status.replicas = static_cast<std::uint32_t>(options_.replicas);
  status.slots = std::uint32_t{1} << options_.plan.slot_bits();
  status.servers_wanted = wanted_.servers;
  status.workers_wanted = wanted_.workers;
  if (routing_.has_value()) status.epoch = routing_->epoch();
  if (checkpointer_.has_value()) {
    status.checkpoints = checkpointer_->written();
    if (checkpointer_->written() > 0) {
      status.checkpoint_age_seconds = std::max(0.0, Seconds(now - checkpointer_->latest_at()));
    }
  }
  std::map<NodeId, std::uint32_t> slots_of, copies_of;
  if (slots_.started()) {
    for (SlotIndex slot = 0; slot < status.slots; ++slot) {
      const SlotConfig& config = slots_.config(slot);
      if (config.members.empty()) {
        ++status.slots_without_owner;
        continue;
      }
      ++slots_of[config.primary()];
      for (const NodeId node : config.members) copies_of[node] += node != config.primary();
    }
    status.slots_under_replicated = slots_.UnderReplicated(UsableServers());
  }
  const std::map<NodeId, std::uint32_t> leases_of = ledger_.LeasesByHolder();
  for (const Member& member : membership_.members()) {
    if (member.role == wire::SERVER) {
      status.servers.push_back(StatusOfServer(member));
      status.servers.back().silent_seconds = SilentSeconds(member, now);
      status.servers.back().primary_slots = slots_of[member.node];
      status.servers.back().backup_slots = copies_of[member.node];
    } else {
      status.workers.push_back(StatusOfWorker(member));
      status.workers.back().silent_seconds = SilentSeconds(member, now);
      const auto leases = leases_of.find(member.node);
      if (leases != leases_of.end()) status.workers.back().leases = leases->second;
    }
  }
  for (const EventLog::Event& event : history_.events()) {
    status.events.push_back({std::max(0.0, Seconds(now - event.at)), event.text});
  }
  return status;
}

void SchedulerMachine::OnCommand(const ClusterCommand& command, MonotonicTime now,
                                 const CommandReply& reply) {
  switch (command.kind) {
    case ClusterCommand::Kind::kStop:
      if (phase_ == Phase::kStopping || phase_ == Phase::kFinished) {
        return reply(absl::FailedPreconditionError("the job is already ending"));
      }
      Interrupt(now, "stop was asked for: finishing what is leased");
      return reply("stopping: leased chunks are finished, then the model is written");
    case ClusterCommand::Kind::kScale:
      return reply(Scale(command));
    case ClusterCommand::Kind::kDrain:
      return reply(Drain(command.node));
    case ClusterCommand::Kind::kCheckpoint:
      if (!checkpointer_.has_value()) {
        return reply(absl::FailedPreconditionError(
            "this job writes no checkpoints: its configuration has no checkpoint.dir"));
      }
      if (absl::Status may = MayChangeNodes(); !may.ok()) return reply(may);
      changed_ = true;
      return checkpointer_->Ask(reply);
  }
}

}  // namespace ps
