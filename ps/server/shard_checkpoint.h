// Writes the slots that a shard is primary of, when the scheduler asks for a checkpoint: a few at
// each tick, while pushes go on. A slot is written as it is when its turn comes, with the pushes
// that it has; slots of which nothing has changed are only named.
//
// Not owned: data and replicator. One thread; never waits for storage.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ps/checkpoint/checkpoint_writer.h"
#include "ps/server/replicator.h"
#include "ps/server/slot_data.h"
#include "ps/wire/machine.h"

namespace ps {

class ShardCheckpoint {
 public:
  ShardCheckpoint(std::unique_ptr<CheckpointWriter> writer, std::uint64_t incarnation,
                  const SlotData* data, const Replicator* replicator);

  // The scheduler's request. One that is answered already is answered again.
  void OnRequest(const Address& from, const Message& request, Outbox& outbox);
  void OnTick(Outbox& outbox);

 private:
  // Gen and id. A scheduler that comes back may give an id again of which nothing was stored, in a
  // new gen: what was begun for the one before is older than what is done by then.
  using Name = std::pair<std::uint64_t, std::uint64_t>;
  enum class Phase : std::uint8_t { kIdle, kSlots, kFile, kAnswered };
  struct Line {
    SlotVersion version;
    bool written = false;
  };
  struct Held {  // an image that the writer has no room for yet
    SlotIndex slot = 0;
    SlotVersion version;
    std::string image;
  };

  void WriteSlots();
  // The lowest slot that is not done yet, or has changed hands since; nullopt where none is ready.
  std::optional<SlotIndex> NextSlot(bool* all_done);
  void Answer(Outbox& outbox);
  SlotVersion VersionOf(SlotIndex slot) const;

  const std::unique_ptr<CheckpointWriter> writer_;
  const std::uint64_t incarnation_;
  const SlotData& data_;
  const Replicator& replicator_;
  Phase phase_ = Phase::kIdle;
  Address from_;
  Name name_{0, 0};
  std::vector<SlotVersion> before_;  // of the checkpoint before; empty: everything is written
  std::map<SlotIndex, Line> lines_;
  std::optional<Held> held_;
  SlotIndex next_ = 0;
  bool any_written_ = false;
  CheckpointWriter::Event event_;
};

}  // namespace ps
