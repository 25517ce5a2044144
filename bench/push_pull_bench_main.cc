// push_pull_bench: pushes of FTRL gradients and pulls of weights against one shard on its own core,
// over ZeroMQ tcp on loopback. The client, on another thread, builds and encodes every message and
// decodes every reply, as a worker does. The shard is the real machine; the client also plays its
// scheduler.
#include <gflags/gflags.h>
#include <pthread.h>
#include <time.h>

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "bench/table_load.h"
#include "glog/logging.h"
#include "ps/base/program_flags.h"
#include "ps/base/status_macros.h"
#include "ps/server/shard_machine.h"
#include "ps/wire/key_codec.h"
#include "ps/wire/slot_config.h"
#include "ps/wire/value_codec.h"
#include "ps/wire/zeromq_transport.h"

DEFINE_uint64(keys, 20'000'000, "Keys in the table");
DEFINE_uint64(message_keys, 100'000, "Keys a message");
DEFINE_uint64(messages, 400, "Messages timed, of each kind");
DEFINE_int32(in_flight, 4, "Messages on their way at a time");
DEFINE_string(values, "f32", "f32, bf16 or int8");

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::uint64_t kIncarnation = 1;
constexpr NodeId kShardNode = 1;
constexpr std::uint64_t kEpoch = 1;
constexpr std::size_t kLists = 64;  // different key lists of the timed messages

MonotonicTime Wait(int seconds) { return std::chrono::seconds(seconds); }

// The shard on a thread of its own.
class ShardThread {
 public:
  absl::Status Start(const Address& scheduler) {
    PS_ASSIGN_OR_RETURN(transport_, OpenZeroMqTransport({.queue_messages = 1024}));
    machine_ = std::make_unique<ShardMachine>(
        ShardMachine::Options{.scheduler = scheduler,
                              .endpoint = transport_->endpoint(),
                              .host = "localhost",
                              .incarnation = kIncarnation,
                              .scheduler_timeout = std::chrono::hours(1)});
    thread_ =
        std::thread([this] { ran_ = RunMachine(*machine_, *transport_, MonotonicTime::zero()); });
    return absl::OkStatus();
  }
  absl::Status Join() {
    thread_.join();
    PS_RETURN_IF_ERROR(ran_);
    return machine_->status();
  }
  const Address endpoint() const { return transport_->endpoint(); }
  // Processor time of the thread so far.
  double Seconds() {
    clockid_t clock;
    timespec time = {};
    if (pthread_getcpuclockid(thread_.native_handle(), &clock) == 0) clock_gettime(clock, &time);
    return time.tv_sec + 1e-9 * time.tv_nsec;
  }

 private:
  std::unique_ptr<Transport> transport_;
  std::unique_ptr<ShardMachine> machine_;
  std::thread thread_;
  absl::Status ran_;
};

struct Kind {
  const char* name;
  bool push;
  bool keys_sent;  // else the shard has the list cached
};

struct Rate {
  double seconds = 0;
  double shard_seconds = 0;
  std::uint64_t keys = 0;
};

class Client {
 public:
  Client(std::unique_ptr<Transport> transport, wire::ValueFormat format)
      : transport_(std::move(transport)), format_(format) {}

  // Answers the shard's Hello with its plan and a routing table in which it owns every slot.
  absl::Status WelcomeShard(const Address& shard) {
    shard_ = shard;
    std::optional<Transport::Inbound> inbound = transport_->Receive(Wait(10));
    if (!inbound || !inbound->message.body.has_hello()) return absl::UnavailableError("no Hello");
    Message welcome;
    wire::Welcome& body = *welcome.body.mutable_welcome();
    body.set_node(kShardNode);
    body.set_incarnation(kIncarnation);
    body.set_heartbeat_ms(1000);
    wire::Plan& plan = *body.mutable_plan();
    plan.set_slot_bits(kDefaultSlotBits);
    plan.set_optimizer(static_cast<std::uint32_t>(Optimizer::kFtrl));
    plan.set_alpha(0.1f);
    plan.set_beta(1.0f);
    plan.set_min_count(1);
    plan.set_staleness(-1);
    transport_->Send(shard_, std::move(welcome));
    transport_->Send(shard_, MakeSoleConfig(kEpoch, kShardNode, 1u << kDefaultSlotBits));
    return absl::OkStatus();
  }

  // Sends `messages` requests over the lists in turn, several at a time, and waits for every
  // answer.
  absl::StatusOr<Rate> Run(const Kind& kind, const std::vector<std::vector<Key>>& lists,
                           std::uint64_t messages, ShardThread& shard) {
    Rate rate;
    const double shard_before = shard.Seconds();
    const auto start = Clock::now();
    std::uint64_t sent = 0, answered = 0;
    while (answered < messages) {
      if (sent < messages && sent - answered < static_cast<std::uint64_t>(FLAGS_in_flight)) {
        const std::vector<Key>& keys = lists[sent % lists.size()];
        transport_->Send(shard_, Request(kind, keys));
        rate.keys += keys.size();
        ++sent;
        continue;
      }
      std::optional<Transport::Inbound> inbound = transport_->Receive(Wait(30));
      if (!inbound) return absl::DeadlineExceededError("the shard does not answer");
      if (inbound->message.body.has_heartbeat()) continue;
      PS_RETURN_IF_ERROR(Check(kind, inbound->message));
      ++answered;
    }
    rate.seconds = std::chrono::duration<double>(Clock::now() - start).count();
    rate.shard_seconds = shard.Seconds() - shard_before;
    return rate;
  }

  void Stop() {
    Message message;
    message.body.mutable_stop();
    transport_->Send(shard_, std::move(message));
    while (std::optional<Transport::Inbound> inbound = transport_->Receive(Wait(5))) {
      if (inbound->message.body.has_stopped()) return;
    }
  }

 private:
  Message Request(const Kind& kind, const std::vector<Key>& keys) {
    Message message;
    message.body.set_request(++requests_);
    message.body.set_epoch(kEpoch);
    wire::Name name;
    name.set_chunk(static_cast<std::uint32_t>(requests_ / 64));
    name.set_batch(static_cast<std::uint32_t>(requests_ % 64));
    wire::KeyList list = DescribeKeys(keys);
    list.set_cached(!kind.keys_sent);
    if (kind.keys_sent) message.sections.push_back(EncodeKeys(keys));
    if (!kind.push) {
      wire::Pull& pull = *message.body.mutable_pull();
      *pull.mutable_keys() = std::move(list);
      *pull.mutable_name() = name;
      pull.set_format(format_);
      return message;
    }
    wire::Push& push = *message.body.mutable_push();
    *push.mutable_keys() = std::move(list);
    *push.mutable_name() = name;
    push.set_format(format_);
    values_.resize(keys.size());
    for (std::size_t i = 0; i < keys.size(); ++i) {
      values_[i] = static_cast<float>((i * 37 + requests_) % 1024) * (1.0f / 1024) - 0.45f;
    }
    message.sections.push_back(EncodeValues(format_, values_));
    return message;
  }

  absl::Status Check(const Kind& kind, const Message& reply) {
    if (reply.body.has_error()) {
      return absl::InternalError(absl::StrCat("the shard refuses: ", reply.body.error().message()));
    }
    if (kind.push != reply.body.has_push_ack())
      return absl::InternalError("an answer of another kind");
    if (kind.push) return absl::OkStatus();
    if (!reply.body.has_pull_reply() || reply.sections.size() != 1) {
      return absl::InternalError("a pull's answer without weights");
    }
    values_.resize(reply.body.pull_reply().count());
    return DecodeValues(reply.body.pull_reply().format(), reply.sections[0],
                        absl::MakeSpan(values_));
  }

  std::unique_ptr<Transport> transport_;
  const wire::ValueFormat format_;
  Address shard_;
  std::uint64_t requests_ = 0;
  std::vector<float> values_;
};

// All keys once, in messages of the declared size, each sorted.
std::vector<std::vector<Key>> FillLists() {
  std::vector<std::vector<Key>> lists;
  for (std::uint64_t begin = 0; begin < FLAGS_keys; begin += FLAGS_message_keys) {
    std::vector<Key>& list = lists.emplace_back();
    for (std::uint64_t i = begin; i < std::min(begin + FLAGS_message_keys, FLAGS_keys); ++i) {
      list.push_back(NthKey(i));
    }
    std::sort(list.begin(), list.end());
  }
  return lists;
}

std::vector<std::vector<Key>> RandomLists() {
  KeySampler sampler(FLAGS_keys, 0, FLAGS_message_keys);
  std::vector<std::vector<Key>> lists(kLists);
  for (std::vector<Key>& list : lists) {
    sampler.Draw(FLAGS_message_keys, &list);
    std::sort(list.begin(), list.end());
  }
  return lists;
}

void Print(const char* name, const Rate& rate) {
  std::printf("| %s | %.1f | %.1f | %.0f %% |\n", name, rate.keys / rate.seconds * 1e-6,
              rate.keys / rate.shard_seconds * 1e-6, 100 * rate.shard_seconds / rate.seconds);
  std::fflush(stdout);
}

absl::Status Run(wire::ValueFormat format) {
  PS_ASSIGN_OR_RETURN(std::unique_ptr<Transport> transport,
                      OpenZeroMqTransport({.queue_messages = 1024}));
  const Address scheduler = transport->endpoint();
  Client client(std::move(transport), format);
  ShardThread shard;
  PS_RETURN_IF_ERROR(shard.Start(scheduler));
  const auto work = [&]() -> absl::Status {
    PS_RETURN_IF_ERROR(client.WelcomeShard(shard.endpoint()));
    std::printf("One shard, %.0fM keys, %" PRIu64
                " keys a message, values as %s; million keys\n\n"
                "| requests | a second | a second of the shard's thread | shard busy "
                "|\n|---|---|---|---|\n",
                FLAGS_keys * 1e-6, FLAGS_message_keys, FLAGS_values.c_str());
    {
      const std::vector<std::vector<Key>> all = FillLists();
      PS_ASSIGN_OR_RETURN(const Rate rate, client.Run({"", true, true}, all, all.size(), shard));
      Print("push of new keys", rate);
    }
    const std::vector<std::vector<Key>> lists = RandomLists();
    constexpr Kind kKinds[] = {{"push, keys sent", true, true},
                               {"push, keys cached", true, false},
                               {"pull, keys sent", false, true},
                               {"pull, keys cached", false, false}};
    for (const Kind& kind : kKinds) {
      PS_ASSIGN_OR_RETURN(const Rate rate, client.Run(kind, lists, FLAGS_messages, shard));
      Print(kind.name, rate);
    }
    return absl::OkStatus();
  };
  const absl::Status worked = work();
  client.Stop();
  const absl::Status joined = shard.Join();
  return worked.ok() ? joined : worked;
}

}  // namespace
}  // namespace ps

int main(int argc, char** argv) {
  google::InitGoogleLogging(argv[0]);
  FLAGS_logtostderr = true;
  ps::ParseProgramFlags("push_pull_bench", "measures pushes and pulls of one shard over loopback", __FILE__, &argc, &argv);
  ps::wire::ValueFormat format = ps::wire::F32;
  if (FLAGS_values == "bf16") {
    format = ps::wire::BF16;
  } else if (FLAGS_values == "int8") {
    format = ps::wire::INT8;
  } else if (FLAGS_values != "f32") {
    std::fprintf(stderr, "push_pull_bench: --values must be f32, bf16 or int8\n");
    return 2;
  }
  if (FLAGS_message_keys == 0 || FLAGS_message_keys > FLAGS_keys || FLAGS_in_flight < 1) {
    std::fprintf(stderr,
                 "push_pull_bench: --message_keys must be 1 to --keys, --in_flight above 0\n");
    return 2;
  }
  const absl::Status status = ps::Run(format);
  if (!status.ok()) {
    std::fprintf(stderr, "push_pull_bench: %s\n", status.ToString().c_str());
    return 1;
  }
  return 0;
}
