#include "worker/worker_machine.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "kernels/lane_learner.h"
#include "ps/wire/protocol.h"

namespace ps {

WorkerMachine::WorkerMachine(Options options, OpenSource open, std::unique_ptr<GradientModel> model)
    : options_(std::move(options)),
      open_(std::move(open)),
      model_(std::move(model)),
      leases_(std::chrono::milliseconds(500), std::chrono::seconds(4), options_.incarnation),
      next_lease_request_(Mix64(options_.incarnation + 3)),
      lease_backoff_(std::chrono::milliseconds(1500), std::chrono::seconds(6),
                     options_.incarnation + 1) {}

void WorkerMachine::OnMessage(const Address& from, Message message, MonotonicTime now,
                              Outbox& outbox) {
  if (finished_) return;
  const wire::Body& body = message.body;
  if (body.has_routing() || body.has_lease() || body.has_progress_ack() || body.has_heartbeat()) {
    if (body.leader() < leader_ || body.gen() < gen_) return;
    leader_ = body.leader();
    if (body.gen() > gen_) BeginGen(body.gen(), now);
  }
  switch (body.kind_case()) {
    case wire::Body::kPullReply:
    case wire::Body::kPushAck:
    case wire::Body::kError:
      if (shards_.has_value()) {
        if (absl::Status status = shards_->OnReply(message, now, outbox); !status.ok()) {
          Fail(std::move(status), now);
        }
        const std::uint64_t landed = batches_landed_;
        Land(now);
        // Others may be waiting for this worker's count: it must not wait for the next tick.
        to_tell_ |= batches_landed_ != landed;
      } else if (body.has_error() && body.error().code() == wire::Error::REFUSED && from == options_.scheduler &&
                 !plan_.has_value()) {
        finished_ = true;
        status_ = absl::FailedPreconditionError(body.error().message());
      }
      return;
    case wire::Body::kWelcome:
      OnWelcome(body.welcome(), now);
      break;
    case wire::Body::kRouting:
      OnRouting(body.epoch(), body.routing(), now, outbox);
      break;
    case wire::Body::kLease:
      OnLease(message, now);
      break;
    case wire::Body::kProgressAck:
      leases_.OnProgressAck(body.progress_ack(), now);
      to_tell_ = true;
      if (body.progress_ack().incarnation() == options_.incarnation) {
        may_start_ = std::max(may_start_, body.progress_ack().may_start());
      }
      break;
    case wire::Body::kHeartbeat:
      // A limit of a worker that was at this address before is in another count.
      if (body.heartbeat().incarnation() == options_.incarnation) {
        may_start_ = std::max(may_start_, body.heartbeat().may_start());
      }
      break;
    case wire::Body::kStop:
      if (body.leader() >= leader_) OnStop(body.stop(), outbox);
      return;
    default:
      VLOG(1) << "unexpected message from " << from;
      return;
  }
  last_heard_ = now;
}

void WorkerMachine::OnWelcome(const wire::Welcome& welcome, MonotonicTime now) {
  if (plan_.has_value() || welcome.incarnation() != options_.incarnation) return;
  plan_ = welcome.plan();
  heartbeat_interval_ = std::chrono::milliseconds(std::max(1u, welcome.heartbeat_ms()));
  next_heartbeat_ = MonotonicTime::zero();  // which says what it computes on, or why it cannot
  if (plan_->batch_rows() == 0 || (plan_->staleness() == 0 && plan_->chunks_per_round() == 0)) {
    status_ =
        absl::InvalidArgumentError("the scheduler's plan has no batch_rows or chunks_per_round");
    return;
  }
  // More batches on their way than this would take memory without gaining speed.
  const std::int64_t most = options_.most_in_flight;
  const std::int64_t staleness = plan_->staleness();
  window_ = static_cast<std::size_t>(staleness < 0 ? most : std::min(staleness + 1, most));
  absl::StatusOr<std::unique_ptr<GradientMaker>> maker =
      GradientMaker::Make(plan_->device(), std::move(model_));
  if (!maker.ok()) return FailOfDevice(maker.status(), now);
  maker_ = *std::move(maker);
  absl::StatusOr<std::unique_ptr<ChunkSource>> source = open_(*plan_);
  if (!source.ok()) {
    status_ = source.status();
    return;
  }
  source_ = *std::move(source);
  ShardClient::Options options;
  options.stepped = plan_->staleness() == 0;
  options.chunks_per_round = plan_->chunks_per_round();
  options.send_counts = plan_->min_count() > 1;
  options.values = plan_->values();
  options.seed = options_.incarnation + 2;
  shards_.emplace(options);
  shards_->SetGen(gen_);
}

void WorkerMachine::OnRouting(std::uint64_t epoch, const wire::Routing& routing, MonotonicTime now,
                              Outbox& outbox) {
  if (!shards_.has_value()) return;
  if (shards_->routing().has_value() && epoch <= shards_->routing()->epoch()) return;
  absl::StatusOr<RoutingTable> table = RoutingTable::FromWire(epoch, routing);
  if (!table.ok()) {
    LOG(ERROR) << "routing table refused: " << table.status();
    return;
  }
  shards_->SetRouting(*std::move(table), now, outbox);
}

void WorkerMachine::OnLease(const Message& message, MonotonicTime now) {
  // An answer to an earlier request may grant what this worker has finished since; the scheduler
  // sees from `holding` that its grant was not taken.
  if (message.body.request() != lease_request_) return;
  for (const wire::Lease::Chunk& chunk : message.body.lease().chunks()) {
    const std::uint32_t lanes = chunk.lanes();
    if (lanes > kMostLanes || (lanes != 0 && !std::has_single_bit(lanes))) {
      return Fail(absl::InvalidArgumentError(absl::StrCat("the scheduler leases a chunk of ", lanes, " lanes")), now);
    }
  }
  lease_request_ = 0;
  lease_attempts_ = 0;
  lease_deadline_ = now;
  leases_.Add(message.body.lease());
  may_start_ = std::max(may_start_, message.body.lease().may_start());
}

void WorkerMachine::OnStop(const wire::Stop& stop, Outbox& outbox) {
  Message reply;
  reply.body.mutable_stopped();
  outbox.Send(options_.scheduler, std::move(reply));
  finished_ = true;
  if (stop.failed() && status_.ok()) status_ = absl::AbortedError(stop.reason());
}

void WorkerMachine::Leave() {
  if (!std::exchange(leaving_, true)) next_heartbeat_ = MonotonicTime::zero();
  finished_ |= !plan_.has_value();
}

void WorkerMachine::BeginGen(std::uint64_t gen, MonotonicTime now) {
  gen_ = gen;
  if (shards_.has_value()) {
    for (const auto& flight : flights_) shards_->Forget(*flight);
    shards_->SetGen(gen);
    if (!shards_->routing().has_value()) next_heartbeat_ = now;  // which asks for it
  }
  for (auto& flight : flights_) flight->chunk.reset();
  flights_.clear();
  leases_.Clear();
  lease_request_ = 0;
  lease_attempts_ = 0;
  lease_deadline_ = now;
}

void WorkerMachine::Fail(absl::Status status, MonotonicTime now) {
  if (!status_.ok()) return;
  LOG(ERROR) << "cannot go on: " << status;
  status_ = std::move(status);
  next_heartbeat_ = now;
}

void WorkerMachine::FailOfDevice(absl::Status status, MonotonicTime now) {
  of_device_ = status_.ok() && options_.ends_with_gpu;
  Fail(std::move(status), now);
}

void WorkerMachine::OnTick(MonotonicTime now, Outbox& outbox) {
  if (finished_) return;
  to_tell_ = false;
  if (last_heard_ < MonotonicTime::zero()) last_heard_ = now;
  if (now - last_heard_ > options_.scheduler_timeout) {
    finished_ = true;
    status_ = absl::UnavailableError(absl::StrCat(
        "nothing heard from the scheduler ", options_.scheduler, " for ",
        std::chrono::duration_cast<std::chrono::seconds>(now - last_heard_).count(), " s"));
    return;
  }
  if (shards_.has_value() && shards_->TakeMoved()) next_heartbeat_ = std::min(next_heartbeat_, now);
  if (now >= next_heartbeat_) {
    next_heartbeat_ = now + heartbeat_interval_;
    if (!plan_.has_value()) {
      SendHello(outbox);
    } else if (!status_.ok()) {
      SendFailure(outbox);
    } else {
      SendHeartbeat(outbox);
    }
  }
  if (!status_.ok() || !shards_.has_value() || !shards_->routing().has_value()) return;
  shards_->OnTick(now, outbox);
  const MonotonicTime began = options_.clock ? options_.clock() : MonotonicTime::zero();
  Work(now, outbox);
  if (finished_) return;
  if (options_.clock) busy_ += options_.clock() - began;
  RequestLease(now, outbox);
  leases_.SendProgress(options_.scheduler, {options_.incarnation, batches_landed_, gen_}, now, outbox);
}

void WorkerMachine::RequestLease(MonotonicTime now, Outbox& outbox) {
  if (leaving_) return;
  // In steps a worker may need any number of a round's chunks at once; they are asked for one by
  // one, so that they spread over the workers.
  const bool stepped = plan_->staleness() == 0;
  const std::size_t startable = leases_.startable();
  const std::size_t ahead = static_cast<std::size_t>(options_.chunks_ahead);
  if (!stepped && startable >= ahead) return;
  if (now < lease_deadline_) return;
  if (lease_request_ == 0) lease_request_ = next_lease_request_++;
  Message message;
  message.body.set_request(lease_request_);
  message.body.set_gen(gen_);
  wire::LeaseRequest& request = *message.body.mutable_lease_request();
  request.set_want(stepped ? 1 : static_cast<std::uint32_t>(ahead - startable));
  leases_.ListHeld(&request);
  outbox.Send(options_.scheduler, std::move(message));
  lease_deadline_ = now + lease_backoff_.Wait(lease_attempts_++);
}

void WorkerMachine::SendHello(Outbox& outbox) {
  Message message;
  wire::Hello& hello = *message.body.mutable_hello();
  hello.set_role(wire::WORKER);
  hello.set_incarnation(options_.incarnation);
  hello.set_endpoint(options_.endpoint);
  hello.set_host(options_.host);
  hello.set_pid(options_.pid);
  hello.set_protocol(ProtocolDigest());
  outbox.Send(options_.scheduler, std::move(message));
}

void WorkerMachine::SendHeartbeat(Outbox& outbox) {
  Message message;
  const bool routed = shards_.has_value() && shards_->routing().has_value();
  message.body.set_epoch(routed ? shards_->routing()->epoch() : 0);
  wire::Heartbeat& beat = *message.body.mutable_heartbeat();
  beat.set_incarnation(options_.incarnation);
  beat.set_rows(rows_);
  beat.set_landed(batches_landed_);
  beat.set_busy_micros(static_cast<std::uint64_t>(busy_.count()));
  if (maker_ != nullptr) {
    beat.set_computes_on(maker_->computes_on());
    beat.set_on_device(maker_->on_device());
  }
  outbox.Send(options_.scheduler, std::move(message));
  if (!leaving_) return;
  Message leave;
  leave.body.mutable_leave();
  outbox.Send(options_.scheduler, std::move(leave));
}

void WorkerMachine::SendFailure(Outbox& outbox) {
  Message message;
  wire::Failure& failure = *message.body.mutable_failure();
  failure.set_status_code(static_cast<std::uint32_t>(status_.code()));
  failure.set_message(std::string(status_.message()));
  failure.set_of_device(of_device_);
  outbox.Send(options_.scheduler, std::move(message));
}

}  // namespace ps
