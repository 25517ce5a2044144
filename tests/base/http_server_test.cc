#include "ps/base/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include "ps/base/web_client.h"

namespace ps {
namespace {

using std::chrono::milliseconds;
using testing::HasSubstr;

HttpResponse Echo(const HttpRequest& request) {
  return {.body = request.method + " " + request.path + " " + request.body};
}

std::unique_ptr<HttpServer> Listen(const HttpOptions& options, HttpServer::Handler handler = Echo) {
  auto server = HttpServer::Listen(options, std::move(handler));
  EXPECT_TRUE(server.ok()) << server.status();
  return server.ok() ? *std::move(server) : nullptr;
}

WebAnswer Post(WebClient& client, const HttpServer& server, const std::string& body) {
  const auto answer = client.Ask({.method = "POST", .url = server.url() + "/a%20b", .headers = {}, .body = body});
  EXPECT_TRUE(answer.ok()) << answer.status();
  return answer.ok() ? *answer : WebAnswer{};
}

TEST(HttpServer, HandsBodiesOver) {
  for (const unsigned threads : {0u, 1u, 3u}) {
    SCOPED_TRACE(threads);
    const auto server = Listen({.threads = threads, .most_body_bytes = 1 << 20});
    WebClient client;
    EXPECT_EQ(Post(client, *server, "").body, "POST /a b ");
    const std::string large(1 << 20, 'x');  // comes in many pieces
    EXPECT_EQ(Post(client, *server, large).body, "POST /a b " + large);
    EXPECT_EQ(Post(client, *server, "again").body, "POST /a b again");
  }
}

TEST(HttpServer, SaysThatABodyIsTooLongBeforeItHasCome) {
  const auto server = Listen({.threads = 2, .most_body_bytes = 100});
  WebClient client;
  const WebAnswer refused = Post(client, *server, std::string(101, 'x'));
  EXPECT_EQ(refused.status, 413);
  EXPECT_THAT(refused.body, HasSubstr("at most 100 bytes"));
  EXPECT_EQ(Post(client, *server, std::string(100, 'x')).status, 200);
  // Of unannounced length there is nothing to answer before its end: the connection ends.
  const std::string longer(101, 'x');
  for (const std::string& body : {longer.substr(1), longer}) {
    const auto chunked = client.Ask(
        {.method = "POST", .url = server->url(), .headers = {{"Transfer-Encoding", "chunked"}}, .body = body});
    EXPECT_EQ(chunked.ok(), body.size() == 100) << chunked.status();
  }
}

TEST(HttpServer, DrainsAfterTheRequestsUnderWay) {
  for (const unsigned threads : {0u, 2u}) {
    SCOPED_TRACE(threads);
    std::atomic<int> entered = 0;
    std::atomic<bool> go = false;
    const auto server = Listen({.threads = threads}, [&](const HttpRequest& request) {
      ++entered;
      while (!go) std::this_thread::sleep_for(milliseconds(1));
      return Echo(request);
    });
    std::thread asking([&] {
      WebClient client;
      const auto answer = client.Ask({.url = server->url() + "/slow"});
      ASSERT_TRUE(answer.ok()) << answer.status();
      EXPECT_EQ(answer->body, "GET /slow ");
      EXPECT_EQ(answer->headers.at("connection"), "close");
    });
    while (entered == 0) std::this_thread::sleep_for(milliseconds(1));
    std::thread letting_go([&] {
      std::this_thread::sleep_for(milliseconds(100));
      go = true;
    });
    EXPECT_TRUE(server->Drain(milliseconds(20000)));
    EXPECT_TRUE(go);
    WebClient late;
    EXPECT_FALSE(late.Ask({.url = server->url(), .limit = milliseconds(500)}).ok());
    asking.join();
    letting_go.join();
  }
}

TEST(HttpServer, GivesUpDrainingAtTheLimit) {
  std::atomic<bool> entered = false, go = false;
  const auto server = Listen({.threads = 2}, [&](const HttpRequest& request) {
    entered = true;
    while (!go) std::this_thread::sleep_for(milliseconds(1));
    return Echo(request);
  });
  std::thread asking([&] {
    WebClient client;
    (void)client.Ask({.url = server->url()});
  });
  while (!entered) std::this_thread::sleep_for(milliseconds(1));
  EXPECT_FALSE(server->Drain(milliseconds(50)));
  go = true;
  asking.join();
}

TEST(HttpEndpoint, IsParsedStrictly) {
  const auto of = [](const std::string& text) {
    const auto endpoint = ParseHttpEndpoint(text);
    return endpoint.ok() ? endpoint->host + " " + std::to_string(endpoint->port)
                         : std::string("bad");
  };
  EXPECT_EQ(of(":8080"), "127.0.0.1 8080");
  EXPECT_EQ(of("0.0.0.0:0"), "0.0.0.0 0");
  EXPECT_EQ(of("[::1]:80"), "::1 80");
  for (const char* bad :
       {"", "8080", "a:", "a:b", ":65536", ":-1", "::1:80", "http://a:80", "a b:1", ": 1"}) {
    EXPECT_EQ(of(bad), "bad") << bad;
  }
}

}  // namespace
}  // namespace ps
