// What threads that work at one thing have to tell each other and the one who waits: that something failed, and
// what was first. Any thread.
#pragma once

#include <atomic>
#include <mutex>
#include <utility>

#include "absl/status/status.h"

namespace ps {

class FirstError {
 public:
  void Set(absl::Status status) {
    std::lock_guard<std::mutex> lock(mutex_);
    if (status_.ok()) status_ = std::move(status);
    failed_.store(true, std::memory_order_release);
  }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  absl::Status Get() {
    std::lock_guard<std::mutex> lock(mutex_);
    return status_;
  }

 private:
  std::mutex mutex_;
  absl::Status status_;
  std::atomic<bool> failed_{false};
};

}  // namespace ps
