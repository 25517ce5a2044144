// Sends one request over and over to a running ps_serve, on connections that are kept, and prints how many
// are answered and how long one takes. Each connection has a thread, and a request on its way.
#include <arpa/inet.h>
#include <gflags/gflags.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "ps/base/file.h"
#include "ps/base/program_flags.h"

DEFINE_int32(port, 8080, "of ps_serve on this machine");
DEFINE_string(path, "", "of the request, as /v1/models/NAME:predict");
DEFINE_string(body, "", "file with the request's body");
DEFINE_int32(rows, 1, "that the body has");
DEFINE_int32(connections, 2, "at once");
DEFINE_double(seconds, 5, "to measure, after a second of warming up");

namespace {

using Clock = std::chrono::steady_clock;
constexpr char kUsage[] = "usage: serving_bench --port N --path PATH --body FILE [--rows N] [--connections N] [--seconds S]\n";

[[noreturn]] void Die(const std::string& what) {
  std::cerr << "serving_bench: " << what << "\n";
  std::exit(1);
}

class Connection {
 public:
  Connection() : fd_(::socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(static_cast<std::uint16_t>(FLAGS_port));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&to), sizeof(to)) != 0) Die("nothing listens there");
  }
  ~Connection() { ::close(fd_); }

  // Of an answer of 200, which has a length.
  void Ask(const std::string& request) {
    for (std::size_t sent = 0; sent < request.size();) {
      const ssize_t count = ::send(fd_, request.data() + sent, request.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) Die("the connection broke");
      sent += static_cast<std::size_t>(count);
    }
    answer_.clear();
    std::size_t whole = 0;
    while (whole == 0 || answer_.size() < whole) {
      char buffer[64 << 10];
      const ssize_t count = ::recv(fd_, buffer, sizeof(buffer), 0);
      if (count <= 0) Die("the connection broke");
      answer_.append(buffer, static_cast<std::size_t>(count));
      if (whole == 0) whole = WholeBytes();
    }
    if (answer_.compare(0, 12, "HTTP/1.1 200") != 0) Die(answer_);
  }

 private:
  // 0: the headers are not there yet.
  std::size_t WholeBytes() const {
    constexpr char kLength[] = "Content-Length: ";
    const std::size_t end = answer_.find("\r\n\r\n"), length = answer_.find(kLength);
    if (end == std::string::npos || length > end) return 0;
    return end + 4 + static_cast<std::size_t>(std::atoll(answer_.c_str() + length + sizeof(kLength) - 1));
  }

  const int fd_;
  std::string answer_;
};

void Ask(const std::string& request, Clock::time_point begin, Clock::time_point end, std::vector<double>* microseconds) {
  Connection connection;
  while (true) {
    const Clock::time_point start = Clock::now();
    if (start >= end) return;
    connection.Ask(request);
    if (start >= begin) microseconds->push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
}

int Run() {
  const auto body = ps::ReadWholeFile(FLAGS_body);
  if (!body.ok()) Die(std::string(body.status().message()));
  const std::string request = absl::StrCat("POST ", FLAGS_path, " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: ",
                                           body->size(), "\r\n\r\n", *body);
  const Clock::time_point begin = Clock::now() + std::chrono::seconds(1);
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(FLAGS_seconds));
  std::vector<std::vector<double>> each(static_cast<std::size_t>(FLAGS_connections));
  std::vector<std::thread> clients;
  for (auto& microseconds : each) clients.emplace_back(Ask, std::cref(request), begin, end, &microseconds);
  for (std::thread& client : clients) client.join();
  std::vector<double> all;
  for (const auto& microseconds : each) all.insert(all.end(), microseconds.begin(), microseconds.end());
  if (all.empty()) Die("no request was answered in time");
  std::sort(all.begin(), all.end());
  const auto part = [&](double of_all) { return all[static_cast<std::size_t>(of_all * static_cast<double>(all.size() - 1))]; };
  const double rate = static_cast<double>(all.size()) / FLAGS_seconds;
  std::printf("%.0f requests/s, %.0f rows/s, p50 %.0f us, p99 %.0f us, worst %.0f us\n", rate, rate * FLAGS_rows, part(0.5),
              part(0.99), all.back());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ps::ParseProgramFlags("serving_bench", kUsage, __FILE__, &argc, &argv);
  return Run();
}
