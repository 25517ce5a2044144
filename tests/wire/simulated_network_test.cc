#include "tests/wire/simulated_network.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <set>
#include <utility>
#include <vector>

namespace ps {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Asks for `total` numbers one after the other, repeating each until it is acknowledged.
class Asker : public Machine {
 public:
  Asker(Address server, std::uint64_t total) : server_(std::move(server)), total_(total) {}
  void OnMessage(const Address& from, Message message, MonotonicTime, Outbox& outbox) override {
    if (message.body.has_error()) {
      ++errors;
      return;
    }
    EXPECT_EQ(from, server_);  // the endpoint that was sent to, not a reply address
    if (message.body.request() == next_) {
      ++next_;
      Ask(outbox);
    }
  }
  void OnTick(MonotonicTime, Outbox& outbox) override { Ask(outbox); }
  bool finished() const override { return next_ > total_; }
  int errors = 0;

 private:
  void Ask(Outbox& outbox) {
    if (finished()) return;
    Message message;
    message.body.set_request(next_);
    message.body.mutable_pull();
    message.sections = {std::string(next_ % 50, 'k')};
    outbox.Send(server_, std::move(message));
  }
  const Address server_;
  const std::uint64_t total_;
  std::uint64_t next_ = 1;
};

// Answers; counts what it has not seen; has a piece of work for each new number.
class Answerer : public Machine {
 public:
  void OnMessage(const Address& from, Message message, MonotonicTime, Outbox& outbox) override {
    if (message.body.has_error()) return;
    EXPECT_NE(from.find("id:"), std::string::npos);
    const std::uint64_t number = message.body.request();
    EXPECT_EQ(message.sections.at(0).size(), number % 50);
    if (seen.emplace(from, number).second) ++work_;
    Message reply;
    reply.body.set_request(number);
    reply.body.mutable_pull_reply();
    outbox.Send(from, std::move(reply));
  }
  void OnTick(MonotonicTime, Outbox&) override {
    if (work_ > 0) {
      --work_;
      ++worked;
    }
  }
  bool work_pending() const override { return work_ > 0; }
  bool finished() const override { return false; }
  std::set<std::pair<Address, std::uint64_t>> seen;
  std::uint64_t worked = 0;

 private:
  std::uint64_t work_ = 0;
};

NetworkFaults Harsh() {
  NetworkFaults faults;
  faults.drop = 0.2;
  faults.duplicate = 0.2;
  faults.corrupt = 0.05;
  faults.long_delay = 0.1;
  return faults;
}

struct Outcome {
  std::uint64_t digest;
  NetworkStats stats;
};

Outcome RunOnce(std::uint64_t seed, const NetworkFaults& faults) {
  SimulatedNetwork network(seed, faults);
  SCOPED_TRACE(network.Describe());
  Answerer server;
  Asker one("server", 30), two("server", 30);
  network.AddNode("server", &server);
  network.AddNode("one", &one);
  network.AddNode("two", &two);
  EXPECT_TRUE(network.RunUntil([&] { return one.finished() && two.finished(); }, seconds(600)));
  EXPECT_TRUE(network.RunUntil([&] { return !server.work_pending(); }, seconds(601)));
  EXPECT_EQ(server.seen.size(), 60);
  EXPECT_EQ(server.worked, 60);
  return {network.trace_digest(), network.stats()};
}

TEST(SimulatedNetwork, CountsStayExactUnderFaults) {
  for (std::uint64_t seed = 0; seed < 100; ++seed) {
    const Outcome outcome = RunOnce(seed, Harsh());
    EXPECT_GT(outcome.stats.dropped, 0) << seed;
    EXPECT_GT(outcome.stats.duplicated, 0) << seed;
    // A frame that was changed is refused, each copy of it that arrives.
    EXPECT_EQ(outcome.stats.corrupted == 0, outcome.stats.bad_frames == 0) << seed;
  }
}

TEST(SimulatedNetwork, OneSeedIsOneRun) {
  EXPECT_EQ(RunOnce(7, Harsh()).digest, RunOnce(7, Harsh()).digest);
  EXPECT_NE(RunOnce(7, Harsh()).digest, RunOnce(8, Harsh()).digest);
}

TEST(SimulatedNetwork, WithoutFaultsEveryMessageArrivesOnce) {
  const Outcome outcome = RunOnce(1, {});
  EXPECT_EQ(outcome.stats.dropped + outcome.stats.duplicated + outcome.stats.bad_frames, 0);
}

TEST(SimulatedNetwork, PartitionsCrashesAndTheirEnd) {
  NetworkFaults faults;
  faults.partitions.push_back({"one", "server", seconds(0), seconds(5)});
  SimulatedNetwork network(3, faults);
  Answerer server;
  Asker one("server", 5);
  network.AddNode("one", &one);
  network.AddNode("server", &server);
  EXPECT_FALSE(network.RunUntil([&] { return !server.seen.empty(); }, milliseconds(4999)));
  EXPECT_EQ(network.now(), milliseconds(4999));
  network.At(seconds(5), [&] { network.RemoveNode("server"); });
  EXPECT_FALSE(network.RunUntil([&] { return one.finished(); }, seconds(8)));
  EXPECT_TRUE(server.seen.empty());
  Answerer restarted;
  network.AddNode("server", &restarted);
  EXPECT_TRUE(network.RunUntil([&] { return one.finished(); }, seconds(9)));
  EXPECT_EQ(restarted.seen.size(), 5);
}

TEST(SimulatedNetwork, NamesTheSeedAndWhoIsNotFinished) {
  SimulatedNetwork network(4711);
  Asker lonely("nobody", 1);
  network.AddNode("lonely", &lonely);
  const absl::Status status = network.Run(seconds(1));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_NE(std::string(status.message()).find("seed 4711"), std::string::npos) << status;
  EXPECT_NE(std::string(status.message()).find("lonely"), std::string::npos) << status;
}

}  // namespace
}  // namespace ps
