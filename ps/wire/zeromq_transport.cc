#include "ps/wire/zeromq_transport.h"

#include <malloc.h>
#include <zmq.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <deque>
#include <optional>
#include <random>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "glog/logging.h"
#include "ps/wire/frame.h"

namespace ps {
namespace {

constexpr std::string_view kReplyPrefix = "id:";
// Smaller parts are copied: cheaper than a second allocation and a call back.
constexpr std::size_t kZeroCopyBytes = 1024;
// Messages taken from a socket before the next one has its turn.
constexpr int kMessagesPerTurn = 16;
constexpr int kHeartbeatsMissed = 10;
constexpr int kFirstReconnectMs = 20;
constexpr int kLongestReconnectMs = 1000;
constexpr int kMaxSockets = 16384;
// Sections of up to 32 MiB (the most that glibc allows) come from the heap and freed ones stay
// there. By default each is handed back to the kernel and faulted in again page by page, which was
// three quarters of the processor time of a transfer of 1 MiB sections.
constexpr int kKeptSectionBytes = 32 << 20;
constexpr int kKeptFreeBytes = 64 << 20;

int Milliseconds(MonotonicTime time) {
  return static_cast<int>(std::chrono::ceil<std::chrono::milliseconds>(time).count());
}

absl::Status ZmqError(std::string_view what, std::string_view where) {
  const int error = zmq_errno();
  const std::string message =
      absl::StrFormat("'%s' %s: %s", std::string(where), std::string(what), zmq_strerror(error));
  if (error == EINVAL || error == EPROTONOSUPPORT) return absl::InvalidArgumentError(message);
  return absl::UnavailableError(message);
}

// A part of a multipart message.
class Part {
 public:
  Part() { zmq_msg_init(&message_); }
  // Takes the bytes over without copying them when they are many; they are freed by the I/O thread.
  explicit Part(std::string bytes) {
    if (bytes.size() < kZeroCopyBytes) {
      CHECK_EQ(zmq_msg_init_size(&message_, bytes.size()), 0);
      if (!bytes.empty()) std::memcpy(zmq_msg_data(&message_), bytes.data(), bytes.size());
      return;
    }
    auto* const owned = new std::string(std::move(bytes));
    CHECK_EQ(zmq_msg_init_data(&message_, owned->data(), owned->size(), &FreeString, owned), 0);
  }
  // Bytes that belong to `owner`.
  Part(const std::string& bytes, std::shared_ptr<const void> owner) {
    if (bytes.size() < kZeroCopyBytes) {
      CHECK_EQ(zmq_msg_init_size(&message_, bytes.size()), 0);
      if (!bytes.empty()) std::memcpy(zmq_msg_data(&message_), bytes.data(), bytes.size());
      return;
    }
    auto* const kept = new std::shared_ptr<const void>(std::move(owner));
    CHECK_EQ(zmq_msg_init_data(&message_, const_cast<char*>(bytes.data()), bytes.size(), &FreeOwner, kept), 0);
  }
  ~Part() { zmq_msg_close(&message_); }
  Part(const Part&) = delete;
  Part& operator=(const Part&) = delete;

  bool Send(void* socket, bool more) {
    const int flags = ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0);
    return zmq_msg_send(&message_, socket, flags) >= 0;
  }
  bool Receive(void* socket) { return zmq_msg_recv(&message_, socket, ZMQ_DONTWAIT) >= 0; }
  bool more() const { return zmq_msg_more(&message_) != 0; }
  std::string_view bytes() {
    return {static_cast<const char*>(zmq_msg_data(&message_)), zmq_msg_size(&message_)};
  }

 private:
  static void FreeString(void*, void* hint) { delete static_cast<std::string*>(hint); }
  static void FreeOwner(void*, void* hint) { delete static_cast<std::shared_ptr<const void>*>(hint); }

  zmq_msg_t message_;
};

class Socket {
 public:
  Socket(const ZeroMqContext& context, int type, const ZeroMqOptions& options)
      : handle_(zmq_socket(context.handle(), type)) {
    if (handle_ == nullptr) return;
    Set(ZMQ_LINGER, Milliseconds(options.linger));
    Set(ZMQ_SNDHWM, options.queue_messages);
    Set(ZMQ_RCVHWM, options.queue_messages);
    Set(ZMQ_RECONNECT_IVL, kFirstReconnectMs);
    Set(ZMQ_RECONNECT_IVL_MAX, kLongestReconnectMs);
    const int heartbeat_ms = Milliseconds(options.heartbeat);
    Set(ZMQ_HEARTBEAT_IVL, heartbeat_ms);
    Set(ZMQ_HEARTBEAT_TIMEOUT, kHeartbeatsMissed * heartbeat_ms);
    Set(ZMQ_HEARTBEAT_TTL, kHeartbeatsMissed * heartbeat_ms);
    if (options.socket_buffer_bytes > 0) {
      Set(ZMQ_SNDBUF, options.socket_buffer_bytes);
      Set(ZMQ_RCVBUF, options.socket_buffer_bytes);
    }
    const std::int64_t largest = kMaxFrameBytes;
    zmq_setsockopt(handle_, ZMQ_MAXMSGSIZE, &largest, sizeof largest);
  }
  ~Socket() {
    if (handle_ != nullptr) zmq_close(handle_);
  }
  Socket(const Socket&) = delete;
  Socket& operator=(const Socket&) = delete;

  void Set(int option, int value) { zmq_setsockopt(handle_, option, &value, sizeof value); }
  void* handle() const { return handle_; }

 private:
  void* const handle_;
};

std::string RandomRoutingId() {
  std::random_device random;
  const std::uint64_t high = random();
  return absl::StrFormat("%016x", (high << 32) | random());
}

class ZeroMqTransport : public Transport {
 public:
  ZeroMqTransport(ZeroMqOptions options, std::unique_ptr<Socket> router, std::string endpoint)
      : options_(std::move(options)),
        endpoint_(std::move(endpoint)),
        routing_id_(RandomRoutingId()),
        router_(std::move(router)) {
    Listen(router_.get());
  }

  void Send(const Address& to, Message message) override {
    SendFrame(to, message, [&](std::size_t i) { return Part(std::move(message.sections[i])); });
  }

  void SendShared(const Address& to, std::shared_ptr<const Message> message) override {
    SendFrame(to, *message, [&](std::size_t i) { return Part(message->sections[i], message); });
  }

  std::optional<Inbound> Receive(MonotonicTime timeout) override {
    if (inbox_.empty()) Poll(timeout);
    if (inbox_.empty()) return std::nullopt;
    Inbound inbound = std::move(inbox_.front());
    inbox_.pop_front();
    return inbound;
  }

  std::string endpoint() const override { return endpoint_; }
  TransportStats stats() const override { return stats_; }

 private:
  struct Peer {
    std::unique_ptr<Socket> dealer;  // null: the endpoint is none that can be connected to
  };

  void Listen(Socket* socket) {
    polled_.push_back({.socket = socket->handle(), .fd = 0, .events = ZMQ_POLLIN, .revents = 0});
  }

  // `part_of` makes the part of the i-th section.
  template <typename PartOf>
  void SendFrame(const Address& to, const Message& message, const PartOf& part_of) {
    absl::StatusOr<std::string> head =
        EncodeFrameHead(message, {.bulk_checksum = options_.bulk_checksum});
    if (!head.ok()) {
      LOG(ERROR) << endpoint_ << ": message for " << to << " not sent: " << head.status();
      ++stats_.dropped;
      return;
    }
    std::size_t bytes = head->size();
    for (const std::string& section : message.sections) bytes += section.size();
    if (!SendParts(to, *std::move(head), message.sections.size(), part_of)) {
      ++stats_.dropped;
      return;
    }
    ++stats_.frames_out;
    stats_.bytes_out += bytes;
  }

  // The parts after a first one that was accepted go the same way, so only that one can be refused.
  template <typename PartOf>
  bool SendParts(const Address& to, std::string head, std::size_t sections, const PartOf& part_of) {
    void* socket = router_->handle();
    if (to.rfind(kReplyPrefix, 0) == 0) {
      Part id(to.substr(kReplyPrefix.size()));
      if (!id.Send(socket, /*more=*/true)) return false;  // not connected, or its queue is full
    } else {
      const Socket* dealer = Connect(to);
      if (dealer == nullptr) return false;
      socket = dealer->handle();
    }
    Part first(std::move(head));
    bool sent = first.Send(socket, sections > 0);
    for (std::size_t i = 0; sent && i < sections; ++i) sent = part_of(i).Send(socket, i + 1 < sections);
    return sent;
  }

  // The socket for an endpoint, connected when it is first used. Endpoints come in messages, so one
  // that is wrong is an event to log, once.
  const Socket* Connect(const Address& endpoint) {
    const auto [at, added] = peers_.try_emplace(endpoint);
    if (!added) return at->second.dealer.get();
    auto dealer = std::make_unique<Socket>(*options_.context, ZMQ_DEALER, options_);
    if (dealer->handle() == nullptr) {
      LOG(ERROR) << endpoint_ << ": " << ZmqError("no socket", endpoint);
      return nullptr;
    }
    SecureConnector(dealer->handle(), options_.context->keys());
    zmq_setsockopt(dealer->handle(), ZMQ_ROUTING_ID, routing_id_.data(), routing_id_.size());
    if (zmq_connect(dealer->handle(), endpoint.c_str()) != 0) {
      LOG(ERROR) << endpoint_ << ": " << ZmqError("cannot be connected to", endpoint);
      return nullptr;
    }
    at->second.dealer = std::move(dealer);
    Listen(at->second.dealer.get());
    dealer_endpoints_.push_back(endpoint);
    return at->second.dealer.get();
  }

  void Poll(MonotonicTime timeout) {
    const int ready = zmq_poll(polled_.data(), static_cast<int>(polled_.size()),
                               std::max(0, Milliseconds(timeout)));
    if (ready <= 0) return;  // nothing, or a signal: the caller looks at its clock either way
    for (std::size_t i = 0; i < polled_.size(); ++i) {
      if ((polled_[i].revents & ZMQ_POLLIN) == 0) continue;
      for (int turn = 0; turn < kMessagesPerTurn; ++turn) {
        if (!ReceiveOne(i)) break;
      }
    }
  }

  // Takes a message from the i-th socket, the router or a dealer. False when none is there.
  bool ReceiveOne(std::size_t i) {
    void* const socket = polled_[i].socket;
    Part part;
    if (!part.Receive(socket)) return false;
    Address from;
    if (i == 0) {
      from = absl::StrCat(std::string(kReplyPrefix), std::string(part.bytes()));
      if (!part.more()) return Refuse(from, absl::InvalidArgumentError("frame: no parts"), {});
      part.Receive(socket);
    } else {
      from = dealer_endpoints_[i - 1];
    }
    ++stats_.frames_in;
    stats_.bytes_in += part.bytes().size();
    absl::StatusOr<FrameHead> head = DecodeFrameHead(part.bytes());
    if (head.ok() && head->bytes != part.bytes().size()) {
      head = absl::InvalidArgumentError(
          absl::StrCat("frame: byte ", head->bytes, ": more bytes in the part of header and body"));
    }
    Message message;
    bool more = part.more();
    std::size_t parts = 0;
    for (; more; ++parts) {  // to the end even when refused: the rest belongs to this message
      part.Receive(socket);
      more = part.more();
      stats_.bytes_in += part.bytes().size();
      if (head.ok() && parts < kMaxSections) message.sections.emplace_back(part.bytes());
    }
    if (!head.ok()) return Refuse(from, head.status(), {});
    if (parts > kMaxSections) {
      return Refuse(from,
                    absl::InvalidArgumentError(absl::StrCat("frame: ", parts, " sections came")),
                    head->body);
    }
    if (absl::Status status = CheckSections(*head, message.sections); !status.ok()) {
      return Refuse(from, status, head->body);
    }
    message.body = std::move(head->body);
    inbox_.push_back({std::move(from), std::move(message)});
    return true;
  }

  // `body` is the refused frame's, as far as it could be read. An error is not answered with an
  // error.
  bool Refuse(const Address& from, const absl::Status& why, const wire::Body& body) {
    ++stats_.bad_frames;
    if (!body.has_error()) Send(from, MalformedReply(why, body.request()));
    return true;
  }

  const ZeroMqOptions options_;  // keeps the context, so it goes last
  const std::string endpoint_;
  const std::string routing_id_;
  const std::unique_ptr<Socket> router_;
  absl::flat_hash_map<Address, Peer> peers_;
  std::vector<zmq_pollitem_t> polled_;     // the router, then the dealers
  std::vector<Address> dealer_endpoints_;  // of polled_[1], polled_[2], ...
  std::deque<Inbound> inbox_;
  TransportStats stats_;
};

// The bound endpoint, with port 0 resolved and the host replaced by the advertised one.
std::string EndpointOf(const Socket& router, const std::string& advertised_host) {
  char bound[1024];
  std::size_t length = sizeof bound;
  CHECK_EQ(zmq_getsockopt(router.handle(), ZMQ_LAST_ENDPOINT, bound, &length), 0);
  const std::string endpoint(bound);
  const std::size_t port = endpoint.rfind(':');
  if (advertised_host.empty() || endpoint.rfind("tcp://", 0) != 0) return endpoint;
  return absl::StrCat("tcp://", advertised_host, endpoint.substr(port));
}

}  // namespace

ZeroMqContext::ZeroMqContext(CurveKeys keys, int io_threads)
    : handle_(zmq_ctx_new()), keys_(std::move(keys)) {
  CHECK(handle_ != nullptr) << zmq_strerror(zmq_errno());
  mallopt(M_MMAP_THRESHOLD, kKeptSectionBytes);
  mallopt(M_TRIM_THRESHOLD, kKeptFreeBytes);
  zmq_ctx_set(handle_, ZMQ_IO_THREADS, io_threads);
  zmq_ctx_set(handle_, ZMQ_MAX_SOCKETS, kMaxSockets);
  if (!keys_.empty()) gate_ = std::make_unique<CurveGate>(handle_, keys_);
}

ZeroMqContext::~ZeroMqContext() {
  // Messages that linger for a peer may need the gate of this end to be open for it, so it stays
  // until the context is terminated, which ends its thread.
  while (zmq_ctx_term(handle_) != 0 && zmq_errno() == EINTR) {
  }
}

absl::StatusOr<std::unique_ptr<Transport>> OpenZeroMqTransport(const ZeroMqOptions& options) {
  ZeroMqOptions own = options;
  if (own.context == nullptr) own.context = std::make_shared<ZeroMqContext>();
  auto router = std::make_unique<Socket>(*own.context, ZMQ_ROUTER, own);
  if (router->handle() == nullptr) return ZmqError("no socket", own.bind);
  // A peer that is gone is an error of the send, so that it is counted; a peer that comes back with
  // its routing id takes its place over.
  router->Set(ZMQ_ROUTER_MANDATORY, 1);
  router->Set(ZMQ_ROUTER_HANDOVER, 1);
  SecureListener(router->handle(), own.context->keys());
  if (zmq_bind(router->handle(), own.bind.c_str()) != 0)
    return ZmqError("cannot be bound", own.bind);
  std::string endpoint = EndpointOf(*router, own.advertised_host);
  return std::make_unique<ZeroMqTransport>(std::move(own), std::move(router), std::move(endpoint));
}

}  // namespace ps
