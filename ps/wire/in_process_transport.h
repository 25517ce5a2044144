// The transport between threads of one process: messages are moved, never serialised or copied.
//
// The hub may be used by any thread and may go before its transports. A transport belongs to one
// thread; its mailbox closes when it is destroyed, and what is sent there afterwards is dropped and
// counted by the sender, as it would be on a network.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "ps/wire/transport.h"

namespace ps {

class InProcessHub {
 public:
  // A mailbox holds at most `mailbox_messages`; more are dropped.
  explicit InProcessHub(std::size_t mailbox_messages = 65536);
  ~InProcessHub();
  InProcessHub(const InProcessHub&) = delete;
  InProcessHub& operator=(const InProcessHub&) = delete;

  // A transport whose endpoint is "inproc://" and `name`. AlreadyExists while another has that
  // name.
  absl::StatusOr<std::unique_ptr<Transport>> Open(std::string_view name);

  class Directory;  // the mailboxes by endpoint, shared with the transports

 private:
  std::shared_ptr<Directory> directory_;
};

}  // namespace ps
