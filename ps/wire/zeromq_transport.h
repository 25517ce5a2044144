// The transport between processes, over ZeroMQ.
//
// A transport binds one ROUTER socket, where requests of others arrive, and opens a DEALER socket
// for each endpoint that it sends to first. A message from a peer that was reached by its endpoint
// has that endpoint as `from`; any other has a reply address, "id:" and the peer's routing id,
// which stays the same when the peer reconnects. Frames travel as multipart messages, a head and a
// part for each section, so bulk is not copied on the way out and once on the way in. A malformed
// frame is answered and counted, never passed on.
//
// A transport belongs to one thread; different transports of one context may be used by different
// threads.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "ps/wire/curve.h"
#include "ps/wire/transport.h"

namespace ps {

// ZeroMQ's I/O threads, and the keys of all connections. Transports keep it alive. The first one of a
// process makes malloc keep up to 64 MiB of freed memory in each of its arenas, which transfers of
// bulk need to be fast.
class ZeroMqContext {
 public:
  explicit ZeroMqContext(CurveKeys keys = {}, int io_threads = 1);
  ~ZeroMqContext();  // waits for the last messages of its transports, each as long as its linger
  ZeroMqContext(const ZeroMqContext&) = delete;
  ZeroMqContext& operator=(const ZeroMqContext&) = delete;

  void* handle() const { return handle_; }
  const CurveKeys& keys() const { return keys_; }

 private:
  void* const handle_;
  const CurveKeys keys_;
  std::unique_ptr<CurveGate> gate_;  // null without keys
};

struct ZeroMqOptions {
  // "tcp://HOST:PORT" or "ipc://PATH". Port 0 takes a free one.
  std::string bind = "tcp://127.0.0.1:0";
  // What others are told instead of the bound host, e.g. where `bind` is tcp://0.0.0.0:0; empty:
  // the same.
  std::string advertised_host;
  std::shared_ptr<ZeroMqContext> context;  // null: one of its own
  int queue_messages =
      256;  // high-water mark for each peer and direction; what is beyond is dropped
  MonotonicTime linger = std::chrono::seconds(2);  // for messages still in queues at the end
  MonotonicTime heartbeat =
      std::chrono::seconds(1);  // idle time before a ping; 10 unanswered: reconnect
  bool bulk_checksum = true;    // CRC32C of sections sent
  int socket_buffer_bytes = 0;  // of the kernel, each way; 0: the kernel's own choice
};

// InvalidArgument for an address that is none, Unavailable where it cannot be bound.
absl::StatusOr<std::unique_ptr<Transport>> OpenZeroMqTransport(const ZeroMqOptions& options);

}  // namespace ps
