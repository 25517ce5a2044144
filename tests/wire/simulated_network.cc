#include "tests/wire/simulated_network.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "glog/logging.h"
#include "ps/base/crc32c.h"
#include "ps/base/key.h"
#include "ps/wire/frame.h"
#include "tests/wire/forged_message.h"

namespace ps {
namespace {

constexpr std::string_view kReplyPrefix = "id:";

bool IsReply(const Address& address) { return address.rfind(kReplyPrefix, 0) == 0; }

enum TraceKind : std::uint64_t { kTraceTick = 1, kTraceDelivery, kTraceLoss, kTraceBadFrame };

}  // namespace

SimulatedNetwork::SimulatedNetwork(std::uint64_t seed, NetworkFaults faults)
    : seed_(seed), faults_(std::move(faults)), random_(Mix64(seed)) {}

void SimulatedNetwork::AddNode(const Address& address, Machine* machine) {
  CHECK(!IsReply(address)) << address;
  const bool added = nodes_.try_emplace(address, Node{machine, ++generations_, 0}).second;
  CHECK(added) << address << " is there already";
  ScheduleTick(address, now_);
}

void SimulatedNetwork::RemoveNode(const Address& address) { nodes_.erase(address); }

void SimulatedNetwork::At(MonotonicTime time, std::function<void()> action) {
  Schedule(time, std::move(action));
}

void SimulatedNetwork::Schedule(MonotonicTime time, std::function<void()> run) {
  queue_.push({std::max(time, now_), ++events_, std::move(run)});
}

bool SimulatedNetwork::Step(MonotonicTime until) {
  if (queue_.empty() || queue_.top().time > until) {
    now_ = std::max(now_, until);
    return false;
  }
  const Event event = queue_.top();
  queue_.pop();
  now_ = event.time;
  event.run();
  return true;
}

absl::Status SimulatedNetwork::Run(MonotonicTime until) {
  while (!nodes_.empty() && Step(until)) {
  }
  if (nodes_.empty()) return absl::OkStatus();
  std::string names;
  for (const auto& [address, node] : nodes_) absl::StrAppend(&names, " ", address);
  return absl::DeadlineExceededError(
      absl::StrCat(Describe(), ": not finished after ", until.count(), " us:", names));
}

bool SimulatedNetwork::RunUntil(const std::function<bool()>& done, MonotonicTime until) {
  while (!done()) {
    if (!Step(until)) return false;
  }
  return true;
}

void SimulatedNetwork::ScheduleTick(const Address& address, MonotonicTime time) {
  Node& node = nodes_.at(address);
  node.tick_number = ++ticks_;
  Schedule(time, [this, address, generation = node.generation, number = node.tick_number] {
    Tick(address, generation, number);
  });
}

void SimulatedNetwork::Tick(const Address& address, std::uint64_t generation,
                            std::uint64_t tick_number) {
  const auto node = nodes_.find(address);
  if (node == nodes_.end() || node->second.generation != generation ||
      node->second.tick_number != tick_number) {
    return;
  }
  Trace(kTraceTick, address);
  Call(address, [this](Machine& machine, Outbox& outbox) { machine.OnTick(now_, outbox); });
  if (nodes_.count(address) == 0) return;
  Machine& machine = *nodes_.at(address).machine;
  if (!machine.work_pending()) ScheduleTick(address, now_ + machine.tick_interval());
}

// Sends what the call left in the outbox, then sees to the node's next tick or its end.
void SimulatedNetwork::Call(const Address& address,
                            const std::function<void(Machine&, Outbox&)>& call) {
  Machine& machine = *nodes_.at(address).machine;
  if (!machine.finished()) {
    Outbox outbox;
    call(machine, outbox);
    for (const Outbox::Item& item : outbox.items()) Send(address, item.to, item.what());
  }
  if (machine.finished()) {
    nodes_.erase(address);
  } else if (machine.work_pending()) {
    const auto slowed = slowed_.find(address);
    const MonotonicTime work = Between(faults_.shortest_work, faults_.longest_work);
    ScheduleTick(address, now_ + (slowed == slowed_.end() ? work : slowed->second * work));
  }
}

void SimulatedNetwork::Send(const Address& from, const Address& to, const Message& message) {
  ++stats_.sent;
  const Address target = IsReply(to) ? to.substr(kReplyPrefix.size()) : to;
  const Address shown = IsReply(to) ? from : absl::StrCat(std::string(kReplyPrefix), from);
  if (Chance(faults_.drop) || Parted(from, target)) {
    ++stats_.dropped;
    Trace(kTraceLoss, target);
    return;
  }
  if (faults_.forge > 0 && Chance(faults_.forge)) SendForged(target, shown, message);
  absl::StatusOr<std::string> frame = EncodeFrame(message);
  CHECK(frame.ok()) << Describe() << ": " << from << " sent a bad message: " << frame.status();
  if (Chance(faults_.corrupt)) {
    ++stats_.corrupted;
    const std::uint64_t bit = random_() % (frame->size() * 8);
    (*frame)[bit / 8] = static_cast<char>((*frame)[bit / 8] ^ (1 << (bit % 8)));
  }
  const bool twice = Chance(faults_.duplicate);
  stats_.duplicated += twice;
  for (int copy = 0; copy < 1 + twice; ++copy) {
    const MonotonicTime longest =
        Chance(faults_.long_delay) ? faults_.longest_delay : faults_.usual_delay;
    Schedule(now_ + Between(faults_.shortest_delay, longest),
             [this, target, shown, frame = *frame] { Deliver(target, shown, frame); });
  }
}

void SimulatedNetwork::SendForged(const Address& target, const Address& shown,
                                  const Message& message) {
  ++stats_.forged;
  Address to = target;
  if (random_() % 4 == 0 && !nodes_.empty()) {
    to = std::next(nodes_.begin(), static_cast<int>(random_() % nodes_.size()))->first;
    if (to == shown || absl::StrCat(std::string(kReplyPrefix), to) == shown) return;  // itself
  }
  const absl::StatusOr<std::string> frame = EncodeFrame(Forge(message, random_));
  if (!frame.ok()) return;
  Schedule(now_ + Between(faults_.shortest_delay, faults_.usual_delay),
           [this, to, shown, frame = *frame] { Deliver(to, shown, frame); });
}

void SimulatedNetwork::Deliver(const Address& to, const Address& from, const std::string& frame) {
  if (nodes_.count(to) == 0) {
    ++stats_.dropped;
    Trace(kTraceLoss, to);
    return;
  }
  absl::StatusOr<Message> message = DecodeFrame(frame);
  if (!message.ok()) {
    ++stats_.bad_frames;
    Trace(kTraceBadFrame, to);
    Send(to, from, MalformedReply(message.status(), 0));
    return;
  }
  ++stats_.delivered;
  Trace(kTraceDelivery, to);
  Trace(Crc32c(frame), from);
  Call(to, [&](Machine& machine, Outbox& outbox) {
    machine.OnMessage(from, *std::move(message), now_, outbox);
  });
}

bool SimulatedNetwork::Parted(const Address& from, const Address& to) const {
  for (const NetworkFaults::Partition& partition : faults_.partitions) {
    const bool now = now_ >= partition.begin && now_ < partition.end;
    if (now && (partition.from.empty() || partition.from == from) &&
        (partition.to.empty() || partition.to == to)) {
      return true;
    }
  }
  return false;
}

bool SimulatedNetwork::Chance(double probability) {
  // 53 random bits: the same on every library, unlike std::bernoulli_distribution.
  return static_cast<double>(random_() >> 11) * 0x1p-53 < probability;
}

MonotonicTime SimulatedNetwork::Between(MonotonicTime low, MonotonicTime high) {
  const auto span = static_cast<std::uint64_t>(std::max<std::int64_t>(0, (high - low).count()));
  return low + MonotonicTime(static_cast<std::int64_t>(random_() % (span + 1)));
}

void SimulatedNetwork::Trace(std::uint64_t what, std::string_view detail) {
  trace_digest_ = Mix64(trace_digest_ ^ Mix64(static_cast<std::uint64_t>(now_.count()) ^
                                              (what << 56) ^ Crc32c(detail)));
}

std::string SimulatedNetwork::Describe() const {
  return absl::StrCat("seed ", seed_, " (drop ", faults_.drop, ", duplicate ", faults_.duplicate,
                      ", corrupt ", faults_.corrupt, ", long delay ", faults_.long_delay,
                      ", partitions ", faults_.partitions.size(), ")");
}

}  // namespace ps
