#include "trainer/control/control_server.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <random>
#include <thread>

#include "tests/control/prometheus_reader.h"
#include "trainer/control/http_client.h"

namespace ps {
namespace {

using testing::HasSubstr;
using Kind = ClusterCommand::Kind;

class ControlServerTest : public testing::Test {
 protected:
  void Start(const std::string& token = "") {
    auto server =
        ControlServer::Start({.endpoint = {}, .token = token}, &board_,
                             [this](const ClusterCommand& command) -> absl::StatusOr<std::string> {
                               ++commands_;
                               last_ = command;
                               return answer_;
                             });
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }
  HttpAnswer Ask(const std::string& method, const std::string& target,
                 const std::string& token = "") {
    const auto answer =
        AskHttp({.url = server_->url(), .method = method, .target = target, .token = token});
    EXPECT_TRUE(answer.ok()) << answer.status();
    return answer.ok() ? *answer : HttpAnswer{};
  }
  int Port() const { return std::stoi(server_->url().substr(server_->url().rfind(':') + 1)); }
  // Sends bytes as they are, and reads until the server closes or is silent.
  std::string Raw(const std::string& bytes) {
    const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(Port()));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
    timeval limit{0, 200000};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
    ::setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
    (void)!::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    ::shutdown(fd, SHUT_WR);
    std::string text;
    char buffer[4096];
    for (ssize_t count; (count = ::recv(fd, buffer, sizeof(buffer), 0)) > 0;)
      text.append(buffer, count);
    ::close(fd);
    return text;
  }

  StatusBoard board_{"ctr", "processes"};
  absl::StatusOr<std::string> answer_ = std::string("done");
  std::atomic<int> commands_ = 0;
  ClusterCommand last_;
  std::unique_ptr<ControlServer> server_;
};

TEST_F(ControlServerTest, ShowsTheJob) {
  Start();
  EXPECT_EQ(Ask("GET", "/healthz").status, 200);
  EXPECT_EQ(Ask("GET", "/readyz").status, 503);
  board_.SetState(JobStatus::State::kTraining);
  EXPECT_EQ(Ask("GET", "/readyz").status, 200);
  board_.SetState(JobStatus::State::kFinishing);
  EXPECT_EQ(Ask("GET", "/readyz").status, 503);
  std::string error;
  EXPECT_TRUE(PrometheusPage::Read(Ask("GET", "/metrics").body, &error)) << error;
  EXPECT_THAT(Ask("GET", "/status").body, HasSubstr("\"job\":\"ctr\""));
  EXPECT_THAT(Ask("GET", "/status?format=text").body, HasSubstr("job ctr"));
  EXPECT_EQ(Ask("GET", "/status?format=xml").status, 400);
  EXPECT_EQ(Ask("GET", "/nothing").status, 404);
  EXPECT_EQ(Ask("DELETE", "/status").status, 405);
  EXPECT_EQ(Ask("GET", "/stop").status, 405);
  EXPECT_EQ(commands_, 0);
}

TEST_F(ControlServerTest, PassesCommandsOnAndAnswersWhatCameOfThem) {
  Start();
  const HttpAnswer scaled = Ask("POST", "/scale?servers=4&workers=7");
  EXPECT_EQ(scaled.status, 200);
  EXPECT_EQ(scaled.body, "done\n");
  EXPECT_EQ(last_.kind, Kind::kScale);
  EXPECT_EQ(last_.servers, 4);
  EXPECT_EQ(last_.workers, 7);
  Ask("POST", "/scale?workers=2");
  EXPECT_EQ(last_.servers, std::nullopt);
  Ask("POST", "/drain?node=12");
  EXPECT_EQ(last_.kind, Kind::kDrain);
  EXPECT_EQ(last_.node, 12);
  Ask("POST", "/checkpoint");
  EXPECT_EQ(last_.kind, Kind::kCheckpoint);
  const std::vector<std::pair<absl::Status, int>> codes = {
      {absl::NotFoundError("a"), 404},         {absl::FailedPreconditionError("b"), 409},
      {absl::UnimplementedError("c"), 501},    {absl::UnavailableError("d"), 503},
      {absl::DeadlineExceededError("e"), 202}, {absl::InternalError("f"), 500}};
  for (const auto& [status, code] : codes) {
    answer_ = status;
    const HttpAnswer answer = Ask("POST", "/stop");
    EXPECT_EQ(answer.status, code);
    EXPECT_EQ(answer.body, std::string(status.message()) + "\n");
  }
}

TEST_F(ControlServerTest, RefusesCommandsThatMakeNoSense) {
  Start();
  for (const char* target :
       {"/scale", "/scale?servers=0", "/scale?servers=-1", "/scale?servers=x",
        "/scale?servers=", "/scale?servers=99999999999999999999", "/scale?server=2",
        "/scale?servers=1&servers=2", "/scale?servers=%00", "/scale?servers=+3", "/drain",
        "/drain?node=0", "/drain?node=a", "/stop?now=1", "/checkpoint?x"}) {
    EXPECT_EQ(Ask("POST", target).status, 400) << target;
  }
  EXPECT_EQ(commands_, 0);
}

TEST_F(ControlServerTest, CommandsNeedTheToken) {
  Start("secret");
  EXPECT_EQ(Ask("POST", "/stop").status, 401);
  EXPECT_EQ(Ask("POST", "/stop", "secreT").status, 401);
  EXPECT_EQ(Ask("POST", "/stop", "secret2").status, 401);
  EXPECT_EQ(commands_, 0);
  EXPECT_EQ(Ask("GET", "/status").status, 200);
  EXPECT_EQ(Ask("POST", "/stop", "secret").status, 200);
  EXPECT_EQ(commands_, 1);
}

TEST_F(ControlServerTest, WithoutATokenOnlyThisHostCommandsAndNoWebPage) {
  const ControlServer::Command command = [this](const ClusterCommand&) { return answer_; };
  HttpRequest request{.method = "POST", .path = "/stop", .from_this_host = false};
  EXPECT_EQ(AnswerControl(request, "", board_, command).status, 403);
  request.from_this_host = true;
  EXPECT_EQ(AnswerControl(request, "", board_, command).status, 200);
  request.from_web_page = true;
  EXPECT_EQ(AnswerControl(request, "", board_, command).status, 403);
  Start();
  EXPECT_THAT(
      Raw("POST /stop HTTP/1.1\r\nHost: x\r\nOrigin: http://evil\r\nContent-Length: 0\r\n\r\n"),
      HasSubstr("403"));
  EXPECT_EQ(commands_, 0);
}

TEST_F(ControlServerTest, MalformedRequestsDoNoHarm) {
  Start();
  const std::string good =
      "POST /scale?servers=4&workers=7 HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n";
  for (const std::string& bytes :
       {std::string(""), std::string("\r\n\r\n"), std::string("GET"), std::string(100000, 'A'),
        "GET /" + std::string(100000, 'a') + " HTTP/1.1\r\n\r\n",
        std::string("GET /status HTTP/9.9\r\n\r\n"),
        std::string(
            "POST /stop HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999\r\n\r\n"),
        std::string("POST /stop HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n"),
        "POST /stop HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n" +
            std::string(100000, 'b'),
        std::string("POST /stop HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
                    "chunked\r\n\r\nffffffffffffffffff\r\n")}) {
    Raw(bytes);
  }
  EXPECT_EQ(commands_, 0);
  std::mt19937_64 random(1);
  for (int i = 0; i < 300; ++i) {
    std::string bytes = good;
    for (int flips = 1 + random() % 4; flips > 0; --flips) {
      bytes[random() % 12 + 20 * (random() % 3)] = static_cast<char>(random());
    }
    Raw(bytes.substr(0, random() % 8 == 0 ? random() % bytes.size() : bytes.size()));
  }
  // A slow sender with an open connection keeps nobody else from being served.
  EXPECT_EQ(Ask("GET", "/healthz").status, 200);
}

TEST_F(ControlServerTest, ATakenPortIsNamed) {
  Start();
  const auto second =
      ControlServer::Start({.endpoint = {.port = Port()}, .token = ""}, &board_, nullptr);
  ASSERT_FALSE(second.ok());
  EXPECT_TRUE(absl::IsUnavailable(second.status()));
  EXPECT_THAT(std::string(second.status().message()), HasSubstr("another program has this port"));
}

TEST(HttpClient, SaysWhenNothingListens) {
  std::string url;
  {
    auto server = HttpServer::Listen({}, [](const HttpRequest&) { return HttpResponse{}; });
    ASSERT_TRUE(server.ok());
    url = (*server)->url();
  }
  const auto answer = AskHttp({.url = url});
  EXPECT_TRUE(absl::IsUnavailable(answer.status())) << answer.status();
  EXPECT_THAT(std::string(answer.status().message()), HasSubstr("nothing listens"));
  EXPECT_TRUE(absl::IsInvalidArgument(AskHttp({.url = "localhost:80"}).status()));
}

}  // namespace
}  // namespace ps
