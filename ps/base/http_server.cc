#include "ps/base/http_server.h"

#include <arpa/inet.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <string_view>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ps/base/listening_socket.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

constexpr std::size_t kThreadStack = 512 << 10;
constexpr auto kDrainPoll = std::chrono::milliseconds(5);
constexpr auto kDrainQuiet = std::chrono::milliseconds(50);  // what was sent before it knew is read in that time

struct Exchange {  // of one request
  std::string body;
  std::size_t reserved = 0;  // bytes of it
  bool answered = false;     // before the body has come
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

MHD_Result Answer(MHD_Connection* connection, HttpResponse response, bool last) {
  auto* body = new std::string(std::move(response.body));
  MHD_Response* out = MHD_create_response_from_buffer_with_free_callback_cls(
      body->size(), body->data(), [](void* owned) { delete static_cast<std::string*>(owned); }, body);
  if (out == nullptr) {
    delete body;
    return MHD_NO;
  }
  MHD_add_response_header(out, MHD_HTTP_HEADER_CONTENT_TYPE, response.type.c_str());
  MHD_add_response_header(out, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
  MHD_add_response_header(out, "X-Content-Type-Options", "nosniff");
  if (last) MHD_add_response_header(out, MHD_HTTP_HEADER_CONNECTION, "close");
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

HttpResponse BodyTooLong(std::size_t most) {
  return {.status = 413, .body = absl::StrCat("a request's body has at most ", most, " bytes\n")};
}

HttpResponse Busy() { return {.status = 503, .body = "there is no memory for this request now\n"}; }

// What the headers say that the body will be; 0 where they do not.
std::uint64_t AnnouncedBytes(MHD_Connection* connection) {
  std::uint64_t bytes = 0;
  return absl::SimpleAtoi(Header(connection, MHD_HTTP_HEADER_CONTENT_LENGTH), &bytes) ? bytes : 0;
}

bool HasBody(MHD_Connection* connection) {
  return AnnouncedBytes(connection) > 0 || !Header(connection, MHD_HTTP_HEADER_TRANSFER_ENCODING).empty();
}

TimedConnection* TimedBy(MHD_Connection* connection) {
  const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
  return info == nullptr ? nullptr : static_cast<TimedConnection*>(info->socket_context);
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

// The request without its body, or what is wrong with it.
absl::StatusOr<HttpRequest> ReadRequest(MHD_Connection* connection, const char* url) {
  HttpRequest request;
  request.path = url;
  Query query;
  MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, TakeArgument, &query);
  if (query.repeated) return absl::InvalidArgumentError("a parameter is given twice\n");
  request.query = std::move(query.values);
  request.authorization = Header(connection, MHD_HTTP_HEADER_AUTHORIZATION);
  request.from_web_page = !Header(connection, "Origin").empty();
  const MHD_ConnectionInfo* info =
      MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  request.from_this_host = info != nullptr && IsLoopback(info->client_addr);
  return request;
}

void Ignore(void*, const char*, va_list) {}  // what clients send wrongly is no news

}  // namespace

struct HttpServer::Callbacks {
  static HttpResponse Handle(const HttpServer& server, MHD_Connection* connection, const char* url,
                             const std::string& method, std::string body) {
    const bool get = method == "GET" || method == "HEAD";
    if (!get && method != "POST") return {.status = 405, .body = "only GET and POST are known here\n"};
    try {
      absl::StatusOr<HttpRequest> request = ReadRequest(connection, url);
      if (!request.ok()) return {.status = 400, .body = std::string(request.status().message())};
      request->method = get ? "GET" : method;
      request->body = std::move(body);
      return server.handler_(*request);
    } catch (const std::bad_alloc&) {  // of the standard containers that the request was put into
      return Busy();
    }
  }

  // The headers have come. What need not or may not have a body is answered before it comes.
  static MHD_Result Begin(HttpServer& server, MHD_Connection* connection, const char* url, const std::string& method,
                          Exchange* begun) {
    const auto answer = [&](HttpResponse response) {
      begun->answered = true;
      return Answer(connection, std::move(response), /*last=*/true);
    };
    if (!HasBody(connection)) return MHD_YES;
    const HttpOptions& options = server.options_;
    if (method != "POST" || (options.takes_body != nullptr && !options.takes_body(url)))
      return answer(Handle(server, connection, url, method, ""));
    const std::uint64_t announced = AnnouncedBytes(connection);
    if (announced > options.most_body_bytes) return answer(BodyTooLong(options.most_body_bytes));
    if (!server.Reserve(announced)) return answer(Busy());
    begun->reserved = announced;
    begun->body.reserve(announced);
    return MHD_YES;
  }

  static MHD_Result Append(HttpServer& server, std::string_view piece, Exchange* exchange) {
    // Of a body of unannounced length there is no answer before its end: the connection is closed.
    const std::size_t bytes = exchange->body.size() + piece.size();
    if (bytes > server.options_.most_body_bytes) return MHD_NO;
    if (bytes > exchange->reserved) {
      if (!server.Reserve(bytes - exchange->reserved)) return MHD_NO;
      exchange->reserved = bytes;
    }
    exchange->body.append(piece);
    return MHD_YES;
  }

  static MHD_Result OnRequest(void* self, MHD_Connection* connection, const char* url,
                              const char* method, const char* /*version*/, const char* upload,
                              std::size_t* upload_bytes, void** state) {
    HttpServer& server = *static_cast<HttpServer*>(self);
    TimedConnection* const timed = TimedBy(connection);
    try {
      if (*state == nullptr) {
        auto* begun = new Exchange;
        *state = begun;
        server.under_way_.fetch_add(1);
        server.LimitRequest(timed);
        return Begin(server, connection, url, method, begun);
      }
      auto& exchange = *static_cast<Exchange*>(*state);
      if (*upload_bytes > 0) {
        const std::string_view piece(upload, std::exchange(*upload_bytes, 0));
        return exchange.answered ? MHD_YES : Append(server, piece, &exchange);
      }
      if (exchange.answered) return MHD_YES;
      server.deadlines_.Lift(timed);
      HttpResponse response = Handle(server, connection, url, method, std::move(exchange.body));
      server.LimitRequest(timed);
      return Answer(connection, std::move(response), server.draining_.load());
    } catch (const std::bad_alloc&) {
      return MHD_NO;  // the connection is closed
    }
  }

  static void OnCompleted(void* self, MHD_Connection* connection, void** state, MHD_RequestTerminationCode) {
    if (*state == nullptr) return;
    HttpServer& server = *static_cast<HttpServer*>(self);
    auto* const exchange = static_cast<Exchange*>(*state);
    server.body_bytes_.fetch_sub(exchange->reserved);
    delete exchange;
    *state = nullptr;
    server.LimitHeaders(TimedBy(connection));
    server.under_way_.fetch_sub(1);
  }

  static void OnConnection(void* self, MHD_Connection* connection, void** context, MHD_ConnectionNotificationCode code) {
    HttpServer& server = *static_cast<HttpServer*>(self);
    if (code == MHD_CONNECTION_NOTIFY_CLOSED) {  // before its socket is closed
      server.deadlines_.Remove(static_cast<TimedConnection*>(std::exchange(*context, nullptr)));
      return;
    }
    const MHD_ConnectionInfo* info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    if (info == nullptr) return;
    try {
      TimedConnection* const timed = server.deadlines_.Add(info->connect_fd);
      *context = timed;
      server.LimitHeaders(timed);
    } catch (const std::bad_alloc&) {  // it goes untimed
    }
  }
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Listen(const HttpOptions& options,
                                                               Handler handler) {
  const HttpEndpoint& endpoint = options.endpoint;
  PS_ASSIGN_OR_RETURN(const int listening, OpenListeningSocket(endpoint));
  std::unique_ptr<HttpServer> server(new HttpServer(options, std::move(handler)));
  server->port_ = PortOf(listening);
  const bool any = endpoint.host == "0.0.0.0" || endpoint.host == "::";
  const bool v6 = absl::StrContains(endpoint.host, ':');
  server->url_ = absl::StrCat("http://",
                              any  ? "127.0.0.1"
                              : v6 ? "["
                                   : "",
                              any ? "" : endpoint.host, v6 && !any ? "]" : "", ":", server->port_);
  server->listening_ = listening;
  PS_RETURN_IF_ERROR(server->StartDaemon());
  return server;
}

bool HttpServer::Reserve(std::size_t bytes) {
  if (body_bytes_.fetch_add(bytes) + bytes <= options_.most_bytes_at_once) return true;
  body_bytes_.fetch_sub(bytes);
  return false;
}

void HttpServer::LimitRequest(TimedConnection* connection) {
  deadlines_.Limit(connection, std::chrono::seconds(options_.request_seconds));
}

// When its first byte comes is not known, only that the connection is not silent for longer until then.
void HttpServer::LimitHeaders(TimedConnection* connection) {
  deadlines_.Limit(connection, std::chrono::seconds(options_.idle_seconds + options_.request_seconds));
}

absl::Status HttpServer::StartDaemon() {
  const auto start = [&](unsigned flags, MHD_OPTION further, unsigned value) {
    return MHD_start_daemon(
        flags | MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, nullptr, nullptr, Callbacks::OnRequest, this,
        MHD_OPTION_EXTERNAL_LOGGER, Ignore, nullptr, MHD_OPTION_LISTEN_SOCKET, listening_,
        MHD_OPTION_NOTIFY_COMPLETED, Callbacks::OnCompleted, this,
        MHD_OPTION_NOTIFY_CONNECTION, Callbacks::OnConnection, this, MHD_OPTION_CONNECTION_LIMIT, options_.connections, MHD_OPTION_PER_IP_CONNECTION_LIMIT, options_.connections_per_address,
        MHD_OPTION_CONNECTION_TIMEOUT, options_.idle_seconds, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        options_.connection_bytes, MHD_OPTION_THREAD_STACK_SIZE, kThreadStack,
        MHD_OPTION_STRICT_FOR_CLIENT, 1, further, value, MHD_OPTION_END);
  };
  // poll, not epoll: with that, libmicrohttpd 0.9.75 does not see that a client has hung up in the midst of a body, and
  // the connection stays until it has been idle for too long. The library takes a pool from two threads on.
  if (options_.threads == 0) {
    daemon_ = start(
        MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL,
        MHD_OPTION_END, 0);
  } else if (options_.threads == 1) {
    daemon_ = start(MHD_USE_POLL_INTERNAL_THREAD, MHD_OPTION_END, 0);
  } else {
    daemon_ = start(MHD_USE_POLL_INTERNAL_THREAD, MHD_OPTION_THREAD_POOL_SIZE, options_.threads);
  }
  if (daemon_ != nullptr) return absl::OkStatus();
  ::close(listening_);
  return absl::UnavailableError("cannot start the HTTP server's threads");
}

bool HttpServer::Drain(std::chrono::milliseconds limit) {
  const auto deadline = std::chrono::steady_clock::now() + limit;
  draining_.store(true);
  // Its threads may be polling the socket, so that it is not closed here: nobody else's file may get its number.
  quiesced_ = MHD_quiesce_daemon(daemon_) >= 0;
  if (quiesced_) ::shutdown(listening_, SHUT_RDWR);  // who connects now is refused
  auto busy = std::chrono::steady_clock::now();
  for (auto now = busy; now - busy < kDrainQuiet; now = std::chrono::steady_clock::now()) {
    if (under_way_.load() > 0) busy = now;
    if (now >= deadline) return under_way_.load() == 0;
    std::this_thread::sleep_for(kDrainPoll);
  }
  return true;
}

HttpServer::~HttpServer() {
  if (daemon_ == nullptr) return;
  MHD_stop_daemon(daemon_);  // closes the listening socket, but one that it was told to leave
  if (quiesced_) ::close(listening_);
}

}  // namespace ps
