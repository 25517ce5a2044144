#include "ps/base/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <new>
#include <random>
#include <thread>
#include <vector>

#include "ps/base/web_client.h"
#include "tests/base/raw_connection.h"

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

// Sends bytes as they are and hangs up.
void SendRaw(int port, const std::string& bytes) { RawConnection(port).Send(bytes); }

std::string Head(std::size_t bytes) {
  return "POST /a HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: " + std::to_string(bytes) + "\r\n\r\n";
}

// One byte now and then keeps a connection from being idle, but not from being closed.
TEST(HttpServer, ARequestThatIsLongInComingIsClosed) {
  for (const unsigned threads : {0u, 2u}) {
    SCOPED_TRACE(threads);
    const auto server = Listen({.threads = threads, .idle_seconds = 2, .request_seconds = 1});
    RawConnection body(server->port()), head(server->port()), kept(server->port());
    ASSERT_TRUE(body.Send(Head(1000)));
    ASSERT_THAT(body.ReadUntil("100 Continue"), HasSubstr("100 Continue"));
    ASSERT_TRUE(head.Send("GET / HTTP/1.1\r\nX: "));
    bool body_closed = false, head_closed = false;
    const auto begin = std::chrono::steady_clock::now();
    while (!(body_closed && head_closed) && std::chrono::steady_clock::now() - begin < std::chrono::seconds(20)) {
      body_closed = body_closed || !body.Send("x") || body.Closes(milliseconds(50));
      head_closed = head_closed || !head.Send("x") || head.Closes(milliseconds(50));
      // Others are served, and time counts anew for each of their requests.
      ASSERT_TRUE(kept.Send("GET /a HTTP/1.1\r\nHost: x\r\n\r\n"));
    }
    EXPECT_TRUE(body_closed);
    EXPECT_TRUE(head_closed);
    EXPECT_FALSE(kept.Closes(milliseconds(1)));
  }
}

TEST(HttpServer, BodiesOfAllRequestsAreBounded) {
  const auto server = Listen({.threads = 2, .most_body_bytes = 100, .most_bytes_at_once = 120});
  WebClient client;
  {
    RawConnection slow(server->port());
    ASSERT_TRUE(slow.Send(Head(80)));
    ASSERT_THAT(slow.ReadUntil("100 Continue"), HasSubstr("100 Continue"));
    EXPECT_EQ(Post(client, *server, std::string(41, 'x')).status, 503);
    EXPECT_EQ(Post(client, *server, std::string(40, 'x')).status, 200);
    ASSERT_TRUE(slow.Send(std::string(80, 'x')));
    EXPECT_THAT(slow.ReadUntil("xxxx"), HasSubstr("200 OK"));
  }
  // What was taken is given back, of whole requests and of others.
  RawConnection(server->port()).Send(Head(80));
  for (int i = 0; i < 10; ++i) {
    WebAnswer answer;
    for (int wait = 0; wait < 1000 && answer.status != 200; ++wait) {
      answer = Post(client, *server, std::string(100, 'x'));
      if (answer.status != 200) std::this_thread::sleep_for(milliseconds(5));
    }
    EXPECT_EQ(answer.status, 200);
  }
}

TEST(HttpServer, ABodyThatIsNotTakenIsNotWaitedFor) {
  const auto server = Listen({.threads = 2, .takes_body = [](const std::string& path) { return path == "/b"; }});
  for (const std::string method : {"POST", "GET", "PUT"}) {
    RawConnection asking(server->port());
    ASSERT_TRUE(asking.Send(method + " /a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"));
    EXPECT_TRUE(asking.Closes(milliseconds(20000)));
    EXPECT_THAT(asking.ReadUntil("x"), HasSubstr(method == "PUT" ? "only GET and POST" : method + " /a "));
  }
  WebClient client;
  EXPECT_EQ(client.Ask({.method = "POST", .url = server->url() + "/b", .headers = {}, .body = "x"})->body, "POST /b x");
}

TEST(HttpServer, AHandlerWithoutMemoryCostsItsRequest) {
  bool enough = false;
  const auto server = Listen({.threads = 1}, [&](const HttpRequest& request) {
    if (!enough) throw std::bad_alloc();
    return Echo(request);
  });
  WebClient client;
  EXPECT_EQ(Post(client, *server, "a").status, 503);
  enough = true;
  EXPECT_EQ(Post(client, *server, "a").body, "POST /a b a");
}

TEST(HttpServer, SaysWhyItCannotListen) {
  const auto first = Listen({});
  const auto taken = HttpServer::Listen({.endpoint = {.port = first->port()}}, Echo);
  EXPECT_TRUE(absl::IsUnavailable(taken.status())) << taken.status();
  const auto foreign = HttpServer::Listen({.endpoint = {.host = "203.0.113.1"}}, Echo);  // of documentation
  EXPECT_TRUE(absl::IsInvalidArgument(foreign.status())) << foreign.status();
}

TEST(HttpServer, WhatIsNoWholeRequestIsNotHandled) {
  std::atomic<int> handled = 0;
  // More connections than are made, so that none is closed for being too many.
  const HttpOptions options = {.threads = 2, .connections = 1000, .connections_per_address = 0, .most_body_bytes = 1 << 20};
  const auto server = Listen(options, [&](const HttpRequest& request) {
    ++handled;
    return Echo(request);
  });
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  std::mt19937_64 random(1);
  for (int i = 0; i < 200; ++i) {
    SendRaw(server->port(), head + "Content-Length: 1000\r\n\r\n" + std::string(random() % 1000, 'x'));
    SendRaw(server->port(), head + "Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + std::string(random() % 1000, 'x'));
    SendRaw(server->port(), (head + "Content-Length: 5\r\n\r\n").substr(0, random() % 40));
    SendRaw(server->port(), std::string(random() % 100000, static_cast<char>(random())));
  }
  WebClient client;
  EXPECT_EQ(Post(client, *server, "a").body, "POST /a b a");
  EXPECT_TRUE(server->Drain(milliseconds(20000)));
  EXPECT_EQ(handled, 1);
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
