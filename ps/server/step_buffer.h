// Staleness 0: the pushes of a step are collected and applied together, so that the table's bytes
// depend on neither the number of workers nor the order of arrival.
//
// A step is (pass, round r, batch j): batch j of each chunk of round r that has so many. A worker
// pushes every batch to every shard, without keys where none is the shard's, so each shard can tell
// when a step is whole. It then adds up each key's gradients in ascending chunk order and applies
// the sum as one step of the optimiser, n += (sum g)^2. (Applying the G contributions one after the
// other would be G steps from the same stale weight, which overshoots and, at large batches,
// diverges.)
//
// Pulls name the step they need. A batch is pushed only after every shard has answered its pull,
// that is, has committed the step before; so no shard is ever more than one step ahead of another.
// But a worker that takes over a dead one's chunk does all batches again of which the scheduler has
// not heard, and what it predicts of them counts: the weights before each step of a round are kept
// until the next round, which begins when the scheduler has heard of all. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

#include "absl/types/span.h"
#include "ps/table/slot_table.h"
#include "ps/wire/key_list_cache.h"

namespace ps {

struct Step {
  std::uint32_t pass = 0;
  std::uint32_t round = 0;
  std::uint32_t batch = 0;
  friend auto operator<=>(const Step&, const Step&) = default;
};

// The chunks of a round: [first, first + count).
struct RoundChunks {
  std::uint32_t first = 0;
  std::uint32_t count = 0;
  friend bool operator==(const RoundChunks&, const RoundChunks&) = default;
};

// One chunk's part of a step.
struct Contribution {
  std::uint32_t chunk = 0;
  bool last_of_chunk = false;        // no further batch of this chunk follows
  SharedKeys keys;                   // may be empty, never null
  std::vector<float> gradients;      // as many a key as the table has lanes
  std::vector<std::uint8_t> counts;  // rows a key; empty: 1 each
};

class StepBuffer {
 public:
  enum class Accepted {
    kBuffered,
    kRepeated,    // the step is committed, or this chunk's part is here already
    kTooEarly,    // an earlier step is not committed: not kept
    kImpossible,  // contradicts what is known of the round
  };
  Accepted Add(const Step& step, const RoundChunks& round, Contribution contribution);

  // Applies the current step if it is whole; true when it did.
  bool Commit(SlotTable& table);

  // Whether all steps before `step` are committed.
  bool Ready(const Step& step) const;

  // The weights that `step` starts from. Requires Ready(step). Those of earlier rounds are gone;
  // nobody waits for what is computed from the present ones.
  void Pull(const SlotTable& table, const Step& step, absl::Span<const Key> keys,
            absl::Span<float> weights) const;

 private:
  bool Whole() const;

  // Sum of all contributions by key, in ascending chunk order.
  struct Sum {
    std::vector<Key> keys;
    std::vector<float> gradients;
    std::vector<std::uint8_t> counts;
  };
  static Sum Merge(Sum sum, const Contribution& next, std::size_t lanes);

  bool open_ = false;  // between the first push of a round and the commit of its last step
  bool any_committed_ = false;
  Step step_;                // open: the step being collected
  RoundChunks round_;        // open
  std::vector<bool> ended_;  // open: chunks whose last batch is committed
  std::map<std::uint32_t, Contribution> contributions_;
  Step last_;  // the last committed step
  struct Before {
    Step step;
    std::vector<Key> keys;       // that it touched, ascending
    std::vector<float> weights;  // of them before it, every lane
  };
  std::vector<Before> before_;  // of the committed steps of a round, ascending
  std::vector<std::vector<float>> spare_;  // memory of earlier rounds
};

}  // namespace ps
