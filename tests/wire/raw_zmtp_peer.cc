#include "tests/wire/raw_zmtp_peer.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "glog/logging.h"

namespace ps {
namespace {

constexpr std::uint8_t kMore = 1, kLong = 2, kCommand = 4;

int ConnectTo(const std::string& endpoint) {
  const std::size_t port = endpoint.rfind(':');
  CHECK_EQ(endpoint.rfind("tcp://127.0.0.1:", 0), 0) << endpoint;
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(std::atoi(endpoint.c_str() + port + 1)));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int socket = ::socket(AF_INET, SOCK_STREAM, 0);
  if (connect(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    close(socket);
    return -1;
  }
  const timeval deadline = {.tv_sec = 20, .tv_usec = 0};
  PCHECK(setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &deadline, sizeof deadline) == 0);
  const int at_once = 1;  // or a frame's small parts wait for acknowledgements that are delayed
  PCHECK(setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once) == 0);
  return socket;
}

void WriteAll(int socket, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = send(socket, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (written <= 0) return;  // hung up; the next read says so
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
}

std::optional<std::string> ReadExactly(int socket, std::size_t count) {
  std::string bytes(count, '\0');
  for (std::size_t at = 0; at < count;) {
    const ssize_t got = recv(socket, bytes.data() + at, count - at, 0);
    if (got <= 0) return std::nullopt;
    at += static_cast<std::size_t>(got);
  }
  return bytes;
}

}  // namespace

RawZmtpPeer::RawZmtpPeer(const std::string& endpoint) : socket_(ConnectTo(endpoint)) {
  std::string greeting = std::string("\xff\0\0\0\0\0\0\0\0\x7f\x03\0NULL", 16);
  greeting.resize(64, '\0');
  WriteAll(socket_, greeting);
  if (!ReadExactly(socket_, 64).has_value()) return;
  const std::string_view ready("\5READY\13Socket-Type\0\0\0\6DEALER", 28);
  SendFrame(kCommand, ready);
  const std::optional<Frame> answer = ReceiveFrame();
  greeted_ = answer.has_value() && (answer->flags & kCommand) != 0 &&
             answer->bytes.substr(0, 6) == "\5READY";
}

RawZmtpPeer::~RawZmtpPeer() { close(socket_); }

void RawZmtpPeer::SendFrame(std::uint8_t flags, std::string_view bytes) {
  std::string frame(1, static_cast<char>(flags | kLong));
  for (int shift = 56; shift >= 0; shift -= 8) {
    frame.push_back(static_cast<char>(std::uint64_t{bytes.size()} >> shift));
  }
  frame += bytes;
  WriteAll(socket_, frame);
}

std::optional<RawZmtpPeer::Frame> RawZmtpPeer::ReceiveFrame() {
  const std::optional<std::string> flags = ReadExactly(socket_, 1);
  if (!flags.has_value()) return std::nullopt;
  Frame frame = {.flags = static_cast<std::uint8_t>((*flags)[0]), .bytes = {}};
  const std::optional<std::string> length = ReadExactly(socket_, (frame.flags & kLong) ? 8 : 1);
  if (!length.has_value()) return std::nullopt;
  std::size_t count = 0;
  for (const char byte : *length) count = count << 8 | static_cast<unsigned char>(byte);
  std::optional<std::string> bytes = ReadExactly(socket_, count);
  if (!bytes.has_value()) return std::nullopt;
  frame.bytes = *std::move(bytes);
  return frame;
}

void RawZmtpPeer::Send(const std::vector<std::string>& parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    SendFrame(i + 1 < parts.size() ? kMore : 0, parts[i]);
  }
}

std::optional<std::vector<std::string>> RawZmtpPeer::Receive() {
  std::vector<std::string> parts;
  while (true) {
    std::optional<Frame> frame = ReceiveFrame();
    if (!frame.has_value()) return std::nullopt;
    if ((frame->flags & kCommand) != 0) continue;  // a ping
    parts.push_back(std::move(frame->bytes));
    if ((frame->flags & kMore) == 0) return parts;
  }
}

void SendBytesAndHangUp(const std::string& endpoint, std::string_view bytes) {
  const int socket = ConnectTo(endpoint);
  WriteAll(socket, bytes);
  // What the other side says first, if anything: it has then read at least a part.
  char buffer[64];
  recv(socket, buffer, sizeof buffer, 0);
  close(socket);
}

}  // namespace ps
