// What only the ZeroMQ transport has to stand: bad bytes, peers that restart, queues that run full.
#include "ps/wire/zeromq_transport.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <chrono>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "ps/wire/frame.h"
#include "tests/wire/raw_zmtp_peer.h"

namespace ps {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

std::unique_ptr<Transport> Open(const std::string& bind = "tcp://127.0.0.1:0") {
  ZeroMqOptions options;
  options.bind = bind;
  // Sanitizers and busy machines stop threads for many seconds; no connection may end by that here.
  options.heartbeat = seconds(60);
  options.linger = seconds(60);
  return OpenZeroMqTransport(options).value();
}

Message Numbered(std::uint64_t number, std::vector<std::string> sections = {}) {
  Message message;
  message.body.set_request(number);
  message.body.mutable_heartbeat()->set_rows(number);
  message.sections = std::move(sections);
  return message;
}

std::string Head(const Message& message) { return EncodeFrameHead(message).value(); }

// Frames that arrive while `transport` is asked for a message that must not come.
struct Answer {
  std::uint64_t request;
  std::string why;
};
Answer RefusalOf(Transport& transport, RawZmtpPeer& peer, const std::vector<std::string>& parts) {
  const std::uint64_t refused = transport.stats().bad_frames;
  peer.Send(parts);
  for (int i = 0; i < 400 && transport.stats().bad_frames == refused; ++i) {
    EXPECT_FALSE(transport.Receive(milliseconds(50)).has_value());
  }
  EXPECT_EQ(transport.stats().bad_frames, refused + 1);
  const auto reply = peer.Receive();
  if (!reply.has_value() || reply->size() != 1) {
    ADD_FAILURE() << "no reply of one part";
    return {};
  }
  const Message message = DecodeFrame(reply->front()).value();
  EXPECT_EQ(message.body.error().code(), wire::Error::MALFORMED);
  return {message.body.request(), message.body.error().message()};
}

TEST(ZeroMqTransport, AnswersMalformedFrames) {
  const auto server = Open();
  RawZmtpPeer peer(server->endpoint());
  const auto expect = [&](const std::vector<std::string>& parts, std::uint64_t request,
                          const std::string& why) {
    const Answer answer = RefusalOf(*server, peer, parts);
    EXPECT_EQ(answer.request, request);
    EXPECT_NE(answer.why.find(why), std::string::npos) << answer.why;
  };
  expect({"hello"}, 0, "5 bytes, a header has 64");
  expect({""}, 0, "0 bytes");
  expect({std::string(64, 'x')}, 0, "magic");
  const Message good = Numbered(41, {"abc", "defg"});
  const std::string head = Head(good);
  expect({head + "z", "abc", "defg"}, 0, "more bytes in the part");
  expect({head}, 41, "2 sections, 0 came");
  expect({head, "abc"}, 41, "2 sections, 1 came");
  expect({head, "abc", "defg", "h"}, 41, "2 sections, 3 came");
  expect({head, "abc", "def"}, 41, "section 1 of 4 bytes, 3 came");
  expect({head, "abd", "defg"}, 41, "CRC32C of the sections");
  std::vector<std::string> many(20, "s");
  many[0] = head;
  expect(many, 41, "19 sections came");
  std::string flipped = head;
  flipped[kFrameHeaderBytes + 1] ^= 1;
  expect({flipped, "abc", "defg"}, 0, "CRC32C of header and body");
  // An error that is itself malformed is counted, but not answered: the next reply is another
  // one's.
  const std::uint64_t refused = server->stats().bad_frames;
  peer.Send({Head(MalformedReply(absl::InternalError("why"), 43)), "a section"});
  for (int i = 0; i < 400 && server->stats().bad_frames == refused; ++i) {
    server->Receive(milliseconds(50));
  }
  EXPECT_EQ(server->stats().bad_frames, refused + 1);
  // The connection has suffered nothing.
  peer.Send({head, "abc", "defg"});
  const auto inbound = server->Receive(seconds(20));
  ASSERT_TRUE(inbound.has_value());
  EXPECT_EQ(inbound->message.sections, good.sections);
  server->Send(inbound->from, Numbered(42));
  EXPECT_EQ(DecodeFrame(peer.Receive().value().at(0)).value().body.request(), 42);
}

TEST(ZeroMqTransport, AnswersEveryMutatedFrameOnce) {
  const auto server = Open();
  RawZmtpPeer peer(server->endpoint());
  const std::vector<std::string> good = {Head(Numbered(5, {"keys", "values"})), "keys", "values"};
  std::mt19937_64 random(11);
  for (int round = 0; round < 500; ++round) {
    std::vector<std::string> parts = good;
    std::string& part = parts[random() % parts.size()];
    part[random() % part.size()] ^= static_cast<char>(1 + random() % 255);
    RefusalOf(*server, peer, parts);
  }
  EXPECT_EQ(server->stats().bad_frames, 500);
}

TEST(ZeroMqTransport, StandsBytesThatAreNoHandshake) {
  const auto server = Open();
  std::mt19937_64 random(12);
  for (int round = 0; round < 50; ++round) {
    std::string bytes(1 + random() % 2000, '\xff');
    if (round % 3 == 0) bytes = "GET / HTTP/1.1\r\nHost: somewhere\r\n\r\n" + bytes;
    if (round % 3 == 1) {
      for (char& byte : bytes) byte = static_cast<char>(random());
    }
    SendBytesAndHangUp(server->endpoint(), bytes);
  }
  RawZmtpPeer peer(server->endpoint());
  peer.Send({Head(Numbered(6))});
  std::optional<Transport::Inbound> inbound;
  for (int i = 0; i < 400 && !inbound.has_value(); ++i) inbound = server->Receive(milliseconds(50));
  ASSERT_TRUE(inbound.has_value());
  EXPECT_EQ(inbound->message.body.request(), 6);
}

TEST(ZeroMqTransport, PeersThatRestartAreFoundAgain) {
  auto server = Open();
  const std::string endpoint = server->endpoint();
  const auto client = Open();
  client->Send(endpoint, Numbered(1));
  const auto first = server->Receive(seconds(20));
  ASSERT_TRUE(first.has_value());
  server = nullptr;
  server = Open(endpoint);
  // At most once: what is sent while nobody is there may be lost, so it is sent again.
  std::optional<Transport::Inbound> second;
  for (std::uint64_t i = 2; i < 200 && !second.has_value(); ++i) {
    client->Send(endpoint, Numbered(i));
    second = server->Receive(milliseconds(100));
  }
  ASSERT_TRUE(second.has_value());
  EXPECT_EQ(second->from, first->from);  // one client, one reply address
  server->Send(second->from, Numbered(1000));
  const auto reply = client->Receive(seconds(20));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->message.body.request(), 1000);
}

TEST(ZeroMqTransport, FullQueuesDropAndCount) {
  ZeroMqOptions options;
  options.queue_messages = 10;
  options.linger = milliseconds(0);
  const auto client = OpenZeroMqTransport(options).value();
  // Nobody listens there, so nothing leaves.
  for (std::uint64_t i = 0; i < 50; ++i) client->Send("tcp://127.0.0.1:1", Numbered(i));
  EXPECT_EQ(client->stats().frames_out, 10);
  EXPECT_EQ(client->stats().dropped, 40);
}

TEST(ZeroMqTransport, LastMessagesLeaveBeforeTheEnd) {
  const auto server = Open();
  {
    const auto client = Open();
    for (std::uint64_t i = 0; i < 20; ++i) {
      client->Send(server->endpoint(), Numbered(i, {std::string(1 << 20, 'x')}));
    }
  }
  for (std::uint64_t i = 0; i < 20; ++i) {
    const auto inbound = server->Receive(seconds(20));
    ASSERT_TRUE(inbound.has_value()) << i;
    EXPECT_EQ(inbound->message.body.request(), i);
  }
}

TEST(ZeroMqTransport, RefusesToSendWhatIsTooLarge) {
  const auto server = Open();
  const auto client = Open();
  client->Send(server->endpoint(), Numbered(1, std::vector<std::string>(kMaxSections + 1)));
  EXPECT_EQ(client->stats().dropped, 1);
  client->Send(server->endpoint(), Numbered(2, std::vector<std::string>(kMaxSections)));
  const auto inbound = server->Receive(seconds(20));
  ASSERT_TRUE(inbound.has_value());
  EXPECT_EQ(inbound->message.sections.size(), kMaxSections);
}

TEST(ZeroMqTransport, BindsWhereItIsTold) {
  EXPECT_EQ(Open()->endpoint().rfind("tcp://127.0.0.1:", 0), 0);
  ZeroMqOptions options;
  options.bind = "tcp://0.0.0.0:0";
  options.advertised_host = "node7.example";
  EXPECT_EQ(OpenZeroMqTransport(options).value()->endpoint().rfind("tcp://node7.example:", 0), 0);
  const auto taken = Open();
  options.bind = taken->endpoint();
  EXPECT_EQ(OpenZeroMqTransport(options).status().code(), absl::StatusCode::kUnavailable);
  options.bind = "somewhere";
  EXPECT_EQ(OpenZeroMqTransport(options).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(ZeroMqTransport, CarriesMessagesOverIpc) {
  const std::string path = testing::TempDir() + "/ps_wire_" + std::to_string(getpid());
  const auto server = Open("ipc://" + path);
  const auto client = Open();
  client->Send(server->endpoint(), Numbered(3, {"section"}));
  const auto inbound = server->Receive(seconds(20));
  ASSERT_TRUE(inbound.has_value());
  EXPECT_EQ(inbound->message.sections.at(0), "section");
}

}  // namespace
}  // namespace ps
