// The last changes of state of a job, for people. One thread.
#pragma once

#include <deque>
#include <string>
#include <utility>

#include "ps/wire/machine.h"

namespace ps {

class EventLog {
 public:
  struct Event {
    MonotonicTime at{0};
    std::string text;
  };
  void Add(MonotonicTime at, std::string text) {
    events_.push_back({at, std::move(text)});
    if (events_.size() > kKept) events_.pop_front();
  }
  const std::deque<Event>& events() const { return events_; }

 private:
  static constexpr std::size_t kKept = 64;
  std::deque<Event> events_;
};

}  // namespace ps
