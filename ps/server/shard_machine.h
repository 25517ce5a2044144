// A shard as a node of the cluster: says Hello until it is welcomed, has the slots that the
// scheduler's configuration gives it, beats, serves, and leaves when the scheduler says Stop or has been silent
// too long.
//
// A Machine: one thread, no socket, clock or file of its own. status() is final once finished() is
// true.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/checkpoint/checkpoint_loader.h"
#include "ps/checkpoint/checkpoint_writer.h"
#include "ps/server/shard.h"
#include "ps/server/shard_checkpoint.h"
#include "ps/wire/machine.h"

namespace ps {

// What a shard writes its part of checkpoints with, and gets slots back with.
struct CheckpointIo {
  std::unique_ptr<CheckpointWriter> writer;
  std::unique_ptr<CheckpointLoader> loader;
};

class ShardMachine : public Machine {
 public:
  struct Options {
    Address scheduler;
    std::string endpoint;  // where workers reach this shard
    std::string host;
    std::uint32_t pid = 0;
    std::uint64_t incarnation = 0;  // random
    MonotonicTime scheduler_timeout = std::chrono::seconds(30);
    std::size_t key_cache_bytes = std::size_t{256} << 20;
    Replicator::Options replication;  // `self` and `source` are set when welcomed
    // Of the path and endpoint in a plan. Empty: this shard takes part in no checkpoints.
    std::function<absl::StatusOr<CheckpointIo>(const wire::Plan& plan)> open_checkpoints;
  };
  explicit ShardMachine(Options options) : options_(std::move(options)) {}

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override;
  void OnTick(MonotonicTime now, Outbox& outbox) override;
  bool work_pending() const override { return !finished_ && shard_ != nullptr && shard_->flush_due(); }
  bool finished() const override { return finished_; }

  // Asks the scheduler to take the slots away; the machine finishes when that is done, and at once
  // where it was never welcomed.
  void Leave();

  // OK after an orderly Stop; Aborted when the job failed; Unavailable when the scheduler went
  // silent.
  const absl::Status& status() const { return status_; }
  const Shard* shard() const { return shard_.get(); }  // null until welcomed

 private:
  void OnWelcome(const wire::Welcome& welcome);
  // False for a message of a scheduler that has been replaced.
  bool FromLeader(const wire::Body& body);
  void OnStop(const wire::Stop& stop, Outbox& outbox);
  void SendHello(Outbox& outbox);
  void SendHeartbeat(MonotonicTime now, Outbox& outbox);
  void SendInsync(MonotonicTime now, Outbox& outbox);
  void SendFailure(const absl::Status& status, Outbox& outbox);

  const Options options_;
  std::unique_ptr<Shard> shard_;
  std::unique_ptr<ShardCheckpoint> checkpoint_;  // null: the job has none
  std::uint64_t leader_ = 0;  // the latest leadership term heard of
  MonotonicTime next_insync_{0};
  MonotonicTime next_round_{0};  // of what is done a few times a second, however often this machine ticks
  MonotonicTime heartbeat_interval_ = std::chrono::milliseconds(100);  // of Hello, until welcomed
  MonotonicTime next_heartbeat_{0};
  MonotonicTime last_heard_{-1};  // negative: not started
  bool leaving_ = false;
  bool finished_ = false;
  absl::Status status_;
};

}  // namespace ps
