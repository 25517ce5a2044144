#include "trainer/control/http_client.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "ps/base/status_macros.h"
#include "ps/base/http_server.h"

namespace ps {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostAnswer = 64 << 20;  // a status of thousands of nodes is a few MiB

class Socket {
 public:
  explicit Socket(int fd) : fd_(fd) {}
  ~Socket() {
    if (fd_ >= 0) ::close(fd_);
  }
  Socket(Socket&& other) : fd_(other.fd_) { other.fd_ = -1; }
  int fd() const { return fd_; }

 private:
  int fd_;
};

// 0 within the deadline, else errno (ETIMEDOUT).
int WaitFor(int fd, short events, Clock::time_point deadline) {
  for (;;) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return ETIMEDOUT;
    pollfd poll_fd{fd, events, 0};
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(left));
    if (ready > 0) return 0;
    if (ready < 0 && errno != EINTR) return errno;
  }
}

absl::Status SocketError(const std::string& where, int error) {
  if (error == ETIMEDOUT) {
    return absl::DeadlineExceededError(absl::StrCat(where, " does not answer"));
  }
  if (error == ECONNREFUSED) {
    return absl::UnavailableError(absl::StrCat(
        "nothing listens at ", where, ": has the job ended, or is it run without --http?"));
  }
  return absl::UnavailableError(absl::StrCat(where, ": ", std::strerror(error)));
}

absl::StatusOr<Socket> Connect(const HttpEndpoint& endpoint, const std::string& where,
                               Clock::time_point deadline) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error =
      ::getaddrinfo(endpoint.host.c_str(), absl::StrCat(endpoint.port).c_str(), &hints, &found);
  if (error != 0) {
    return absl::UnavailableError(absl::StrCat(where, ": ", ::gai_strerror(error)));
  }
  int last_error = ECONNREFUSED;
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    Socket socket(::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (socket.fd() < 0) continue;
    last_error = ::connect(socket.fd(), at->ai_addr, at->ai_addrlen) == 0 ? 0 : errno;
    if (last_error == EINPROGRESS) {
      last_error = WaitFor(socket.fd(), POLLOUT, deadline);
      socklen_t length = sizeof(last_error);
      if (last_error == 0) ::getsockopt(socket.fd(), SOL_SOCKET, SO_ERROR, &last_error, &length);
    }
    if (last_error == 0) {
      ::freeaddrinfo(found);
      return socket;
    }
  }
  ::freeaddrinfo(found);
  return SocketError(where, last_error);
}

absl::StatusOr<HttpAnswer> ParseAnswer(const std::string& where, const std::string& text) {
  const auto wrong = absl::DataLossError(absl::StrCat(where, " answers, but not in whole HTTP"));
  const std::size_t end = text.find("\r\n\r\n");
  if (end == std::string::npos) return wrong;
  const std::vector<std::string> lines = absl::StrSplit(text.substr(0, end), "\r\n");
  const std::vector<std::string> first = absl::StrSplit(lines[0], absl::MaxSplits(' ', 2));
  HttpAnswer answer;
  if (first.size() < 2 || !absl::StartsWith(first[0], "HTTP/1.") ||
      !absl::SimpleAtoi(first[1], &answer.status)) {
    return wrong;
  }
  answer.body = text.substr(end + 4);
  for (const std::string& line : lines) {
    const std::vector<std::string> field = absl::StrSplit(line, absl::MaxSplits(':', 1));
    std::uint64_t length;
    if (field.size() != 2 || !absl::EqualsIgnoreCase(field[0], "content-length")) continue;
    if (!absl::SimpleAtoi(field[1], &length) || length != answer.body.size()) return wrong;
  }
  return answer;
}

}  // namespace

absl::StatusOr<HttpAnswer> AskHttp(const HttpQuestion& question) {
  absl::string_view rest = question.url;
  if (!absl::ConsumePrefix(&rest, "http://")) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", question.url, "\" is not http://HOST:PORT"));
  }
  absl::ConsumeSuffix(&rest, "/");
  PS_ASSIGN_OR_RETURN(const HttpEndpoint endpoint, ParseHttpEndpoint(std::string(rest)));
  const std::string where(rest);
  const Clock::time_point deadline = Clock::now() + question.limit;
  PS_ASSIGN_OR_RETURN(const Socket socket, Connect(endpoint, where, deadline));
  // 1.0: the answer is one piece and ends with the connection.
  const std::string request = absl::StrCat(
      question.method, " ", question.target, " HTTP/1.0\r\nHost: ", where, "\r\n",
      question.token.empty() ? "" : absl::StrCat("Authorization: Bearer ", question.token, "\r\n"),
      question.method == "POST" ? "Content-Length: 0\r\n" : "", "\r\n");
  for (std::size_t sent = 0; sent < request.size();) {
    if (const int error = WaitFor(socket.fd(), POLLOUT, deadline); error != 0) {
      return SocketError(where, error);
    }
    const ssize_t count =
        ::send(socket.fd(), request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return SocketError(where, errno);
    if (count > 0) sent += static_cast<std::size_t>(count);
  }
  std::string text;
  char buffer[16 << 10];
  for (;;) {
    if (const int error = WaitFor(socket.fd(), POLLIN, deadline); error != 0) {
      return SocketError(where, error);
    }
    const ssize_t count = ::recv(socket.fd(), buffer, sizeof(buffer), 0);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return SocketError(where, errno);
    if (count == 0) break;
    if (count > 0) text.append(buffer, static_cast<std::size_t>(count));
    if (text.size() > kMostAnswer) {
      return absl::DataLossError(absl::StrCat(where, " answers without an end"));
    }
  }
  return ParseAnswer(where, text);
}

}  // namespace ps
