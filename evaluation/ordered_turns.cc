#include "evaluation/ordered_turns.h"

namespace ps {

bool OrderedTurns::Wait(std::uint64_t sequence) {
  absl::MutexLock lock(&mutex_);
  const auto ready = [this, sequence]() ABSL_SHARED_LOCKS_REQUIRED(mutex_) {
    return stopped_ || next_ == sequence;
  };
  mutex_.Await(absl::Condition(&ready));
  return !stopped_;
}

void OrderedTurns::Done() {
  absl::MutexLock lock(&mutex_);
  ++next_;
}

void OrderedTurns::Stop() {
  absl::MutexLock lock(&mutex_);
  stopped_ = true;
}

}  // namespace ps
