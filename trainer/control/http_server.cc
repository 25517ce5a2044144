#include "trainer/control/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "glog/logging.h"

namespace ps {
namespace {

constexpr unsigned kConnections = 64;
constexpr unsigned kConnectionsPerAddress = 24;
constexpr unsigned kIdleSeconds = 10;
constexpr std::size_t kConnectionMemory = 32 << 10;  // headers that do not fit are refused
constexpr std::size_t kThreadStack = 512 << 10;
constexpr std::size_t kMostBody = 4 << 10;  // nothing here needs one

struct Exchange {  // of one request
  std::size_t body_bytes = 0;
};

bool IsLoopback(const sockaddr* address) {
  if (address == nullptr) return false;
  if (address->sa_family == AF_INET) {
    const auto* v4 = reinterpret_cast<const sockaddr_in*>(address);
    return (ntohl(v4->sin_addr.s_addr) >> 24) == 127;
  }
  if (address->sa_family != AF_INET6) return false;
  const auto* v6 = reinterpret_cast<const sockaddr_in6*>(address);
  if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) return v6->sin6_addr.s6_addr[12] == 127;
  return IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

std::string Header(MHD_Connection* connection, const char* name) {
  const char* value = MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
  return value == nullptr ? "" : value;
}

MHD_Result Answer(MHD_Connection* connection, const HttpResponse& response) {
  MHD_Response* out = MHD_create_response_from_buffer(
      response.body.size(), const_cast<char*>(response.body.data()), MHD_RESPMEM_MUST_COPY);
  if (out == nullptr) return MHD_NO;
  MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, response.type.c_str());
  MHD_add_response_header(out, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
  if (response.status == 405)
    MHD_add_response_header(out, MHD_HTTP_HEADER_ALLOW, "GET, HEAD, POST");
  if (response.status == 401) {
    MHD_add_response_header(out, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
  }
  const MHD_Result result =
      MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  return result;
}

// False where a name is given twice: which of the two is meant, nobody knows.
struct Query {
  std::map<std::string, std::string> values;
  bool repeated = false;
};
MHD_Result TakeArgument(void* to, MHD_ValueKind, const char* name, const char* value) {
  auto& query = *static_cast<Query*>(to);
  query.repeated |=
      !query.values.emplace(name, value == nullptr ? std::string() : std::string(value)).second;
  return MHD_YES;
}

HttpResponse Handle(const HttpServer& server, MHD_Connection* connection, const char* url,
                    const std::string& method) {
  HttpRequest request;
  request.method = method == "HEAD" ? "GET" : method;
  if (request.method != "GET" && request.method != "POST") {
    return {.status = 405, .body = "only GET and POST are known here\n"};
  }
  request.path = url;
  Query query;
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, TakeArgument, &query);
  if (query.repeated) return {.status = 400, .body = "a parameter is given twice\n"};
  request.query = std::move(query.values);
  request.authorization = Header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
  request.from_web_page = !Header(connection, "Origin").empty();
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  request.from_this_host = info != nullptr && IsLoopback(info->client_addr);
  return server.handler()(request);
}

MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url, const char* method,
                     const char* /*version*/, const char* /*upload*/, std::size_t* upload_bytes,
                     void** state) {
  if (*state == nullptr) {  // the headers have come
    *state = new Exchange;
    return MHD_YES;
  }
  auto& exchange = *static_cast<Exchange*>(*state);
  if (*upload_bytes > 0) {
    exchange.body_bytes += *upload_bytes;
    *upload_bytes = 0;
    return exchange.body_bytes <= kMostBody ? MHD_YES : MHD_NO;  // MHD_NO closes the connection
  }
  return Answer(connection, Handle(*static_cast<HttpServer*>(self), connection, url, method));
}

void OnCompleted(void*, MHD_Connection*, void** state, MHD_RequestTerminationCode) {
  delete static_cast<Exchange*>(*state);
  *state = nullptr;
}

void Ignore(void*, const char*, va_list) {}  // what clients send wrongly is no news

absl::StatusOr<int> OpenListeningSocket(const HttpEndpoint& endpoint) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* found = nullptr;
  const std::string where = absl::StrCat(endpoint.host, ":", endpoint.port);
  const int error =
      ::getaddrinfo(endpoint.host.c_str(), absl::StrCat(endpoint.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(
        absl::StrCat("cannot listen at ", where, ": ", ::gai_strerror(error)));
  }
  int last_error = 0;
  int listening = -1;
  for (addrinfo* at = found; at != nullptr && listening < 0; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd >= 0 && ::bind(fd, at->ai_addr, at->ai_addrlen) == 0 && ::listen(fd, 64) == 0) {
      listening = fd;
    } else {
      last_error = errno;
      if (fd >= 0) ::close(fd);
    }
  }
  ::freeaddrinfo(found);
  if (listening >= 0) return listening;
  if (last_error == EADDRINUSE) {
    return absl::UnavailableError(absl::StrCat("cannot listen at ", where,
                                               ": another program has this port; choose another, "
                                               "or port 0 for a free one"));
  }
  return absl::UnavailableError(
      absl::StrCat("cannot listen at ", where, ": ", std::strerror(last_error)));
}

int PortOf(int listening) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Listen(const HttpEndpoint& endpoint,
                                                               Handler handler) {
  absl::StatusOr<int> listening = OpenListeningSocket(endpoint);
  if (!listening.ok()) return listening.status();
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(handler)));
  server->port_ = PortOf(*listening);
  const bool any = endpoint.host == "0.0.0.0" || endpoint.host == "::";
  const bool v6 = absl::StrContains(endpoint.host, ':');
  server->url_ = absl::StrCat("http://",
                              any  ? "127.0.0.1"
                              : v6 ? "["
                                   : "",
                              any ? "" : endpoint.host, v6 && !any ? "]" : "", ":", server->port_);
  server->daemon_ = MHD_start_daemon(
      MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL |
          MHD_USE_ERROR_LOG,
      0, nullptr, nullptr, OnRequest, server.get(), MHD_OPTION_EXTERNAL_LOGGER, Ignore, nullptr,
      MHD_OPTION_LISTEN_SOCKET, *listening, MHD_OPTION_NOTIFY_COMPLETED, OnCompleted, nullptr,
      MHD_OPTION_CONNECTION_LIMIT, kConnections, MHD_OPTION_PER_IP_CONNECTION_LIMIT,
      kConnectionsPerAddress, MHD_OPTION_CONNECTION_TIMEOUT, kIdleSeconds,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, kConnectionMemory, MHD_OPTION_THREAD_STACK_SIZE,
      kThreadStack, MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_END);
  if (server->daemon_ == nullptr) {
    ::close(*listening);
    return absl::UnavailableError("cannot start the HTTP server's threads");
  }
  return server;
}

HttpServer::~HttpServer() {
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);  // closes the listening socket
}

}  // namespace ps
