// A batch on its way: pulled, computed, pushed. Plain data; owned by the worker machine, its parts
// driven by ShardClient.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ps/wire/machine.h"
#include "ps/wire/routing_table.h"
#include "worker/batch.h"
#include "worker/lease_book.h"

namespace ps {

struct Flight {
  enum class Phase { kPulling, kComputable, kPushing, kLanded };

  // What goes to one shard: asked of it now, and when to ask again.
  struct Part {
    ShardIndex shard = 0;
    RoutingTable::Part keys;    // ranges of batch.keys; none in a stepped batch without keys there
    wire::KeyList description;  // signature and count
    std::uint64_t request = 0;
    bool answered = false;
    bool send_keys = true;
    int attempts = 0;           // of this phase
    int malformed = 0;          // replies that said so
    MonotonicTime deadline{0};  // then it is sent again
  };

  std::shared_ptr<HeldChunk> chunk;
  std::uint32_t index = 0;  // of the batch in its chunk
  Batch batch;
  std::vector<float> margins;
  std::vector<std::uint8_t> counts;  // rows a key, where admission needs them
  Phase phase = Phase::kPulling;
  std::uint64_t epoch = 0;  // of the routing table by which it was parted as a whole
  std::vector<Part> parts;
  std::size_t unanswered = 0;  // parts of this phase
};

}  // namespace ps
