#include "ps/base/connection_deadlines.h"

#include <sys/socket.h>

namespace ps {
namespace {

constexpr auto kLookEvery = std::chrono::seconds(1);

std::int64_t NowNs() {
  return std::chrono::nanoseconds(std::chrono::steady_clock::now().time_since_epoch()).count();
}

}  // namespace

ConnectionDeadlines::ConnectionDeadlines() : thread_([this] { Watch(); }) {}

ConnectionDeadlines::~ConnectionDeadlines() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  stop_changed_.notify_all();
  thread_.join();
}

TimedConnection* ConnectionDeadlines::Add(int socket) {
  const std::lock_guard lock(mutex_);
  TimedConnection& connection = connections_.emplace_front();
  connection.socket = socket;
  connection.place = connections_.begin();
  return &connection;
}

void ConnectionDeadlines::Remove(TimedConnection* connection) {
  if (connection == nullptr) return;
  const std::lock_guard lock(mutex_);
  connections_.erase(connection->place);
}

void ConnectionDeadlines::Limit(TimedConnection* connection, std::chrono::seconds limit) {
  if (connection == nullptr) return;
  connection->deadline_ns.store(NowNs() + std::chrono::nanoseconds(limit).count(), std::memory_order_relaxed);
}

void ConnectionDeadlines::Lift(TimedConnection* connection) {
  if (connection != nullptr) connection->deadline_ns.store(0, std::memory_order_relaxed);
}

void ConnectionDeadlines::Watch() {
  std::unique_lock lock(mutex_);
  while (!stop_changed_.wait_for(lock, kLookEvery, [this] { return stop_; })) {
    const std::int64_t now = NowNs();
    for (TimedConnection& connection : connections_) {
      const std::int64_t deadline = connection.deadline_ns.load(std::memory_order_relaxed);
      // Not closed: that is for whom it belongs to, and its number must be nobody else's until then.
      if (deadline != 0 && deadline < now) ::shutdown(connection.socket, SHUT_RDWR);
    }
  }
}

}  // namespace ps
