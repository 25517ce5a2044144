// Lets threads that finish pieces of work in any order do one step of each in the pieces' order.
// Thread-safe. A thread waits at most for the pieces before its own, which other threads must have
// taken.
#pragma once

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace ps {

class OrderedTurns {
 public:
  // Waits until every piece before `sequence` is done. False: the work was stopped.
  bool Wait(std::uint64_t sequence);
  void Done();  // by the thread whose turn it is
  void Stop();  // ends all waiting

 private:
  absl::Mutex mutex_;
  std::uint64_t next_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace ps
