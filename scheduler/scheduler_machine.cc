#include "scheduler/scheduler_machine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "glog/logging.h"
#include "ps/wire/protocol.h"

namespace ps {
namespace {

bool WellFormed(const wire::Progress::BatchStats& stats, std::size_t lanes) {
  const std::size_t rows = stats.labels().size();
  const auto is_label = [](char label) { return label == 0 || label == 1; };
  return stats.batch() < 64 && stats.margins().size() == rows * lanes * sizeof(float) &&
         (stats.weights().empty() || stats.weights().size() == rows * sizeof(float)) &&
         std::all_of(stats.labels().begin(), stats.labels().end(), is_label);
}

}  // namespace

SchedulerMachine::SchedulerMachine(Options options, JobEvents* events)
    : options_(std::move(options)),
      events_(events),
      ledger_(
          {.chunks = static_cast<std::uint32_t>(options_.chunks.size()),
           .round_chunks = options_.plan.staleness() == 0 ? options_.plan.chunks_per_round() : 0,
           .lease_limit = options_.lease_limit}),
      bound_(options_.plan.staleness()),
      lanes_(std::max(1, options_.plan.lanes_size())),
      all_wait_(options_.plan.staleness() >= 0),
      wanted_{options_.shards, options_.workers},
      slots_(static_cast<int>(options_.plan.slot_bits()), options_.replicas),
      books_(static_cast<std::uint32_t>(options_.chunks.size())) {
  if (options_.scale_policy.has_value()) decider_.emplace(*options_.scale_policy);
  if (options_.checkpoints != nullptr) {
    Checkpointer::Options checkpointing = options_.checkpointing;
    checkpointing.always_full = stepped();  // nothing counts there what has changed
    checkpointer_.emplace(checkpointing, options_.checkpoints, options_.resume);
  }
  if (absl::Status loaded = LoadStored(); !loaded.ok()) Fail(std::move(loaded));
}

void SchedulerMachine::Stamp(std::size_t first, Outbox& outbox) const {
  for (std::size_t i = first; i < outbox.items().size(); ++i) {
    outbox.items()[i].message.body.set_gen(slots_.gen());
    if (options_.store != nullptr) {
      outbox.items()[i].message.body.set_leader(options_.store->leadership_term());
    }
  }
}

void SchedulerMachine::OnMessage(const Address& from, Message message, MonotonicTime now,
                                 Outbox& outbox) {
  if (finished()) return;
  const std::size_t first = outbox.items().size();
  Take(from, std::move(message), now, outbox);
  Stamp(first, outbox);
}

void SchedulerMachine::OnTick(MonotonicTime now, Outbox& outbox) {
  if (finished()) return;
  const std::size_t first = outbox.items().size();
  Step(now, outbox);
  PublishSlots(outbox);
  LetGo(outbox);
  Stamp(first, outbox);
}

void SchedulerMachine::Take(const Address& from, Message message, MonotonicTime now,
                            Outbox& outbox) {
  const wire::Body& body = message.body;
  changed_ |=
      body.has_hello() || body.has_import_ack() || body.has_export_reply() || body.has_stopped();
  if (body.has_hello()) return OnHello(from, body.hello(), now, outbox);
  if (body.has_heartbeat()) return OnHeartbeat(from, message, now, outbox);
  Member* member = membership_.Heard(from, now);
  if (member == nullptr) return;  // a stranger makes itself known by Hello or a heartbeat
  // What nodes have done for an earlier scheduler is void, and what they do now is so too.
  if (phase_ == Phase::kReturning && !body.has_leave() && !body.has_failure()) return;
  switch (body.kind_case()) {
    case wire::Body::kLeaseRequest:
      OnLeaseRequest(*member, std::move(message), now, outbox);
      return;
    case wire::Body::kProgress:
      OnProgress(*member, message, now, outbox);
      return;
    case wire::Body::kImportAck:
      last_progress_ = now;
      if (importer_.has_value()) importer_->OnReply(message, now);
      return;
    case wire::Body::kExportReply:
      last_progress_ = now;
      if (exporter_.has_value()) exporter_->OnReply(message, now);
      if (counter_.has_value()) counter_->OnReply(message, now);
      return;
    case wire::Body::kError:
      if (exporter_.has_value()) exporter_->OnError(message, now);
      if (counter_.has_value()) counter_->OnError(message, now);
      if (importer_.has_value()) importer_->OnError(message, now);
      return;
    case wire::Body::kInsync:
      return OnInsync(body.insync());
    case wire::Body::kCheckpointPart:
      return OnCheckpointPart(*member, message, now);
    case wire::Body::kLeave:
      member->ending = true;
      return OnLeave(*member);
    case wire::Body::kStopped:
      // One that leaves ends as if it had died: it may have got slots again (a late Leave or Stop was
      // for a forerunner at its address), or be thought alive again by a late beat.
      if (phase_ == Phase::kStopping) {
        member->stopped = true;
      } else if (member->leaving || member->failed) {
        membership_.Ended(*member);
      }
      return;
    case wire::Body::kFailure:
      return OnFailure(*member, message, outbox);
    default:
      return;
  }
}

void SchedulerMachine::OnHello(const Address& from, const wire::Hello& hello, MonotonicTime now,
                               Outbox& outbox) {
  if (std::optional<Message> refusal = RefuseOtherProtocol(hello)) {
    LOG_FIRST_N(WARNING, 10) << from << " is not taken: " << refusal->body.error().message();
    return outbox.Send(from, *std::move(refusal));
  }
  if (hello.has_tree_place()) {  // it can be nothing else any more
    Message reply;
    reply.body.mutable_stop()->set_reason("it is of a job of trees");
    return outbox.Send(from, std::move(reply));
  }
  const std::size_t before = membership_.members().size();
  Member* member = membership_.Admit(hello, from, now);
  if (member == nullptr) return;
  if (membership_.members().size() > before) {
    Note(absl::StrCat(member->Name(), " has come"));
    PersistMembers();  // its number is its own for ever
    if (!status_.ok()) return;
  }
  Message message;
  wire::Welcome& welcome = *message.body.mutable_welcome();
  welcome.set_node(member->node);
  *welcome.mutable_plan() = options_.plan;
  welcome.set_heartbeat_ms(static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::milliseconds>(options_.heartbeat).count()));
  welcome.set_incarnation(member->incarnation);
  outbox.Send(member->address, std::move(message));
  if (!slots_.started() || slots_.epoch() == 0 || phase_ == Phase::kReturning) return;
  if (member->role == wire::SERVER) {
    // What has changed but is no version yet is not durable: nobody may hear of it. A beat asks again.
    if (!slots_.changed()) SendConfig(*member, 0, outbox);
  } else if (routing_.has_value()) {
    SendRouting(*member, outbox);
  }
}

void SchedulerMachine::OnHeartbeat(const Address& from, const Message& message, MonotonicTime now,
                                   Outbox& outbox) {
  const wire::Heartbeat& beat = message.body.heartbeat();
  Member* member = membership_.HeardBeat(beat, from, now);
  if (member == nullptr) return;
  Message reply;
  reply.body.mutable_heartbeat()->set_incarnation(beat.incarnation());
  if (member->role == wire::WORKER) {
    if (member->computes_on != beat.computes_on()) {
      member->computes_on = beat.computes_on();
      member->on_device = beat.on_device();
      device_failure_ = absl::OkStatus();
      TellDevices();
    }
    pace_.Beat(member->node, std::chrono::microseconds(beat.busy_micros()), beat.landed());
    bound_.Landed(member->node, beat.landed());
    bound_.SetLive(ledger_.Holders());
    reply.body.mutable_heartbeat()->set_may_start(bound_.MayStart(member->node));
  }
  outbox.Send(from, std::move(reply));
  if (!routing_.has_value()) return;
  if (member->role == wire::WORKER) {
    if (message.body.epoch() != routing_->epoch()) SendRouting(*member, outbox);
    return;
  }
  if (message.body.epoch() < slots_.epoch() && !slots_.changed()) SendConfig(*member, message.body.epoch(), outbox);
  const bool behind = beat.done_pass() != ledger_.pass() || beat.done_chunks() != ledger_.done();
  if (behind) SendDone(*member, outbox);
}

void SchedulerMachine::SendLimit(const Member& member, Outbox& outbox) {
  Message message;
  message.body.mutable_heartbeat()->set_incarnation(member.incarnation);
  message.body.mutable_heartbeat()->set_may_start(bound_.MayStart(member.node));
  outbox.Send(member.address, std::move(message));
}

void SchedulerMachine::TellWaiting(Outbox& outbox) {
  bound_.SetLive(ledger_.Holders());
  for (const NodeId node : bound_.Waiting()) {
    const Member* member = membership_.ByNode(node);
    if (member->alive) SendLimit(*member, outbox);
  }
}

void SchedulerMachine::SendRouting(const Member& member, Outbox& outbox) const {
  Message message;
  message.body.set_epoch(routing_->epoch());
  *message.body.mutable_routing() = routing_->ToWire();
  outbox.Send(member.address, std::move(message));
}

void SchedulerMachine::SendDone(const Member& member, Outbox& outbox) const {
  Message message;
  wire::Done& done = *message.body.mutable_done();
  done.set_pass(ledger_.pass());
  for (const auto& [first, last] : ledger_.DoneIntervals()) {
    wire::Done::Interval& interval = *done.add_chunks();
    interval.set_first(first);
    interval.set_last(last);
  }
  outbox.Send(member.address, std::move(message));
}

SendToShard SchedulerMachine::ShardSender(Outbox& outbox) {
  return [this, &outbox](ShardIndex shard, Message message) {
    message.body.set_epoch(slots_.epoch());
    outbox.Send(membership_.ByNode(routing_->shards()[shard].node)->address, std::move(message));
  };
}

void SchedulerMachine::OnProgress(Member& member, const Message& message, MonotonicTime now,
                                  Outbox& outbox) {
  const wire::Progress& progress = message.body.progress();
  // Work of another gen is void; the sender hears of the present one with any answer.
  if (message.body.gen() != slots_.gen()) return SendLimit(member, outbox);
  std::uint64_t known = ~std::uint64_t{0};  // of an earlier pass: all of it is done
  if (progress.pass() == ledger_.pass() && progress.chunk() < ledger_.chunks()) {
    std::uint64_t with_stats = 0;  // a batch is counted with its rows or not at all
    for (const wire::Progress::BatchStats& stats : progress.stats()) {
      if (WellFormed(stats, lanes_)) {
        with_stats |= std::uint64_t{1} << stats.batch();
      } else {
        LOG(ERROR) << member.Name() << " reports a malformed batch";
      }
    }
    const bool new_chunk = !books_.AnyCounted(ledger_.pass(), progress.chunk());
    const std::uint32_t done_before = ledger_.done();
    const std::uint64_t fresh = ledger_.Report(
        member.node, progress.chunk(), progress.mask() & with_stats, progress.batches(), now);
    std::uint64_t uncounted = fresh;  // one that is listed twice counts once
    for (const wire::Progress::BatchStats& stats : progress.stats()) {
      if (!WellFormed(stats, lanes_) || ((uncounted >> stats.batch()) & 1) == 0) continue;
      uncounted &= ~(std::uint64_t{1} << stats.batch());
      CountBatch(progress, stats);
    }
    if (new_chunk && fresh != 0) CountRows(progress.rows());
    known = ledger_.Taken(member.node, progress.chunk());
    if (fresh != 0) last_progress_ = now;
    done_changed_ |= ledger_.done() != done_before;
    changed_ |= ledger_.PassDone();
  }
  if (progress.incarnation() == member.incarnation) {
    bound_.Landed(member.node, progress.landed());
  }
  bound_.SetLive(ledger_.Holders());
  Message reply;
  wire::ProgressAck& ack = *reply.body.mutable_progress_ack();
  ack.set_pass(progress.pass());
  ack.set_chunk(progress.chunk());
  ack.set_mask(known);
  ack.set_incarnation(member.incarnation);
  ack.set_may_start(bound_.MayStart(member.node));
  outbox.Send(member.address, std::move(reply));
  AnswerWaiting(now, outbox);
  TellWaiting(outbox);
}

}  // namespace ps
