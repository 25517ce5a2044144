// The contract of transport.h, on both transports that it has.
#include "ps/wire/transport.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "ps/wire/in_process_transport.h"
#include "ps/wire/zeromq_transport.h"

namespace ps {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

Message Numbered(std::uint64_t number, std::vector<std::string> sections = {}) {
  Message message;
  message.body.set_request(number);
  message.body.mutable_heartbeat()->set_rows(number);
  message.sections = std::move(sections);
  return message;
}

struct Kind {
  const char* name;
  // Opens transports of one network.
  std::function<std::function<std::unique_ptr<Transport>()>()> make_opener;
};

std::function<std::unique_ptr<Transport>()> InProcessOpener() {
  auto hub = std::make_shared<InProcessHub>();
  auto opened = std::make_shared<int>(0);
  return [hub, opened] { return hub->Open("node" + std::to_string(++*opened)).value(); };
}

std::function<std::unique_ptr<Transport>()> ZeroMqOpener() {
  auto context = std::make_shared<ZeroMqContext>();
  return [context] {
    ZeroMqOptions options;
    options.context = context;
    options.heartbeat = seconds(60);  // sanitizers stop threads for many seconds
    return OpenZeroMqTransport(options).value();
  };
}

class TransportTest : public testing::TestWithParam<Kind> {
 protected:
  std::function<std::unique_ptr<Transport>()> open_ = GetParam().make_opener();
};

TEST_P(TransportTest, CarriesRequestsAndReplies) {
  const auto server = open_();
  const auto client = open_();
  const std::vector<std::string> sections = {"keys", std::string(3'000'000, 'v'), ""};
  client->Send(server->endpoint(), Numbered(7, sections));
  auto request = server->Receive(seconds(10));
  ASSERT_TRUE(request.has_value());
  EXPECT_EQ(request->message.body.request(), 7);
  EXPECT_EQ(request->message.body.heartbeat().rows(), 7);
  EXPECT_EQ(request->message.sections, sections);
  server->Send(request->from, Numbered(8, {"reply"}));
  const auto reply = client->Receive(seconds(10));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->from, server->endpoint());
  EXPECT_EQ(reply->message.body.request(), 8);
  EXPECT_EQ(reply->message.sections, std::vector<std::string>{"reply"});
  EXPECT_EQ(client->stats().frames_out, 1);
  EXPECT_EQ(client->stats().frames_in, 1);
  EXPECT_EQ(server->stats().bad_frames + server->stats().dropped, 0);
}

TEST_P(TransportTest, KeepsTheOrderOfOneSender) {
  const auto server = open_();
  const auto client = open_();
  constexpr std::uint64_t kMessages = 200;
  for (std::uint64_t i = 1; i <= kMessages; ++i) {
    client->Send(server->endpoint(), Numbered(i, {std::string(i * 7, 'x')}));
  }
  for (std::uint64_t i = 1; i <= kMessages; ++i) {
    const auto inbound = server->Receive(seconds(10));
    ASSERT_TRUE(inbound.has_value()) << i;
    EXPECT_EQ(inbound->message.body.request(), i);
    EXPECT_EQ(inbound->message.sections.at(0).size(), i * 7);
  }
  EXPECT_FALSE(server->Receive(MonotonicTime::zero()).has_value());
}

TEST_P(TransportTest, ReceiveEndsWithoutAMessage) {
  const auto lonely = open_();
  EXPECT_FALSE(lonely->Receive(MonotonicTime::zero()).has_value());
  const auto begin = std::chrono::steady_clock::now();
  EXPECT_FALSE(lonely->Receive(milliseconds(30)).has_value());
  EXPECT_GE(std::chrono::steady_clock::now() - begin, milliseconds(29));
}

TEST_P(TransportTest, DropsAndCountsWhatNobodyCanGet) {
  const auto client = open_();
  client->Send("", Numbered(1));
  client->Send("id:nobody", Numbered(2));
  client->Send("no endpoint", Numbered(3));
  client->Send("no endpoint", Numbered(4));
  EXPECT_EQ(client->stats().dropped, 4);
  EXPECT_EQ(client->stats().frames_out, 0);
}

TEST_P(TransportTest, ManySendersFromManyThreads) {
  const auto server = open_();
  constexpr int kSenders = 4;
  constexpr std::uint64_t kMessages = 500;
  std::vector<std::unique_ptr<Transport>> clients;
  for (int i = 0; i < kSenders; ++i) clients.push_back(open_());
  std::vector<std::thread> threads;
  std::atomic<std::uint64_t> replies = 0;
  for (auto& client : clients) {
    threads.emplace_back([&client, &server, &replies] {
      for (std::uint64_t i = 1; i <= kMessages; ++i) {  // one at a time: no queue can run over
        client->Send(server->endpoint(), Numbered(i, {std::string(100, 'p')}));
        const auto reply = client->Receive(seconds(30));
        if (reply.has_value() && reply->message.body.request() == i) ++replies;
      }
    });
  }
  for (std::uint64_t i = 0; i < kSenders * kMessages; ++i) {
    auto inbound = server->Receive(seconds(30));
    ASSERT_TRUE(inbound.has_value());
    server->Send(inbound->from, Numbered(inbound->message.body.request()));
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(replies, kSenders * kMessages);
}

// Counts down with a partner; has work to do for every message.
class CountDown : public Machine {
 public:
  CountDown(Address partner, std::uint64_t from) : partner_(std::move(partner)), from_(from) {}
  void OnMessage(const Address& from, Message message, MonotonicTime, Outbox& outbox) override {
    EXPECT_LT(pending_, 20) << "work is put off for ever";
    last = message.body.request();
    ++pending_;
    if (last > 0) outbox.Send(from, Numbered(last - 1));
    if (last <= 1) finished_ = true;
  }
  void OnTick(MonotonicTime now, Outbox& outbox) override {
    EXPECT_GE(now, last_tick_);
    last_tick_ = now;
    work += pending_;
    pending_ = 0;
    if (!begun_ && !partner_.empty()) outbox.Send(partner_, Numbered(from_));
    begun_ = true;
  }
  MonotonicTime tick_interval() const override { return seconds(100); }
  bool work_pending() const override { return pending_ > 0; }
  bool finished() const override { return finished_ && pending_ == 0; }
  std::uint64_t last = 99;
  int work = 0;

 private:
  const Address partner_;
  const std::uint64_t from_;
  bool begun_ = false, finished_ = false;
  int pending_ = 0;  // pieces of work
  MonotonicTime last_tick_{0};
};

TEST_P(TransportTest, RunsMachinesToTheirEnd) {
  const auto one = open_();
  const auto two = open_();
  CountDown answers("", 0), begins(one->endpoint(), 20);
  absl::Status one_status;
  std::thread thread([&] { one_status = RunMachine(answers, *one, seconds(60)); });
  EXPECT_TRUE(RunMachine(begins, *two, seconds(60)).ok());
  thread.join();
  EXPECT_TRUE(one_status.ok()) << one_status;
  EXPECT_EQ(answers.last + begins.last, 1);
  EXPECT_EQ(answers.work + begins.work, 21);
}

TEST_P(TransportTest, EndsARunThatIsIdleTooLong) {
  const auto transport = open_();
  CountDown waits("", 0);
  const absl::Status status = RunMachine(waits, *transport, milliseconds(50));
  EXPECT_EQ(status.code(), absl::StatusCode::kDeadlineExceeded) << status;
}

INSTANTIATE_TEST_SUITE_P(Kinds, TransportTest,
                         testing::Values(Kind{"InProcess", InProcessOpener},
                                         Kind{"ZeroMq", ZeroMqOpener}),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace ps
