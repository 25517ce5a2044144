// Who gets in with CURVE on: those with the job's key pair, and nobody else.
#include "ps/wire/curve.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <zmq.h>

#include <memory>
#include <optional>
#include <string>

#include "ps/wire/zeromq_transport.h"
#include "tests/bundle/scratch_directory.h"

namespace ps {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;
using testing::Not;

std::unique_ptr<Transport> Open(const CurveKeys& keys) {
  ZeroMqOptions options;
  options.context = std::make_shared<ZeroMqContext>(keys);
  options.linger = milliseconds(0);
  options.heartbeat = std::chrono::seconds(60);
  return OpenZeroMqTransport(options).value();
}

Message Numbered(std::uint64_t number) {
  Message message;
  message.body.set_request(number);
  message.body.mutable_heartbeat();
  return message;
}

class CurveTest : public ::testing::Test {
 protected:
  // Whether a message of `from` comes to `to`; it is sent until it does, for at most `limit`.
  static bool Reaches(Transport& from, Transport& to, milliseconds limit) {
    for (milliseconds waited(0); waited < limit; waited += milliseconds(50)) {
      from.Send(to.endpoint(), Numbered(7));
      if (to.Receive(milliseconds(50)).has_value()) return true;
    }
    return false;
  }

  const CurveKeys keys_ = NewCurveKeys().value();
};

TEST_F(CurveTest, NodesWithTheKeysTalkBothWays) {
  const auto server = Open(keys_), client = Open(keys_);
  client->Send(server->endpoint(), Numbered(1));
  const std::optional<Transport::Inbound> request = server->Receive(std::chrono::seconds(20));
  ASSERT_TRUE(request.has_value());
  server->Send(request->from, Numbered(2));
  const std::optional<Transport::Inbound> reply = client->Receive(std::chrono::seconds(20));
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->message.body.request(), 2u);
}

TEST_F(CurveTest, WithoutTheKeysNothingComesIn) {
  const auto server = Open(keys_), node = Open(keys_);
  const auto plain = Open({}), stranger = Open(NewCurveKeys().value());
  EXPECT_FALSE(Reaches(*plain, *server, milliseconds(1000)));
  EXPECT_FALSE(Reaches(*stranger, *server, milliseconds(1000)));
  EXPECT_TRUE(Reaches(*node, *server, milliseconds(20000))) << "and others are not disturbed";
  EXPECT_EQ(server->stats().bad_frames, 0u);
}

TEST_F(CurveTest, NodesDoNotTalkToAServerWithoutTheKeys) {
  const auto plain = Open({}), stranger = Open(NewCurveKeys().value()), node = Open(keys_);
  EXPECT_FALSE(Reaches(*node, *plain, milliseconds(500)));
  EXPECT_FALSE(Reaches(*node, *stranger, milliseconds(500)));
}

// The public half is enough for an encrypted connection, so it is not what is asked for.
TEST_F(CurveTest, ThePublicHalfIsNotEnough) {
  const auto server = Open(keys_);
  const CurveKeys own = NewCurveKeys().value();
  const ZeroMqContext context;
  void* const socket = zmq_socket(context.handle(), ZMQ_DEALER);
  zmq_setsockopt(socket, ZMQ_CURVE_SERVERKEY, keys_.public_key.c_str(), 41);
  zmq_setsockopt(socket, ZMQ_CURVE_PUBLICKEY, own.public_key.c_str(), 41);
  zmq_setsockopt(socket, ZMQ_CURVE_SECRETKEY, own.secret_key.c_str(), 41);
  const int linger = 0;
  zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
  ASSERT_EQ(zmq_connect(socket, server->endpoint().c_str()), 0);
  zmq_send(socket, "hello", 5, ZMQ_DONTWAIT);
  EXPECT_FALSE(server->Receive(milliseconds(1000)).has_value());
  EXPECT_EQ(server->stats().frames_in, 0u);
  EXPECT_EQ(server->stats().bad_frames, 0u);
  zmq_close(socket);
}

TEST_F(CurveTest, AFileKeepsThePairAndIsItsOwnersAlone) {
  const ScratchDirectory scratch;
  const std::string path = scratch / "curve.key";
  ASSERT_TRUE(WriteCurveKeys(path, keys_).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(WriteCurveKeys(path, keys_)));
  struct stat file;
  ASSERT_EQ(::stat(path.c_str(), &file), 0);
  EXPECT_EQ(file.st_mode & 0777, 0600u);
  const absl::StatusOr<CurveKeys> read = ReadCurveKeys(path);
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->public_key, keys_.public_key);
  EXPECT_EQ(read->secret_key, keys_.secret_key);
  EXPECT_TRUE(ReadCurveKeys("")->empty());
  EXPECT_TRUE(absl::IsNotFound(ReadCurveKeys(scratch / "none").status()));
}

TEST_F(CurveTest, WrongFilesAreNamedWithoutTheirKeys) {
  const CurveKeys other = NewCurveKeys().value();
  const std::string good = FormatCurveKeys(keys_);
  const auto error = [](const std::string& text) {
    return std::string(ParseCurveKeys(text).status().message());
  };
  EXPECT_THAT(error(""), HasSubstr("public key"));
  EXPECT_THAT(error("public " + keys_.public_key), HasSubstr("secret key"));
  EXPECT_THAT(error("hello\n"), HasSubstr("line 1"));
  EXPECT_THAT(error(good + good), HasSubstr("each once"));
  EXPECT_THAT(error(FormatCurveKeys({other.public_key, keys_.secret_key})),
              HasSubstr("not the secret key's"));
  EXPECT_THAT(error("public x\nsecret " + keys_.secret_key), Not(HasSubstr(keys_.secret_key)));
  EXPECT_THAT(error(std::string("public ") + std::string(40, '"') + "\nsecret " + keys_.secret_key),
              HasSubstr("Z85"));
}

}  // namespace
}  // namespace ps
