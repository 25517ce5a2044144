// A small HTTP/1.1 server for a job's status, over GNU libmicrohttpd (which http_server.cc alone
// includes).
//
// Every connection has a thread of the library's; the handler is called in it, possibly in several
// at once, and may wait. What a client can take is bounded: connections (also for each address),
// memory a connection, bytes of a request's body, seconds without a byte. The destructor waits for
// running handlers.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>

#include "absl/status/statusor.h"

struct MHD_Daemon;

namespace ps {

struct HttpRequest {
  std::string method;  // GET (HEAD arrives as GET) or POST
  std::string path;    // decoded, without the query
  std::map<std::string, std::string> query;
  std::string authorization;    // the header's value
  bool from_web_page = false;   // a browser sent it for some page (it has an Origin)
  bool from_this_host = false;  // over loopback
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

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // Unavailable where the address cannot be bound: taken, or not of this machine.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Listen(const HttpEndpoint& endpoint,
                                                            Handler handler);
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const { return port_; }
  // For people on this machine: http://HOST:PORT, with 127.0.0.1 for a wildcard.
  const std::string& url() const { return url_; }
  const Handler& handler() const { return handler_; }

 private:
  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {}

  const Handler handler_;
  int port_ = 0;
  std::string url_;
  MHD_Daemon* daemon_ = nullptr;
};

}  // namespace ps
