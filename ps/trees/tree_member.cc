#include "ps/trees/tree_member.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace ps {

TreeMember::TreeMember(Options options, const wire::Welcome& welcome, MonotonicTime now)
    : options_(std::move(options)),
      heartbeat_(std::chrono::milliseconds(std::clamp(welcome.heartbeat_ms(), 10u, 60000u))),
      last_heard_(now) {
  const wire::TreePlan& plan = welcome.plan().trees();
  place_.set_run(plan.run());
  place_.set_parts(plan.parts());
  const bool server = options_.hello.role() == wire::SERVER;
  place_.set_place(server ? std::max(1u, welcome.node()) - 1 : plan.part());
}

void TreeMember::Fail(absl::Status status, Outbox& outbox) {
  if (finished_) return;
  Message message;
  message.body.mutable_failure()->set_status_code(static_cast<std::uint32_t>(status.code()));
  message.body.mutable_failure()->set_message(std::string(status.message()));
  outbox.Send(options_.scheduler, std::move(message));
  status_ = std::move(status);
}

void TreeMember::SayHello(Outbox& outbox) const {
  Message hello;
  *hello.body.mutable_hello() = options_.hello;
  *hello.body.mutable_hello()->mutable_tree_place() = place_;
  outbox.Send(options_.scheduler, std::move(hello));
}

void TreeMember::End(Outbox& outbox) {
  Message reply;
  reply.body.mutable_stopped();
  outbox.Send(options_.scheduler, std::move(reply));
  finished_ = true;
}

void TreeMember::OnMessage(const Address& from, Message message, MonotonicTime now,
                           Outbox& outbox) {
  if (finished_) return;
  if (from == options_.scheduler) {
    if (message.body.run() == place_.run()) {
      if (message.body.leader() < leader_) return;
      leader_ = message.body.leader();
    } else if (!message.body.has_stop() && !message.body.heartbeat().unknown()) {
      return;
    }
  }
  switch (message.body.kind_case()) {
    case wire::Body::kStop:
      return End(outbox);
    case wire::Body::kWelcome:
      last_heard_ = now;
      asked_ = false;
      WelcomeAgain();
      return;
    case wire::Body::kHeartbeat:
      last_heard_ = now;
      if (!message.body.heartbeat().unknown()) return;
      asked_ = true;
      return SayHello(outbox);
    case wire::Body::kError:  // errors are not answered with errors
      return;
    default:
      break;
  }
  // One that has failed waits to be told to stop, and repeats why.
  if (status_.ok() && Handle(from, message, now, outbox)) {
    if (from == options_.scheduler) last_heard_ = now;
    return;
  }
  Message reply;
  reply.body.set_request(message.body.request());
  reply.body.mutable_error()->set_code(wire::Error::MALFORMED);
  reply.body.mutable_error()->set_message("not what this node of a job of trees answers now");
  outbox.Send(from, std::move(reply));
}

void TreeMember::OnTick(MonotonicTime now, Outbox& outbox) {
  if (finished_) return;
  if (status_.ok()) Work(now, outbox);
  if (now - last_heard_ > options_.scheduler_timeout) {
    if (status_.ok()) {
      status_ = absl::UnavailableError(
          absl::StrCat("the scheduler at ", options_.scheduler, " is silent"));
    }
    finished_ = true;
    return;
  }
  if (now < next_heartbeat_) return;
  next_heartbeat_ = now + heartbeat_;
  Message beat;
  beat.body.mutable_heartbeat()->set_incarnation(options_.incarnation);
  outbox.Send(options_.scheduler, std::move(beat));
  // The scheduler knows it from the first one on: it is its Welcome that may be lost.
  if (asked_) SayHello(outbox);
  if (leaving_) {
    Message leave;
    leave.body.mutable_leave();
    outbox.Send(options_.scheduler, std::move(leave));
  }
  if (!status_.ok()) {
    Message failure;
    failure.body.mutable_failure()->set_status_code(static_cast<std::uint32_t>(status_.code()));
    failure.body.mutable_failure()->set_message(std::string(status_.message()));
    outbox.Send(options_.scheduler, std::move(failure));
  } else {
    Beat(outbox);
  }
}

}  // namespace ps
