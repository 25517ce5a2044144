#include "ps/server/shard_machine.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/server/slot_restorer.h"
#include "ps/wire/protocol.h"

namespace ps {
namespace {

// Of a plan, which lists none where there is one.
bool IsNumberOfLanes(int lanes) { return lanes == 0 || lanes == 2 || lanes == 4 || lanes == 8 || lanes == 16; }

}  // namespace

void ShardMachine::OnMessage(const Address& from, Message message, MonotonicTime now,
                             Outbox& outbox) {
  if (finished_) return;
  const wire::Body& body = message.body;
  switch (body.kind_case()) {
    case wire::Body::kWelcome:
      OnWelcome(body.welcome());
      break;
    case wire::Body::kConfig:
      if (shard_ != nullptr && FromLeader(body) && !shard_->OnConfig(message, now, outbox)) {
        next_heartbeat_ = std::min(next_heartbeat_, now);  // which says what is lacking
      }
      break;
    case wire::Body::kDone:
      if (shard_ != nullptr && FromLeader(body)) shard_->MarkDone(body.gen(), body.done());
      break;
    case wire::Body::kCheckpoint:
      if (checkpoint_ != nullptr && FromLeader(body)) {
        checkpoint_->OnRequest(from, message, outbox);
      }
      break;
    case wire::Body::kHeartbeat:
    case wire::Body::kRouting:
      break;
    case wire::Body::kStop:
      if (FromLeader(body)) OnStop(body.stop(), outbox);
      return;
    case wire::Body::kError:
      // An answer to nothing this machine waits for; and errors are not answered with errors.
      if (body.error().code() == wire::Error::REFUSED && from == options_.scheduler && shard_ == nullptr) {
        finished_ = true;
        status_ = absl::FailedPreconditionError(body.error().message());
      }
      break;
    case wire::Body::kExport:
    case wire::Body::kImport:
      last_heard_ = now;
      [[fallthrough]];
    default:
      const std::uint64_t request = body.request();
      if (shard_ == nullptr || !shard_->Handle(from, std::move(message), now, outbox)) {
        Message reply;
        reply.body.set_request(request);
        reply.body.mutable_error()->set_code(shard_ == nullptr ? wire::Error::MOVED
                                                               : wire::Error::MALFORMED);
        reply.body.mutable_error()->set_message("not a request that this server answers now");
        outbox.Send(from, std::move(reply));
      }
      return;
  }
  last_heard_ = now;
}

void ShardMachine::Leave() {
  if (!std::exchange(leaving_, true)) next_heartbeat_ = MonotonicTime::zero();
  finished_ |= shard_ == nullptr;
}

bool ShardMachine::FromLeader(const wire::Body& body) {
  if (body.leader() < leader_) return false;
  leader_ = body.leader();
  return true;
}

void ShardMachine::OnWelcome(const wire::Welcome& welcome) {
  if (shard_ != nullptr || welcome.incarnation() != options_.incarnation) return;
  const wire::Plan& plan = welcome.plan();
  constexpr std::uint32_t kMostMinCount = 255;  // what the admission filter counts to
  if (plan.slot_bits() < 1 || plan.slot_bits() > kMaxSlotBits ||
      plan.optimizer() > static_cast<std::uint32_t>(Optimizer::kSgd) ||
      plan.min_count() > kMostMinCount || !IsNumberOfLanes(plan.lanes_size())) {
    finished_ = true;
    status_ = absl::InvalidArgumentError(
        "the scheduler's plan has an impossible slot_bits, optimizer, min_count or number of lanes");
    return;
  }
  Shard::Options options;
  options.key_cache_bytes = options_.key_cache_bytes;
  options.stepped = plan.staleness() == 0;
  options.table.slot_bits = static_cast<int>(plan.slot_bits());
  options.table.optimizer = {.type = static_cast<Optimizer>(plan.optimizer()),
                             .alpha = plan.alpha(),
                             .beta = plan.beta(),
                             .l1 = plan.l1(),
                             .l2 = plan.l2(),
                             .newton = plan.newton()};
  for (const wire::LaneSetting& lane : plan.lanes()) {
    options.table.lanes.push_back(SettingOf(lane, options.table.optimizer.type));
  }
  options.table.layout = EntryLayout::For(options.table.optimizer.type, std::max(1, plan.lanes_size()));
  options.table.min_count = std::max(1, static_cast<int>(plan.min_count()));
  options.replication = options_.replication;
  options.replication.self = welcome.node();
  options.replication.ack_primary = plan.ack_primary();
  CheckpointIo io;
  if (!plan.checkpoint_path().empty() && options_.open_checkpoints) {
    absl::StatusOr<CheckpointIo> opened = options_.open_checkpoints(plan);
    if (!opened.ok()) {
      finished_ = true;
      status_ = opened.status();
      return;
    }
    io = *std::move(opened);
    auto restorer = std::make_shared<SlotRestorer>(std::move(io.loader));
    options.replication.source = [restorer](SlotIndex slot, std::uint64_t checkpoint) {
      return restorer->Get(slot, checkpoint);
    };
  }
  shard_ = std::make_unique<Shard>(options);
  if (io.writer != nullptr) {
    checkpoint_ = std::make_unique<ShardCheckpoint>(std::move(io.writer), options_.incarnation,
                                                    &shard_->data(), &shard_->replicator());
  }
  heartbeat_interval_ = std::chrono::milliseconds(std::max(1u, welcome.heartbeat_ms()));
}

void ShardMachine::OnStop(const wire::Stop& stop, Outbox& outbox) {
  Message reply;
  reply.body.mutable_stopped();
  outbox.Send(options_.scheduler, std::move(reply));
  finished_ = true;
  if (stop.failed()) status_ = absl::AbortedError(stop.reason());
}

void ShardMachine::OnTick(MonotonicTime now, Outbox& outbox) {
  if (finished_) return;
  if (shard_ != nullptr && shard_->flush_due()) {
    shard_->Flush(now, outbox);
    if (now < next_round_) return;
  }
  next_round_ = now + tick_interval() / 2;
  if (last_heard_ < MonotonicTime::zero()) last_heard_ = now;
  if (now - last_heard_ > options_.scheduler_timeout) {
    finished_ = true;
    status_ = absl::UnavailableError(absl::StrCat(
        "nothing heard from the scheduler ", options_.scheduler, " for ",
        std::chrono::duration_cast<std::chrono::seconds>(now - last_heard_).count(), " s"));
    return;
  }
  if (shard_ != nullptr) {
    shard_->OnTick(now, outbox);
    if (checkpoint_ != nullptr) checkpoint_->OnTick(outbox);
    if (now >= next_insync_) SendInsync(now, outbox);
  }
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + heartbeat_interval_;
  if (shard_ == nullptr) {
    SendHello(outbox);
  } else {
    SendHeartbeat(now, outbox);
    const absl::Status& restored = shard_->replicator().restored();
    if (!restored.ok()) SendFailure(restored, outbox);
  }
}

void ShardMachine::SendFailure(const absl::Status& status, Outbox& outbox) {
  Message message;
  message.body.set_epoch(shard_->replicator().restored_epoch());
  message.body.mutable_failure()->set_status_code(static_cast<std::uint32_t>(status.code()));
  message.body.mutable_failure()->set_message(std::string(status.message()));
  outbox.Send(options_.scheduler, std::move(message));
}

void ShardMachine::SendHello(Outbox& outbox) {
  Message message;
  wire::Hello& hello = *message.body.mutable_hello();
  hello.set_role(wire::SERVER);
  hello.set_incarnation(options_.incarnation);
  hello.set_endpoint(options_.endpoint);
  hello.set_host(options_.host);
  hello.set_pid(options_.pid);
  hello.set_protocol(ProtocolDigest());
  outbox.Send(options_.scheduler, std::move(message));
}

void ShardMachine::SendHeartbeat(MonotonicTime now, Outbox& outbox) {
  Message message;
  const Replicator& replicator = shard_->replicator();
  message.body.set_epoch(replicator.epoch());
  message.body.set_gen(replicator.gen());
  wire::Heartbeat& beat = *message.body.mutable_heartbeat();
  beat.set_incarnation(options_.incarnation);
  beat.set_entries(shard_->table().size());
  beat.set_table_bytes(shard_->table().memory_bytes());
  beat.set_bad_frames(shard_->refused());
  beat.set_done_pass(shard_->ledger().done_pass());
  beat.set_done_chunks(shard_->ledger().done_chunks());
  if (leaving_) {
    Message leave;
    leave.body.mutable_leave();
    outbox.Send(options_.scheduler, std::move(leave));
  }
  beat.set_unacknowledged(replicator.unacknowledged());
  for (const NodeId node : replicator.Lagging(now)) beat.add_lagging(node);
  outbox.Send(options_.scheduler, std::move(message));
}

void ShardMachine::SendInsync(MonotonicTime now, Outbox& outbox) {
  Message message;
  *message.body.mutable_insync() = shard_->replicator().Insync();
  if (message.body.insync().peers_size() == 0) return;
  outbox.Send(options_.scheduler, std::move(message));
  next_insync_ = now + std::chrono::milliseconds(20);
}

}  // namespace ps
