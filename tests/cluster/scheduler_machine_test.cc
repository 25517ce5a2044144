// The scheduler against single messages, as a faulty node might send them.
#include "scheduler/scheduler_machine.h"

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "ps/server/shard_machine.h"
#include "ps/wire/protocol.h"
#include "scheduler/scheduler_state.pb.h"
#include "tests/cluster/memory_state_store.h"
#include "worker/logistic_model.h"
#include "worker/worker_machine.h"

namespace ps {
namespace {

struct Told : JobEvents {
  std::size_t rows = 0;
  std::size_t passes = 0;
  std::size_t described = 0;
  void OnLearnt(const LearntRows& learnt) override { rows += learnt.labels.size(); }
  bool OnPassEnd(const PassReport&) override {
    ++passes;
    return true;
  }
  std::string Describe(absl::Span<const BadRow>) override {
    ++described;
    return "";
  }
};

// One shard and one worker have come, and the worker has the only chunk.
class SchedulerMachineTest : public ::testing::Test {
 protected:
  SchedulerMachineTest() : scheduler_(MakeOptions(), &told_) {
    Hello("shard", wire::SERVER, 11);
    Hello("worker", wire::WORKER, 12);
    Tick();
    Message request;
    request.body.mutable_lease_request()->set_want(1);
    Send("worker", request);
    EXPECT_EQ(Last().body.lease().chunks_size(), 1);
  }

  static SchedulerMachine::Options MakeOptions() {
    SchedulerMachine::Options options;
    options.plan.set_slot_bits(3);
    options.plan.set_staleness(4);
    options.chunks = {{0, 0, 1}};
    return options;
  }

  void Hello(const Address& from, wire::Role role, std::uint64_t incarnation) {
    Message message;
    message.body.mutable_hello()->set_role(role);
    message.body.mutable_hello()->set_incarnation(incarnation);
    message.body.mutable_hello()->set_endpoint(from);
    message.body.mutable_hello()->set_protocol(ProtocolDigest());
    Send(from, message);
  }
  void Send(const Address& from, const Message& message) {
    scheduler_.OnMessage(from, message, now_, outbox_);
  }
  void Tick() {
    now_ += std::chrono::milliseconds(20);
    scheduler_.OnTick(now_, outbox_);
  }
  const Message& Last() { return outbox_.items().back().message; }

  // Progress of a chunk of two batches.
  static Message Progress(std::uint64_t mask) {
    Message message;
    wire::Progress& progress = *message.body.mutable_progress();
    progress.set_batches(2);
    progress.set_mask(mask);
    progress.set_incarnation(12);
    return message;
  }
  static void AddStats(Message* message, std::uint32_t batch, std::size_t rows) {
    wire::Progress::BatchStats& stats = *message->body.mutable_progress()->add_stats();
    stats.set_batch(batch);
    stats.set_labels(std::string(rows, '\1'));
    stats.set_margins(std::string(rows * 4, '\0'));
  }
  std::uint64_t AckedMask() {
    for (auto at = outbox_.items().rbegin(); at != outbox_.items().rend(); ++at) {
      if (at->message.body.has_progress_ack()) return at->message.body.progress_ack().mask();
    }
    return 0;
  }

  Told told_;
  SchedulerMachine scheduler_;
  Outbox outbox_;
  MonotonicTime now_{0};
};

TEST_F(SchedulerMachineTest, ABatchListedTwiceCountsOnce) {
  Message message = Progress(1);
  AddStats(&message, 0, 5);
  AddStats(&message, 0, 5);
  Send("worker", message);
  EXPECT_EQ(AckedMask(), 1u);
  EXPECT_EQ(told_.rows, 5u);
}

// To describe rows costs reading the files: not once more with each report that comes to a job that has failed.
TEST_F(SchedulerMachineTest, MalformedRowsOfAFailedJobAreDescribedOnce) {
  Told told;
  SchedulerMachine::Options options = MakeOptions();
  options.chunks = {{0, 0, 1}, {0, 1, 2}};
  options.max_bad_rows = 0.1;
  SchedulerMachine scheduler(options, &told);
  const auto send = [&](const Address& from, const Message& message) { scheduler.OnMessage(from, message, now_, outbox_); };
  for (const wire::Role role : {wire::SERVER, wire::WORKER}) {
    Message hello;
    hello.body.mutable_hello()->set_role(role);
    hello.body.mutable_hello()->set_incarnation(role == wire::SERVER ? 11 : 12);
    hello.body.mutable_hello()->set_endpoint(wire::Role_Name(role));
    hello.body.mutable_hello()->set_protocol(ProtocolDigest());
    send(wire::Role_Name(role), hello);
  }
  scheduler.OnTick(now_, outbox_);
  Message request;
  request.body.mutable_lease_request()->set_want(2);
  send(wire::Role_Name(wire::WORKER), request);
  ASSERT_EQ(Last().body.lease().chunks_size(), 2);
  for (const std::uint32_t chunk : {0u, 1u}) {
    Message message = Progress(1);
    AddStats(&message, 0, 5);
    message.body.mutable_progress()->set_chunk(chunk);
    message.body.mutable_progress()->mutable_rows()->set_rows(5);
    message.body.mutable_progress()->mutable_rows()->set_bad(20000);
    send(wire::Role_Name(wire::WORKER), message);
    EXPECT_TRUE(absl::IsDataLoss(scheduler.status())) << scheduler.status();
    EXPECT_EQ(told.rows, 5u * (chunk + 1)) << "its report was taken";
    EXPECT_EQ(told.described, 1u);
  }
}

TEST_F(SchedulerMachineTest, AMalformedBatchIsNotDone) {
  for (int damage = 0; damage < 4; ++damage) {
    Message message = Progress(1);
    AddStats(&message, damage == 3 ? 64 : 0, 5);
    wire::Progress::BatchStats& stats = *message.body.mutable_progress()->mutable_stats(0);
    if (damage == 0) stats.set_margins(std::string(19, '\0'));
    if (damage == 1) stats.set_labels("\1\1\1\1\2");
    if (damage == 2) stats.set_weights("1234");
    Send("worker", message);
    EXPECT_EQ(AckedMask(), 0u) << damage;
    EXPECT_EQ(told_.rows, 0u) << damage;
  }
  Message good = Progress(1);
  AddStats(&good, 0, 5);
  Send("worker", good);
  EXPECT_EQ(AckedMask(), 1u);
}

Message BeatOf(std::uint64_t incarnation, const char* computes_on) {
  Message message;
  message.body.mutable_heartbeat()->set_incarnation(incarnation);
  message.body.mutable_heartbeat()->set_computes_on(computes_on);
  return message;
}

// While its GPU's driver starts it says nothing: it is neither gone, nor does training begin without it.
TEST_F(SchedulerMachineTest, AWorkerHasTimeToGetItsGpu) {
  using std::chrono::seconds;
  for (const bool in_time : {true, false}) {
    SCOPED_TRACE(in_time);
    SchedulerMachine::Options options = MakeOptions();
    options.plan.set_device("cuda");
    options.dead_after = seconds(1);
    options.gather_limit = seconds(90);
    SchedulerMachine scheduler(options, &told_);
    Outbox outbox;
    const auto hello = [&](const Address& from, wire::Role role, std::uint64_t incarnation, MonotonicTime now) {
      Message message;
      message.body.mutable_hello()->set_role(role);
      message.body.mutable_hello()->set_incarnation(incarnation);
      message.body.mutable_hello()->set_protocol(ProtocolDigest());
      scheduler.OnMessage(from, message, now, outbox);
    };
    hello("worker", wire::WORKER, 12, seconds(0));
    for (int quarter = 0; quarter < 4 * 40; ++quarter) {
      const MonotonicTime now = std::chrono::milliseconds(250) * quarter;
      hello("shard", wire::SERVER, 11, now);
      scheduler.OnTick(now, outbox);
      ASSERT_FALSE(scheduler.running()) << "without a word of its GPU";
    }
    const MonotonicTime later = in_time ? seconds(41) : seconds(70);
    hello("shard", wire::SERVER, 11, later);
    scheduler.OnTick(later, outbox);
    EXPECT_EQ(scheduler.Status(later).workers.size(), 1u);
    if (in_time) scheduler.OnMessage("worker", BeatOf(12, "a GPU"), later, outbox);
    scheduler.OnTick(later + seconds(1), outbox);
    EXPECT_EQ(scheduler.running(), in_time);
  }
}

// Others go on: it alone is told to stop, as often as it asks, and what it had is somebody else's.
TEST_F(SchedulerMachineTest, AWorkerWhoseGpuFailsEndsAlone) {
  Hello("other", wire::WORKER, 13);
  Tick();
  Message failure;
  failure.body.mutable_failure()->set_status_code(13);
  failure.body.mutable_failure()->set_message("device: it burns");
  failure.body.mutable_failure()->set_of_device(true);
  Message request;
  request.body.mutable_lease_request()->set_want(1);
  for (int time = 0; time < 3; ++time) {
    Send("worker", failure);
    EXPECT_TRUE(Last().body.has_stop());
    EXPECT_EQ(outbox_.items().back().to, "worker");
    const std::size_t before = outbox_.items().size();
    Send("worker", request);
    EXPECT_EQ(outbox_.items().size(), before) << "it gets work";
  }
  EXPECT_TRUE(scheduler_.running());
  Send("other", request);
  EXPECT_EQ(Last().body.lease().chunks_size(), 1);
  Message stopped;
  stopped.body.mutable_stopped();
  Send("worker", stopped);
  Tick();
  EXPECT_TRUE(scheduler_.running());
  int told = 0;
  for (const auto& event : scheduler_.Status(now_).events) told += event.text.find("device: it burns") != std::string::npos;
  EXPECT_EQ(told, 1);
  failure.body.mutable_failure()->set_of_device(false);
  Send("other", failure);
  EXPECT_EQ(scheduler_.status().code(), absl::StatusCode::kInternal);
}

TEST_F(SchedulerMachineTest, ANodeOfAnotherProtocolIsRefusedAndEnds) {
  Outbox outbox;
  for (const std::uint64_t protocol : {std::uint64_t{0}, ProtocolDigest() + 2}) {
    Told told;
    SchedulerMachine scheduler(MakeOptions(), &told);
    Message hello;
    hello.body.mutable_hello()->set_role(wire::WORKER);
    hello.body.mutable_hello()->set_incarnation(3);
    hello.body.mutable_hello()->set_protocol(protocol);
    outbox.items().clear();
    scheduler.OnMessage("w", hello, now_, outbox);
    ASSERT_EQ(outbox.items().size(), 1u);
    EXPECT_EQ(outbox.items()[0].message.body.error().code(), wire::Error::REFUSED);
    EXPECT_EQ(scheduler.Status(now_).workers.size(), 0u);
  }
  WorkerMachine::Options options;
  options.scheduler = "scheduler";
  WorkerMachine worker(
      options, [](const wire::Plan&) { return absl::InternalError("no plan comes"); }, std::make_unique<LogisticModel>());
  const Message refusal = outbox.items()[0].message;
  outbox.items().clear();
  worker.OnMessage("somebody", refusal, now_, outbox);
  EXPECT_FALSE(worker.finished());
  worker.OnMessage("scheduler", refusal, now_, outbox);
  EXPECT_TRUE(worker.finished());
  EXPECT_TRUE(absl::IsFailedPrecondition(worker.status())) << worker.status();
  ShardMachine shard({.scheduler = "scheduler"});
  shard.OnMessage("scheduler", refusal, now_, outbox);
  EXPECT_TRUE(shard.finished());
  EXPECT_TRUE(absl::IsFailedPrecondition(shard.status())) << shard.status();
}

TEST_F(SchedulerMachineTest, AFailureIsNeverASuccess) {
  for (const std::uint32_t code : {0u, 17u, 0xffffffffu}) {
    Told told;
    SchedulerMachine scheduler(MakeOptions(), &told);
    Outbox outbox;
    Message hello;
    hello.body.mutable_hello()->set_role(wire::WORKER);
    hello.body.mutable_hello()->set_incarnation(3);
    hello.body.mutable_hello()->set_protocol(ProtocolDigest());
    scheduler.OnMessage("w", hello, now_, outbox);
    Message failure;
    failure.body.mutable_failure()->set_status_code(code);
    failure.body.mutable_failure()->set_message("on fire");
    scheduler.OnMessage("w", failure, now_, outbox);
    EXPECT_TRUE(absl::IsInternal(scheduler.status())) << scheduler.status();
    EXPECT_NE(scheduler.status().message().find("on fire"), std::string::npos);
  }
}

TEST_F(SchedulerMachineTest, NodesOfAnotherVersionAreNotTakenBack) {
  const auto store = std::make_shared<MemoryStateStore>();
  SchedulerMachine::Options options = MakeOptions();
  options.store = store;
  Told told;
  {
    SchedulerMachine scheduler(options, &told);
    for (const auto& [from, role] : {std::pair{"shard", wire::SERVER}, std::pair{"worker", wire::WORKER}}) {
      Message hello;
      hello.body.mutable_hello()->set_role(role);
      hello.body.mutable_hello()->set_incarnation(role + 1);
      hello.body.mutable_hello()->set_endpoint(from);
      hello.body.mutable_hello()->set_protocol(ProtocolDigest());
      scheduler.OnMessage(from, hello, now_, outbox_);
    }
    scheduler.OnTick(now_, outbox_);
  }
  options.stored = store->Load().value();
  ASSERT_TRUE(HasStoredNodes(options.stored));
  EXPECT_TRUE(SchedulerMachine(options, &told).status().ok());
  scheduler::Job job;
  ASSERT_TRUE(job.ParseFromString(options.stored["job"]));
  job.set_protocol(job.protocol() + 2);
  options.stored["job"] = job.SerializeAsString();
  SchedulerMachine other(options, &told);
  other.OnTick(now_, outbox_);
  EXPECT_TRUE(absl::IsInvalidArgument(other.status())) << other.status();
}

TEST_F(SchedulerMachineTest, AServerMayFailAtWhatIsNoLongerItsOwn) {
  Message failure;
  failure.body.mutable_failure()->set_status_code(static_cast<std::uint32_t>(absl::StatusCode::kNotFound));
  failure.body.mutable_failure()->set_message("no such checkpoint");
  const std::uint64_t epoch = scheduler_.slots().epoch();
  ASSERT_GT(epoch, 0u);
  failure.body.set_epoch(epoch - 1);
  Send("shard", failure);
  EXPECT_TRUE(scheduler_.status().ok()) << scheduler_.status();
  failure.body.set_epoch(epoch);
  Send("shard", failure);
  EXPECT_TRUE(absl::IsNotFound(scheduler_.status())) << scheduler_.status();
}

TEST_F(SchedulerMachineTest, TheCountOfAForerunnerAtTheSameAddressIsIgnored) {
  Message late = Progress(0);
  late.body.mutable_progress()->set_incarnation(99);
  late.body.mutable_progress()->set_landed(1000);
  Send("worker", late);
  EXPECT_EQ(Last().body.progress_ack().may_start(), 5u);
  Message own = Progress(0);
  own.body.mutable_progress()->set_landed(2);
  Send("worker", own);
  EXPECT_EQ(Last().body.progress_ack().may_start(), 7u);
}

}  // namespace
}  // namespace ps
