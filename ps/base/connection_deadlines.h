// Closes connections whose request takes too long to come, or whose answer is too slowly taken: a limit on
// silence alone is met by one byte now and then. A thread looks once a second and shuts such sockets down,
// which whoever polls them takes for a client that has hung up. Any thread; setting a limit is one store.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <list>
#include <mutex>
#include <thread>

namespace ps {

struct TimedConnection {
  int socket = -1;
  std::atomic<std::int64_t> deadline_ns = 0;  // of the steady clock; 0: none
  std::list<TimedConnection>::iterator place;
};

class ConnectionDeadlines {
 public:
  ConnectionDeadlines();
  ~ConnectionDeadlines();
  ConnectionDeadlines(const ConnectionDeadlines&) = delete;
  ConnectionDeadlines& operator=(const ConnectionDeadlines&) = delete;

  // A connection with no limit yet, until Remove, which comes before its socket is closed. Null may be
  // given to all of the following, and is no connection.
  TimedConnection* Add(int socket);
  void Remove(TimedConnection* connection);

  // From now on; in place of the limit that there was.
  void Limit(TimedConnection* connection, std::chrono::seconds limit);
  void Lift(TimedConnection* connection);

 private:
  void Watch();

  std::mutex mutex_;
  std::condition_variable stop_changed_;
  bool stop_ = false;                       // protected by mutex_
  std::list<TimedConnection> connections_;  // protected by mutex_
  std::thread thread_;
};

}  // namespace ps
