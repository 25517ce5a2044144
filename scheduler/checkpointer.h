// One checkpoint after the other: when one is due, what is still missing of the one that is being
// written, and which is the last that exists.
//
// Begin fixes what was done; then every shard is asked for the slots that it is primary of, again
// and again until its part is there. A slot counts iff its part comes from who is its primary, in
// that term. When all slots are there, the manifest is committed; only then does the checkpoint
// exist. A rollback voids what is being written; its id is not used again. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ps/checkpoint/checkpoint_catalog.h"
#include "ps/wire/machine.h"
#include "scheduler/cluster_command.h"
#include "scheduler/slot_map.h"

namespace ps {

class Checkpointer {
 public:
  struct Options {
    MonotonicTime every = std::chrono::seconds(60);  // from the end of one to the begin of the next
    int full_every = 10;                             // the others have what has changed
    bool always_full = false;
    MonotonicTime limit = std::chrono::minutes(15);  // to be written in
    MonotonicTime ask_again = std::chrono::milliseconds(500);
  };
  // `resumed`: the checkpoint that the job goes on from.
  Checkpointer(const Options& options, std::shared_ptr<CheckpointCatalog> catalog,
               std::optional<checkpoint::Manifest> resumed);

  bool idle() const { return phase_ == Phase::kIdle; }
  bool collecting() const { return phase_ == Phase::kParts; }  // parts of shards
  bool Due(MonotonicTime now) const;
  // By command: the next one is due now. Every reply is called once it exists, or has failed.
  void Ask(CommandReply reply);
  void AskNow() { asked_ = true; }

  // `head` has all but id, files, slots and `full`. Requires idle().
  void Begin(checkpoint::Manifest head, MonotonicTime now);
  // The one that is being written is void.
  void Abort(const std::string& why, MonotonicTime now);
  // The job ends: whoever asked for a checkpoint will not get one.
  void End();

  // Asks the shards that have not answered.
  struct Shard {
    NodeId node = kNobody;
    Address address;
    std::uint64_t incarnation = 0;
  };
  void OnTick(const std::vector<Shard>& primaries, const SlotMap& slots, MonotonicTime now,
              Outbox& outbox);
  void OnPart(const Shard& from, const Message& message, const SlotMap& slots, MonotonicTime now);

  // What has happened since the last call, for people; empty: nothing.
  std::string TakeNews();

  const checkpoint::Manifest* latest() const { return latest_ ? &*latest_ : nullptr; }
  std::uint64_t written() const { return written_; }  // since the job began
  MonotonicTime latest_at() const { return latest_at_; }
  bool failed_last() const { return failed_; }

 private:
  enum class Phase : std::uint8_t { kIdle, kParts, kManifest };
  struct Part {
    std::uint32_t file = 0;  // position in the manifest's list; unused where nothing was written
    bool here = false;
    MonotonicTime asked_at{-1};
  };

  void Fail(const std::string& why, MonotonicTime now);
  void Answer(const absl::StatusOr<std::string>& answer);
  std::uint64_t BytesWritten() const;  // for the manifest at hand

  const Options options_;
  const std::shared_ptr<CheckpointCatalog> catalog_;
  std::optional<checkpoint::Manifest> latest_;
  MonotonicTime latest_at_{-1};
  MonotonicTime next_at_{-1};  // negative: not known before the first Due
  bool asked_ = false;
  bool failed_ = false;
  int since_full_ = 0;
  bool next_full_ = true;
  std::uint64_t written_ = 0;
  std::vector<CommandReply> replies_;
  std::string news_;

  Phase phase_ = Phase::kIdle;
  bool void_ = false;  // kManifest: a rollback came meanwhile
  checkpoint::Manifest manifest_;
  std::vector<bool> covered_;
  std::map<NodeId, Part> parts_;
  MonotonicTime began_{0};
};

}  // namespace ps
