// How long to wait before asking again: doubling from `first` to `longest`, each time up to a
// quarter more or less so that many who failed together do not come back together. Seeded: a run
// can be replayed. One thread.
#pragma once

#include <algorithm>
#include <cstdint>

#include "ps/base/key.h"
#include "ps/wire/machine.h"

namespace ps {

class Backoff {
 public:
  Backoff(MonotonicTime first, MonotonicTime longest, std::uint64_t seed)
      : first_(first), longest_(longest), state_(seed) {}

  // Before attempt number `attempt` + 1, where 0 attempts have failed so far at the first sending.
  MonotonicTime Wait(int attempt) {
    const MonotonicTime plain =
        std::min(longest_, first_ * (std::int64_t{1} << std::min(attempt, 20)));
    state_ = Mix64(state_);
    const double jitter = 0.75 + 0.5 * static_cast<double>(state_ >> 11) * 0x1p-53;
    return MonotonicTime(static_cast<std::int64_t>(plain.count() * jitter) + 1);
  }

 private:
  MonotonicTime first_;
  MonotonicTime longest_;
  std::uint64_t state_;
};

}  // namespace ps
