// A TCP connection to this host whose bytes a test chooses, which no HTTP client would send so. One thread.
#pragma once

#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>

namespace ps {

class RawConnection {
 public:
  explicit RawConnection(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)), 0);
  }
  ~RawConnection() { ::close(fd_); }
  RawConnection(const RawConnection&) = delete;
  RawConnection& operator=(const RawConnection&) = delete;

  // False: the other side has closed it.
  bool Send(const std::string& bytes) {
    return ::send(fd_, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size());
  }
  // What has come, once `text` is in it, or the other side has closed, or that time is over.
  const std::string& ReadUntil(const std::string& text, std::chrono::milliseconds limit = std::chrono::seconds(20)) {
    const auto end = std::chrono::steady_clock::now() + limit;
    while (!closed_ && got_.find(text) == std::string::npos) {
      const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(end - std::chrono::steady_clock::now());
      pollfd readable{fd_, POLLIN, 0};
      if (left.count() <= 0 || ::poll(&readable, 1, static_cast<int>(left.count())) <= 0) break;
      char bytes[4096];
      const ssize_t count = ::recv(fd_, bytes, sizeof(bytes), 0);
      closed_ = count <= 0;
      if (count > 0) got_.append(bytes, static_cast<std::size_t>(count));
    }
    return got_;
  }
  // Whether the other side closes it within that time.
  bool Closes(std::chrono::milliseconds limit) {
    ReadUntil("\n\n no answer has this \n\n", limit);
    return closed_;
  }

 private:
  const int fd_;
  std::string got_;
  bool closed_ = false;
};

}  // namespace ps
