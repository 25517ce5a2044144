#include "trainer/control/command_queue.h"

#include <condition_variable>
#include <utility>

namespace ps {
namespace {

constexpr std::size_t kMostWaiting = 64;

absl::Status EndingError() { return absl::UnavailableError("the job is ending"); }

}  // namespace

struct CommandQueue::Waiting {
  explicit Waiting(ClusterCommand command) : command(std::move(command)) {}

  const ClusterCommand command;
  std::mutex mutex;
  std::condition_variable replied;
  std::optional<absl::StatusOr<std::string>> answer;  // protected by mutex; the first one counts

  void Reply(absl::StatusOr<std::string> text) {
    const std::lock_guard<std::mutex> lock(mutex);
    if (!answer.has_value()) answer = std::move(text);
    replied.notify_all();
  }
};

absl::StatusOr<std::string> CommandQueue::Ask(const ClusterCommand& command,
                                              std::chrono::milliseconds limit) {
  const auto waiting = std::make_shared<Waiting>(command);
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) return EndingError();
    if (asked_.size() >= kMostWaiting) {
      return absl::UnavailableError("too many commands are waiting");
    }
    asked_.push_back(waiting);
  }
  std::unique_lock<std::mutex> lock(waiting->mutex);
  if (!waiting->replied.wait_for(lock, limit, [&] { return waiting->answer.has_value(); })) {
    return absl::DeadlineExceededError("still at work");
  }
  return *waiting->answer;
}

std::optional<CommandQueue::Asked> CommandQueue::Poll() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (asked_.empty()) return std::nullopt;
  std::shared_ptr<Waiting> waiting = std::move(asked_.front());
  asked_.pop_front();
  std::erase_if(at_work_, [](const std::weak_ptr<Waiting>& other) { return other.expired(); });
  at_work_.push_back(waiting);
  ClusterCommand command = waiting->command;
  return Asked{std::move(command),
               [waiting = std::move(waiting)](absl::StatusOr<std::string> text) {
                 waiting->Reply(std::move(text));
               }};
}

void CommandQueue::Close() {
  const std::lock_guard<std::mutex> lock(mutex_);
  closed_ = true;
  for (const std::shared_ptr<Waiting>& waiting : asked_) waiting->Reply(EndingError());
  for (const std::weak_ptr<Waiting>& weak : at_work_) {
    if (const std::shared_ptr<Waiting> waiting = weak.lock()) waiting->Reply(EndingError());
  }
  asked_.clear();
  at_work_.clear();
}

}  // namespace ps
