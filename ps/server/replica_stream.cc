#include "ps/server/replica_stream.h"

#include <algorithm>
#include <utility>

namespace ps {
namespace {

constexpr MonotonicTime kResendFirst = std::chrono::milliseconds(150);
constexpr MonotonicTime kResendLongest = std::chrono::seconds(1);
constexpr std::size_t kResentAtOnce = 64;
constexpr std::size_t kUsualItemBytes = 16 << 10;

std::size_t BytesOf(const Message& message) {
  std::size_t bytes = 64;
  for (const std::string& section : message.sections) bytes += section.size();
  return bytes;
}

}  // namespace

Message& OutgoingStream::Open(std::uint64_t gen) {
  if (!open_.has_value()) {
    ++last_;
    open_.emplace();
    open_->body.set_gen(gen);
    open_->sections.emplace_back().reserve(kUsualItemBytes);
  }
  return *open_;
}

void OutgoingStream::Seal(const wire::Rack* rack, MonotonicTime now, Outbox& outbox) {
  if (!open_.has_value()) return;
  Message item = *std::move(open_);
  open_.reset();
  if (rack != nullptr) *item.body.mutable_repl()->mutable_rack() = *rack;
  Send(std::move(item), last_, now, outbox);
}

std::uint64_t OutgoingStream::Append(Message item, MonotonicTime now, Outbox& outbox) {
  Seal(nullptr, now, outbox);
  Send(std::move(item), ++last_, now, outbox);
  return last_;
}

void OutgoingStream::Send(Message item, std::uint64_t number, MonotonicTime now, Outbox& outbox) {
  wire::Repl& repl = *item.body.mutable_repl();
  repl.set_from(self_);
  repl.set_to(to_);
  repl.set_stream(stream_);
  repl.set_number(number);
  if (unacked_.empty()) {
    progress_ = now;
    resent_ = 0;
    resend_at_ = now + kResendFirst;
  }
  unacked_bytes_ += BytesOf(item);
  unacked_.push_back(std::make_shared<const Message>(std::move(item)));
  outbox.Send(address_, unacked_.back());
}

bool OutgoingStream::Wait(std::shared_ptr<WaitingPush> push) {
  if (acked_ == last_) return false;
  waiting_.emplace_back(last_, std::move(push));
  return true;
}

bool OutgoingStream::OnRack(const wire::Rack& rack, MonotonicTime now, Outbox& outbox) {
  if (rack.stream() != stream_ || rack.number() > acked_ + unacked_.size() || rack.number() < acked_) return false;
  if (rack.number() > acked_) {
    progress_ = now;
    resent_ = 0;
    resend_at_ = now + kResendFirst;
  }
  for (; acked_ < rack.number(); ++acked_) {
    unacked_bytes_ -= BytesOf(*unacked_.front());
    unacked_.pop_front();
  }
  constexpr MonotonicTime kPatience = std::chrono::milliseconds(5);
  if (rack.gap() && !unacked_.empty() && now + kResendFirst - resend_at_ > kPatience) {
    SendFirst(1, outbox);
    resend_at_ = now + kResendFirst;
  }
  return true;
}

std::vector<std::shared_ptr<WaitingPush>> OutgoingStream::TakeSettled() {
  std::vector<std::shared_ptr<WaitingPush>> settled;
  while (!waiting_.empty() && waiting_.front().first <= acked_) {
    settled.push_back(std::move(waiting_.front().second));
    waiting_.pop_front();
  }
  return settled;
}

std::vector<std::shared_ptr<WaitingPush>> OutgoingStream::TakeAll() {
  std::vector<std::shared_ptr<WaitingPush>> all;
  for (auto& [number, push] : waiting_) all.push_back(std::move(push));
  waiting_.clear();
  return all;
}

void OutgoingStream::SendFirst(std::size_t count, Outbox& outbox) {
  for (std::size_t i = 0; i < std::min(count, unacked_.size()); ++i) {
    outbox.Send(address_, unacked_[i]);
  }
}

void OutgoingStream::Resend(MonotonicTime now, Outbox& outbox) {
  if (unacked_.empty() || now < resend_at_) return;
  SendFirst(kResentAtOnce, outbox);
  resend_at_ = now + std::min(kResendLongest, kResendFirst * (1 << std::min(++resent_, 4)));
}

bool IncomingStream::Take(Message item) {
  const wire::Repl& repl = item.body.repl();
  const bool newer = repl.stream() > stream_;
  if (newer) {
    stream_ = repl.stream();
    taken_ = 0;
    early_.clear();
    refused_.clear();
  }
  if (repl.stream() == stream_ && repl.number() > taken_ &&
      (early_.size() < kMostEarly || repl.number() == taken_ + 1)) {
    early_.try_emplace(repl.number(), std::move(item));
  }
  return newer;
}

const Message* IncomingStream::Next() const {
  const bool ready = !early_.empty() && early_.begin()->first == taken_ + 1;
  return ready ? &early_.begin()->second : nullptr;
}

void IncomingStream::Advance() {
  early_.erase(early_.begin());
  ++taken_;
}

wire::Rack IncomingStream::Acknowledge(NodeId self) const {
  wire::Rack rack;
  rack.set_from(self);
  rack.set_stream(stream_);
  rack.set_number(taken_);
  rack.set_gap(!early_.empty());
  for (const SlotIndex slot : refused_) rack.add_refused(slot);
  return rack;
}

}  // namespace ps
