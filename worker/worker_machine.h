// A worker as a node of the cluster: leases chunks, and for each batch of a chunk pulls weights,
// computes the gradient and pushes it, with up to `staleness` + 1 batches on their way at once, and
// none that is more than `staleness` batches ahead of the slowest worker with a lease: the
// scheduler says how many may be started (Heartbeat in message.proto).
//
// A Machine: one thread, no socket, clock or file of its own; rows come through a ChunkSource. A
// piece of work (reading a chunk, building or computing a batch) is done in OnTick, so that
// messages are looked at in between. status() is final once finished() is true.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/wire/machine.h"
#include "worker/batch.h"
#include "worker/chunk_source.h"
#include "worker/flight.h"
#include "worker/gradient_maker.h"
#include "worker/lease_book.h"
#include "worker/shard_client.h"

namespace ps {

class WorkerMachine : public Machine {
 public:
  // Opens the data that the plan names; called once, when the plan arrives.
  using OpenSource = std::function<absl::StatusOr<std::unique_ptr<ChunkSource>>(const wire::Plan&)>;

  struct Options {
    Address scheduler;
    std::string endpoint;  // where other nodes reach it
    std::string host;
    std::uint32_t pid = 0;
    std::uint64_t incarnation = 0;  // random; also seeds jitter
    MonotonicTime scheduler_timeout = std::chrono::seconds(30);
    int most_in_flight = 8;  // batches on their way, whatever the staleness
    int chunks_ahead = 2;    // leased chunks with batches to start
    // Where its GPU fails, or cannot be had: true, this node ends once the scheduler has heard of it, and its work goes
    // to others, among them a process that is started in its place (before training has begun the job fails); false, for
    // a thread, whose place nobody takes: the job fails.
    bool ends_with_gpu = true;
    // What the scheduler is told of this worker's pace is measured by it. Null: nothing is.
    std::function<MonotonicTime()> clock;
  };
  WorkerMachine(Options options, OpenSource open, std::unique_ptr<GradientModel> model);

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override;
  void OnTick(MonotonicTime now, Outbox& outbox) override;
  bool work_pending() const override;
  bool finished() const override { return finished_; }
  // Hands the leased chunks back and finishes when the scheduler has heard of it; at once where it
  // was never welcomed.
  void Leave();
  // Requests to shards that were sent again because no answer came in time.
  std::uint64_t repeated() const { return shards_.has_value() ? shards_->repeated() : 0; }

  // OK after an orderly Stop; Aborted when the job failed; Unavailable when the scheduler went
  // silent; Internal when its GPU failed, ResourceExhausted where there is none; and this worker's own
  // error where it was the one that failed the job.
  const absl::Status& status() const { return status_; }
  std::uint64_t rows() const { return rows_; }

 private:
  void OnWelcome(const wire::Welcome& welcome, MonotonicTime now);
  void OnRouting(std::uint64_t epoch, const wire::Routing& routing, MonotonicTime now,
                 Outbox& outbox);
  void OnLease(const Message& message, MonotonicTime now);
  void OnStop(const wire::Stop& stop, Outbox& outbox);
  void Fail(absl::Status status, MonotonicTime now);
  void FailOfDevice(absl::Status status, MonotonicTime now);
  // A rollback: what is leased and on its way is void.
  void BeginGen(std::uint64_t gen, MonotonicTime now);

  void SendHello(Outbox& outbox);
  void SendHeartbeat(Outbox& outbox);
  void SendFailure(Outbox& outbox);
  void RequestLease(MonotonicTime now, Outbox& outbox);

  // One piece of work; in order of preference: push what can be computed, start another batch.
  void Work(MonotonicTime now, Outbox& outbox);
  void Compute(Flight& flight, MonotonicTime now, Outbox& outbox);
  std::size_t Window() const;    // batches that may be on their way now
  bool MayStart() const;         // by the limit of bounded staleness
  HeldChunk* NextChunk() const;  // with a batch that may be started now
  void StartBatch(std::shared_ptr<HeldChunk> chunk, MonotonicTime now, Outbox& outbox);
  void ReadChunk(HeldChunk& chunk, MonotonicTime now);
  void Land(MonotonicTime now);  // reports flights that every shard has acknowledged

  const Options options_;
  const OpenSource open_;
  std::unique_ptr<GradientModel> model_;  // until the plan comes
  std::optional<wire::Plan> plan_;
  std::unique_ptr<ChunkSource> source_;
  std::optional<ShardClient> shards_;
  LeaseBook leases_;
  std::unique_ptr<GradientMaker> maker_;
  std::size_t window_ = 1;
  std::deque<std::unique_ptr<Flight>> flights_;  // on their way, in the order of starting
  std::vector<std::unique_ptr<Flight>> spare_;   // kept for their memory

  std::uint64_t lease_request_ = 0;   // outstanding; 0: none
  std::uint64_t next_lease_request_;  // starts at random, as ShardClient's do
  int lease_attempts_ = 0;
  MonotonicTime lease_deadline_{0};
  Backoff lease_backoff_;

  MonotonicTime heartbeat_interval_ = std::chrono::milliseconds(100);  // of Hello, until welcomed
  MonotonicTime next_heartbeat_{0};
  MonotonicTime last_heard_{-1};  // negative: not started
  std::uint64_t gen_ = 0;
  std::uint64_t leader_ = 0;  // the latest leadership term of the scheduler
  std::uint64_t rows_ = 0;
  std::uint64_t batches_landed_ = 0;
  MonotonicTime busy_{0};  // at work since it came
  std::uint64_t may_start_ = 0;  // bounded staleness: batches, the largest the scheduler said
  bool to_tell_ = false;  // a message changed what the scheduler should hear at once
  bool leaving_ = false;
  bool finished_ = false;
  bool of_device_ = false;  // status_ is of a GPU: others may go on
  absl::Status status_;  // not OK before finished_: the failure to report
};

}  // namespace ps
