// The driver that gives a machine its clock, its ticks and its messages.
#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "ps/wire/transport.h"

namespace ps {
namespace {

constexpr int kMostAtOnce = 16;  // messages between two ticks

MonotonicTime Now() {
  return std::chrono::duration_cast<MonotonicTime>(
      std::chrono::steady_clock::now().time_since_epoch());
}

void Flush(Outbox& outbox, Transport& transport) {
  for (Outbox::Item& item : outbox.items()) {
    if (item.shared == nullptr) {
      transport.Send(item.to, std::move(item.message));
    } else {
      transport.SendShared(item.to, std::move(item.shared));
    }
  }
  outbox.items().clear();
}

}  // namespace

absl::Status RunMachine(Machine& machine, Transport& transport, MonotonicTime deadline_idle) {
  Outbox outbox;
  MonotonicTime now = Now();
  MonotonicTime next_tick = now;
  MonotonicTime last_active = now;
  while (!machine.finished()) {
    bool work_pending = machine.work_pending();
    if (work_pending || now >= next_tick) {
      machine.OnTick(now, outbox);
      Flush(outbox, transport);
      if (machine.finished()) break;
      if (work_pending) last_active = Now();  // computing is no idleness, however long it takes
      next_tick = now + machine.tick_interval();
      work_pending = machine.work_pending();
    }
    now = Now();
    MonotonicTime wake = next_tick;
    if (deadline_idle > MonotonicTime::zero()) wake = std::min(wake, last_active + deadline_idle);
    const MonotonicTime wait =
        work_pending ? MonotonicTime::zero() : std::max(MonotonicTime::zero(), wake - now);
    std::optional<Transport::Inbound> inbound = transport.Receive(wait);
    now = Now();
    if (inbound.has_value()) {
      last_active = now;
      // What has come already is taken before work that it may add to or change.
      for (int taken = 1; inbound.has_value() && !machine.finished(); ++taken) {
        machine.OnMessage(inbound->from, std::move(inbound->message), now, outbox);
        Flush(outbox, transport);
        if (taken == kMostAtOnce) break;
        inbound = transport.Receive(MonotonicTime::zero());
        if (inbound.has_value()) now = Now();
      }
    } else if (deadline_idle > MonotonicTime::zero() && now - last_active >= deadline_idle &&
               !machine.work_pending()) {
      return absl::DeadlineExceededError(absl::StrCat(
          transport.endpoint(), ": no message for ",
          std::chrono::duration_cast<std::chrono::milliseconds>(deadline_idle).count(), " ms"));
    }
  }
  return absl::OkStatus();
}

}  // namespace ps
