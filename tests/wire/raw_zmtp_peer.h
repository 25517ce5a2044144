// A peer that speaks ZMTP 3.0 (https://rfc.zeromq.org/spec/23) by hand over TCP, to send what no
// transport of ours would. Blocking, with a deadline on every read. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace ps {

class RawZmtpPeer {
 public:
  // Connects to "tcp://127.0.0.1:PORT" and shakes hands as a DEALER.
  explicit RawZmtpPeer(const std::string& endpoint);
  ~RawZmtpPeer();
  RawZmtpPeer(const RawZmtpPeer&) = delete;
  RawZmtpPeer& operator=(const RawZmtpPeer&) = delete;

  // False when that did not work; nothing is then sent or received.
  bool greeted() const { return greeted_; }

  // Sends a multipart message.
  void Send(const std::vector<std::string>& parts);
  // The next multipart message; nullopt when the peer hung up or nothing came within 20 seconds.
  std::optional<std::vector<std::string>> Receive();

 private:
  struct Frame {
    std::uint8_t flags;
    std::string bytes;
  };
  void SendFrame(std::uint8_t flags, std::string_view bytes);
  std::optional<Frame> ReceiveFrame();

  const int socket_;  // -1: not connected
  bool greeted_ = false;
};

// Connects, sends bytes that need not be a handshake, and goes.
void SendBytesAndHangUp(const std::string& endpoint, std::string_view bytes);

}  // namespace ps
