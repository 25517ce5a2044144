// A small HTTP/1.1 server, for a job's status and for predictions, over GNU libmicrohttpd (which
// http_server.cc alone includes).
//
// The handler is called in threads of the library's, possibly in several at once: in one of each
// connection, or in a few that share them out (HttpOptions::threads). What clients can take is
// bounded: connections (also for each address), memory a connection, bytes of a request's body and of
// all bodies together, seconds without a byte, and those of a whole request. A handler that runs out of
// memory (std::bad_alloc) costs its request, which gets 503. The destructor waits for running handlers.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ps/base/connection_deadlines.h"

struct MHD_Daemon;

namespace ps {

struct HttpRequest {
  std::string method;  // GET (HEAD arrives as GET) or POST
  std::string path;    // decoded, without the query
  std::map<std::string, std::string> query;
  std::string authorization;    // the header's value
  bool from_web_page = false;   // a browser sent it for some page (it has an Origin)
  bool from_this_host = false;  // over loopback
  std::string body;             // whole
};

struct HttpResponse {
  int status = 200;
  std::string type = "text/plain; charset=utf-8";
  std::string body;
};

struct HttpEndpoint {
  std::string host = "127.0.0.1";
  int port = 0;  // 0: a free one
};
// "HOST:PORT", ":PORT" (of 127.0.0.1) or "[IPv6]:PORT". InvalidArgument says what is wrong.
absl::StatusOr<HttpEndpoint> ParseHttpEndpoint(const std::string& text);

struct HttpOptions {
  HttpEndpoint endpoint;
  // 0: each connection has a thread, and handlers may wait. Else so many threads have all of them,
  // and a handler keeps the others of its thread waiting.
  unsigned threads = 0;
  unsigned connections = 64;             // at once; more are closed
  unsigned connections_per_address = 24;  // 0: as many as there may be
  unsigned idle_seconds = 10;            // without a byte, after which a connection is closed
  // As long may a request take to come, and its answer to be taken, after which its connection is
  // closed: a client that sends a byte now and then is never idle. Handlers may take what they want.
  unsigned request_seconds = 30;
  std::size_t connection_bytes = 32 << 10;  // headers that do not fit are refused
  std::size_t most_body_bytes = 4 << 10;    // of a request; a longer one gets 413
  // Of all requests at once: one that would come above gets 503, before its body is read.
  std::size_t most_bytes_at_once = 16 << 20;
  // Whether a POST to that path has a body; null: each may. One that should not have it is answered
  // without its being read, as are other methods.
  bool (*takes_body)(const std::string& path) = nullptr;
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Unavailable where another program has the port, or the name server does not answer;
  // InvalidArgument where the address cannot be bound: unknown, not of this machine, not allowed.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Listen(const HttpOptions& options,
                                                            Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // Takes no further connection, says to those that there are that each answer is their last, and
  // waits until no request has been under way for a moment. False: one is after `limit`. Once, from
  // one thread; what remains is for the destructor.
  bool Drain(std::chrono::milliseconds limit);

  int port() const { return port_; }
  // For people on this machine: http://HOST:PORT, with 127.0.0.1 for a wildcard.
  const std::string& url() const { return url_; }

 private:
  struct Callbacks;  // the library's
  HttpServer(const HttpOptions& options, Handler handler)
      : options_(options), handler_(std::move(handler)) {}
  absl::Status StartDaemon();
  bool Reserve(std::size_t bytes);  // of bodies; false: there is no room
  void LimitRequest(TimedConnection* connection);
  void LimitHeaders(TimedConnection* connection);

  const HttpOptions options_;
  const Handler handler_;
  ConnectionDeadlines deadlines_;
  std::atomic<int> under_way_ = 0;  // requests from their headers to the end of their answers
  std::atomic<std::size_t> body_bytes_ = 0;  // of their bodies
  std::atomic<bool> draining_ = false;
  int port_ = 0;
  std::string url_;
  int listening_ = -1;  // the socket
  bool quiesced_ = false;  // the daemon has given it back
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace ps
