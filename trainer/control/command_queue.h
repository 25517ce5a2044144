// Commands on their way from people (threads of the HTTP server) to the loop that runs the job, and
// the answers back.
//
// Ask may be called from any thread, Poll from the loop's. A reply may come at any time later, also
// after the queue is gone. After Close nobody waits any more.
#pragma once

#include <chrono>
#include <deque>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "scheduler/cluster_command.h"

namespace ps {

class CommandQueue {
 public:
  struct Asked {
    ClusterCommand command;
    CommandReply reply;
  };

  ~CommandQueue() { Close(); }

  // Blocks until the loop has replied. DeadlineExceeded after `limit`: it may still be carried out.
  // Unavailable once the queue is closed, or full.
  absl::StatusOr<std::string> Ask(const ClusterCommand& command, std::chrono::milliseconds limit);

  // The next one, if there is any.
  std::optional<Asked> Poll();

  // The job has ended: those that wait, and all to come, are told so.
  void Close();

 private:
  struct Waiting;  // shared by the one who asks and the one who replies

  std::mutex mutex_;
  bool closed_ = false;                          // protected by mutex_, as are:
  std::deque<std::shared_ptr<Waiting>> asked_;   // not polled yet
  std::vector<std::weak_ptr<Waiting>> at_work_;  // polled
};

}  // namespace ps
