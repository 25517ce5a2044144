#include "ps/base/listening_socket.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"

namespace ps {
namespace {

constexpr int kBacklog = 1024;  // connections not yet taken; a client above it tries again after a second

}  // namespace

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
    const std::string what = absl::StrCat("cannot listen at ", where, ": ", ::gai_strerror(error));
    return error == EAI_AGAIN ? absl::UnavailableError(what) : absl::InvalidArgumentError(what);
  }
  int last_error = 0;
  int listening = -1;
  for (addrinfo* at = found; at != nullptr && listening < 0; at = at->ai_next) {
    const int fd = ::socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int on = 1;
    if (fd >= 0) ::setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (fd >= 0 && ::bind(fd, at->ai_addr, at->ai_addrlen) == 0 && ::listen(fd, kBacklog) == 0) {
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
  return absl::InvalidArgumentError(
      absl::StrCat("cannot listen at ", where, ": ", std::strerror(last_error)));
}

int PortOf(int listening) {
  sockaddr_storage address{};
  socklen_t length = sizeof(address);
  if (::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &length) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6&>(address).sin6_port
                                             : reinterpret_cast<sockaddr_in&>(address).sin_port);
}

}  // namespace ps
