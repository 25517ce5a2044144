// How many servers and workers a job should have, from how it goes: a decision from numbers alone.
// The same observations always give the same decisions.
//
// Servers follow the memory of their tables, workers the rows learnt a second. A change has to be
// wanted by two observations in a row, and another one waits until the nodes of the last have come
// or gone; to shrink takes more than not to grow. Workers that brought no speed are not followed by
// more. One thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "ps/wire/machine.h"

namespace ps {

struct ScalePolicy {
  double memory_per_server = 0;  // bytes of a table; 0: the number of servers stays
  double rows_per_second = 0;    // of the job; 0: the number of workers stays
  std::uint32_t min_servers = 1, max_servers = 1;
  std::uint32_t min_workers = 1, max_workers = 1;
  MonotonicTime every = std::chrono::seconds(10);  // an observation
};

struct ScaleObservation {
  std::uint32_t servers = 1, workers = 1;  // as they are to be
  bool settled = true;       // they are there, and slots are where they belong
  double table_bytes = 0;    // that the entries of all servers need
  double rows_per_second = 0;
};

struct ScaleDecision {
  std::uint32_t servers = 1, workers = 1;
  std::string reason;
};

class ScaleDecider {
 public:
  explicit ScaleDecider(const ScalePolicy& policy) : policy_(policy) {}

  // Once every `policy.every`. Nothing: it stays as it is.
  std::optional<ScaleDecision> Decide(const ScaleObservation& seen);

 private:
  struct Wish {  // that was seen before
    std::uint32_t from = 0, to = 0;
  };
  std::uint32_t WantedServers(const ScaleObservation& seen) const;
  std::uint32_t WantedWorkers(const ScaleObservation& seen);
  // True when a change in this direction was wanted the last time too.
  static bool Again(std::uint32_t from, std::uint32_t to, Wish* before);

  const ScalePolicy policy_;
  Wish servers_, workers_;
  // The last growth of workers, until it is judged: how fast it was before.
  std::optional<double> rate_before_growth_;
  std::optional<std::uint32_t> useless_above_;  // workers
  std::uint32_t servers_then_ = 0;              // when that was found
};

}  // namespace ps
