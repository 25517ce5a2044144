// Runs a job: waits for its nodes, hands out chunks pass by pass, collects progress, moves whole
// weights in and out, and ends everything.
//
//   gathering -> importing -> training <-> exporting -> stopping -> finished
//   returning (to the nodes of an earlier scheduler) -> importing
//
// Each concern is a type of its own: Membership (who), SlotMap (who holds what), ChunkLedger (what is
// done), WeightExporter and WeightImporter (weights), PassBooks (counts and metrics). This machine only connects them to
// messages. Every wait has a limit, and running over it is an error that names the peer: nothing
// hangs. A Machine: one thread. status() is final once finished() is true.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/types/span.h"
#include "glog/logging.h"
#include "models/data/data_files.h"
#include "ps/state_store/state_store.h"
#include "ps/wire/machine.h"
#include "ps/wire/routing_table.h"
#include "scheduler/checkpointer.h"
#include "scheduler/chunk_ledger.h"
#include "scheduler/cluster_command.h"
#include "scheduler/cluster_status.h"
#include "scheduler/event_log.h"
#include "scheduler/job_events.h"
#include "scheduler/membership.h"
#include "scheduler/pass_books.h"
#include "scheduler/scale_policy.h"
#include "scheduler/slot_map.h"
#include "scheduler/staleness_bound.h"
#include "scheduler/weight_transfer.h"
#include "scheduler/worker_pace.h"

namespace ps {

// Of a scheduler's stored records: the checkpoint that slots go back to (0: none), and whether there may
// be nodes to go on with. DataLoss: damaged.
absl::StatusOr<std::uint64_t> StoredCheckpoint(const std::map<std::string, std::string>& records);
bool HasStoredNodes(const std::map<std::string, std::string>& records);

class SchedulerMachine : public Machine {
 public:
  struct Options {
    wire::Plan plan;
    std::uint32_t shards = 1;
    std::uint32_t workers = 1;
    int replicas = 1;
    std::vector<FileRange> chunks;  // of every pass, in order
    std::uint32_t passes = 1;
    bool export_every_pass = false;  // before OnPassEnd; the last pass's weights always are
    double max_bad_rows = 1.0;       // fraction of lines
    MonotonicTime gather_limit = std::chrono::seconds(60);
    MonotonicTime dead_after = std::chrono::seconds(10);   // of silence
    MonotonicTime lease_limit = std::chrono::seconds(20);  // without progress
    MonotonicTime no_workers_limit = std::chrono::seconds(60);
    MonotonicTime no_servers_limit = std::chrono::seconds(60);  // for slots that nobody has
    // With every node alive but nothing getting done: shards that workers cannot reach, say.
    MonotonicTime stall_limit = std::chrono::minutes(10);
    MonotonicTime interrupt_limit = std::chrono::seconds(10);  // for leased chunks to be finished
    MonotonicTime stop_limit = std::chrono::seconds(2);        // for nodes to say Stopped
    MonotonicTime heartbeat = std::chrono::milliseconds(500);
    // The same of a worker that is not yet known to have its GPU: where the plan wants one, it says nothing
    // while the driver starts.
    MonotonicTime device_limit = std::chrono::seconds(60);
    int silent_beats = 4;  // of a worker that is missed: its chunks go to others
    std::function<bool()> stop_requested;  // polled; true: finish what is leased, export, and end
    // Polled; true: store what is done and end without a word to the nodes, with which the next
    // scheduler goes on. Needs a store.
    std::function<bool()> hand_over;
    // Why the number of nodes cannot be changed by command. Empty: it can, whoever made this machine
    // starts and replaces processes until there are as many as wanted() says.
    std::string scaling_refusal = "the number of nodes of this job is fixed";
    // A node that leaves has its process ended by somebody else (SetWanted, Leaving), who would start
    // one that stops by itself again. So it is told to stop when it asks for that, or by Release.
    bool ended_from_outside = false;
    std::optional<ScalePolicy> scale_policy;  // none: only by command
    std::shared_ptr<CheckpointCatalog> checkpoints;  // null: the job writes none
    Checkpointer::Options checkpointing;
    std::string plan_digest;                         // of all that a job must share to go on
    std::string job_name;
    std::optional<checkpoint::Manifest> resume;      // of such a job
    // What must outlive this machine; null: nothing. It is committed to in the machine's thread.
    std::shared_ptr<StateStore> store;
    std::map<std::string, std::string> stored;  // by an earlier scheduler of the job: its nodes may be there
    MonotonicTime progress_interval = std::chrono::seconds(1);  // of storing what is done
  };
  // `events` is not owned.
  SchedulerMachine(Options options, JobEvents* events);

  void OnMessage(const Address& from, Message message, MonotonicTime now, Outbox& outbox) override;
  void OnTick(MonotonicTime now, Outbox& outbox) override;
  bool work_pending() const override { return changed_; }
  bool finished() const override { return phase_ == Phase::kFinished; }

  // For a coordinator that started the nodes itself: a process has ended, otherwise than it was
  // told to. `what` says how. Sooner known than by its silence.
  void OnProcessEnded(std::uint32_t pid, const std::string& what);

  // How many nodes there shall be, by the job or by command.
  struct Wanted {
    std::uint32_t servers = 1;  // shards
    std::uint32_t workers = 1;
    bool operator==(const Wanted&) const = default;
  };
  const Wanted& wanted() const { return wanted_; }
  // Training has begun and goes on: what ends is to be replaced.
  bool running() const;
  // Processes that are asked to leave, or have left: not to be replaced.
  std::set<std::uint32_t> LeavingPids() const;

  // For whoever ends the nodes' processes. Those that are to leave by command, and wait for it:
  struct LeavingNode {
    NodeId node = kNoNode;
    wire::Role role = wire::NONE;
    std::string host;
    bool drained = false;  // nothing is on it any more
  };
  std::vector<LeavingNode> Leaving() const;
  // Somebody else has decided how many there shall be, and sees to it: nobody is asked to leave.
  void SetWanted(const Wanted& wanted);
  // A drained one may stop although nobody ends it.
  void Release(NodeId node);
  // Something about processes, for the events of the status.
  void Tell(const std::string& what) { Note(what, google::GLOG_WARNING); }

  // What people see of the job and ask of it (cluster_status.cc). Between messages, in the machine's
  // thread; Status is cheap enough for a few calls a second.
  ClusterStatus Status(MonotonicTime now) const;
  void OnCommand(const ClusterCommand& command, MonotonicTime now, const CommandReply& reply);

  // Unavailable: a node was away too long (exit 75). ResourceExhausted: no worker was left that had the
  // GPU which it needs. DataLoss: too many bad rows, or a worker could not read its data. Otherwise what a
  // worker reported.
  const absl::Status& status() const { return status_; }
  // Stopped before its last pass was done; the weights were exported all the same.
  bool interrupted() const { return interrupted_; }
  std::uint32_t passes_done() const { return passes_done_; }
  const SlotMap& slots() const { return slots_; }

 private:
  enum class Phase { kGathering, kReturning, kImporting, kTraining, kExporting, kStopping, kFinished };
  struct WaitingWorker {  // for a lease
    Message request;
    MonotonicTime deadline;
  };

  void Take(const Address& from, Message message, MonotonicTime now, Outbox& outbox);
  void Step(MonotonicTime now, Outbox& outbox);
  void Stamp(std::size_t first, Outbox& outbox) const;  // every message carries the gen
  void OnHello(const Address& from, const wire::Hello& hello, MonotonicTime now, Outbox& outbox);
  void OnHeartbeat(const Address& from, const Message& message, MonotonicTime now, Outbox& outbox);
  void OnProgress(Member& member, const Message& message, MonotonicTime now, Outbox& outbox);

  // Servers (scheduler_servers.cc).
  bool stepped() const { return options_.plan.staleness() == 0; }
  SlotMap::Servers UsableServers() const;
  void OnInsync(const wire::Insync& insync);
  void RemoveServers(const std::set<NodeId>& dead);
  void RecoverLost(MonotonicTime now);
  void RollBackSlots(const SlotMap::Servers& servers, MonotonicTime now);
  // Makes the changes of slots a version, and tells everybody.
  void PublishSlots(Outbox& outbox);
  void UpdateRouting(Outbox& outbox);
  void SendConfig(const Member& member, std::uint64_t base, Outbox& outbox) const;
  void BeginImport();

  // Checkpoints (scheduler_checkpoints.cc).
  void KeepCheckpoints(MonotonicTime now, Outbox& outbox);
  checkpoint::Manifest CheckpointHead();
  std::vector<Checkpointer::Shard> Primaries() const;
  void OnCheckpointPart(const Member& member, const Message& message, MonotonicTime now);
  // Back to what a checkpoint says is done; null: to the start.
  void BeginFrom(const checkpoint::Manifest* manifest);
  absl::Status Resume();
  // Takes over what was counted and done; nothing where there is none.
  absl::Status GoOnFrom(const std::optional<checkpoint::Manifest>& progress);
  // The interrupted job's last checkpoint is there, or is not to be had.
  bool LastCheckpointOver(MonotonicTime now);

  // What outlives this machine (scheduler_restart.cc).
  using Record = std::pair<std::string, std::string>;
  absl::Status TryPersist(absl::Span<const Record> records);
  void Persist(absl::Span<const Record> records);
  Record JobRecord() const;
  Record MembersRecord() const;
  void PersistMembers();
  void PersistWanted();
  void PersistSlots();
  void ForgetStored();
  void KeepProgress(MonotonicTime now);
  std::vector<Record> ProgressRecords();
  void PersistProgress();
  void HandOver();
  absl::Status LoadStored();
  void Return(MonotonicTime now, Outbox& outbox);

  // Nodes that come and go while the job runs (scheduler_scaling.cc).
  absl::Status MayChangeNodes() const;
  absl::StatusOr<std::string> Scale(const ClusterCommand& command);
  absl::StatusOr<std::string> Drain(NodeId node);
  std::size_t Staying(wire::Role role) const;  // alive, and not asked to leave
  void OnLeave(Member& member);
  void LeaveNewest(wire::Role role, std::uint32_t wanted);
  void LeaveExcess(MonotonicTime now);
  void FollowPolicy(MonotonicTime now);
  void LetGo(Outbox& outbox);  // of workers that leave, and of servers that are rid of their slots

  // Lanes of a tuned job (scheduler_lanes.cc).
  void SetLanes(std::size_t changes);  // that hold from now on
  void PlanLook();                     // the next one of the pass
  void LookAtLanes(MonotonicTime now, Outbox& outbox);  // all before the ledger's stop is done
  std::size_t LaneChangesOf(const checkpoint::Manifest* manifest) const;
  void DescribeLanes(wire::Config* config) const;
  std::uint32_t LeadingLane() const;
  // The leader, or the next lane that has not gone astray in these margins of a batch: where rows are judged in order
  // the race sees a batch later than it comes, and one lane's end must not look like that of the job.
  std::size_t UsableLane(absl::Span<const float> margins) const;

  void BeginPass(std::uint32_t pass);
  void Gather(MonotonicTime now, Outbox& outbox);
  void Start(MonotonicTime now, Outbox& outbox);
  void Train(MonotonicTime now, Outbox& outbox);
  void EndPass();  // all chunks of the pass are done
  void BeginExport();
  void ExportLane(std::uint32_t lane);
  void AfterExport();
  void CheckMembers(MonotonicTime now);
  void CheckBadRows(bool at_end);
  void Stop(MonotonicTime now, Outbox& outbox);
  void Fail(absl::Status status);
  void Interrupt(MonotonicTime now, const std::string& why);
  // A change of state: logged once, and kept as an event for people.
  void Note(std::string text, int severity = 0 /* glog's: information */);
  const char* PhaseName() const;

  // Workers (scheduler_workers.cc).
  // Has not said yet that it has the GPU which the plan wants.
  bool LacksDevice(const Member& member) const {
    return member.role == wire::WORKER && options_.plan.device() == "cuda" && member.computes_on.empty();
  }
  std::size_t ReadyWorkers() const;  // alive, with all that they need
  void OnFailure(Member& member, const Message& message, Outbox& outbox);
  std::set<NodeId> WorkersToWaitFor() const;  // that are neither silent nor, as long as others are there, slow
  void FindSilentWorkers(MonotonicTime now);
  void FindSlowWorkers(MonotonicTime now);
  struct Grant {
    std::uint32_t chunk;
    std::uint64_t done_mask;
  };
  std::optional<Grant> Borrow(const Member& member, const std::set<std::uint32_t>& holding, MonotonicTime now);
  void OnLeaseRequest(Member& member, Message message, MonotonicTime now, Outbox& outbox);
  // False when there was nothing to grant.
  bool TryLease(Member& member, const Message& request, MonotonicTime now, Outbox& outbox);
  void AnswerWaiting(MonotonicTime now, Outbox& outbox);
  void CheckStall(MonotonicTime now);
  void CountBatch(const wire::Progress& progress, const wire::Progress::BatchStats& stats);
  std::uint64_t Entries();  // of all slots, as the servers' heartbeats say
  void CountRows(const wire::ChunkRows& rows);
  void TellDevices();  // to events: what workers compute on, when all have said so and it is news
  void SendLimit(const Member& member, Outbox& outbox);
  void TellWaiting(Outbox& outbox);  // limits of bounded staleness that have grown
  void SendRouting(const Member& member, Outbox& outbox) const;
  void SendDone(const Member& member, Outbox& outbox) const;
  SendToShard ShardSender(Outbox& outbox);

  const Options options_;
  JobEvents* const events_;
  Phase phase_ = Phase::kGathering;
  Membership membership_;
  ChunkLedger ledger_;
  StalenessBound bound_;
  WorkerPace pace_;
  MonotonicTime next_judgement_{0};  // of who is slow
  std::set<NodeId> silent_;  // workers, of late
  std::size_t lanes_;        // of a key, now
  std::size_t lane_changes_ = 0;          // of the coordinator's that hold
  std::size_t restore_lane_changes_ = 0;  // that what slots of this gen begin from has
  const bool all_wait_;      // for the slowest worker: by steps, or by the bound of staleness
  Wanted wanted_;
  std::optional<ScaleDecider> decider_;
  std::optional<Checkpointer> checkpointer_;  // none: the job writes no checkpoints
  std::uint64_t restore_from_ = 0;            // in this gen; 0: slots begin from nothing
  std::optional<checkpoint::Manifest> progress_;  // as an earlier scheduler stored it
  std::optional<std::uint64_t> stored_gen_;
  MonotonicTime next_progress_{0};  // when progress is stored again
  bool moves_wait_ = false;  // a slot that changes hands would be in nobody's part of a checkpoint
  MonotonicTime moves_wait_since_{0};
  MonotonicTime last_checkpoint_asked_{-1};   // of an interrupted job; negative: not yet
  MonotonicTime observed_since_{-1};  // for the policy; negative: not in training
  std::uint64_t rows_then_ = 0;
  MonotonicTime excess_since_{-1};  // more nodes than wanted; negative: there are none
  std::optional<RoutingTable> routing_;
  std::optional<WeightImporter> importer_;
  std::optional<WeightExporter> exporter_;
  std::uint32_t export_lane_ = 0, export_lanes_ = 1;  // that is handed over, of how many
  std::optional<WeightExporter> counter_;  // of entries, for a look at lanes
  std::uint64_t next_transfer_request_ = 1;
  SlotMap slots_;
  PassBooks books_;
  bool report_pending_ = false;  // the pass is over, OnPassEnd was not called
  bool exported_ = false;        // the weights as they are now
  std::uint32_t passes_done_ = 0;
  std::map<NodeId, WaitingWorker> waiting_;
  WorkerDevices devices_;  // as last told
  absl::Status device_failure_;  // of the last worker that ended of it, unless another has come since
  EventLog history_;
  std::uint64_t rows_learnt_ = 0;  // in all passes
  bool done_changed_ = false;  // since SendDone went to all shards
  bool changed_ = false;       // by a message: a phase may be over
  double copies_ = 1;          // of a slot, in the configuration of copies_epoch_
  std::uint64_t copies_epoch_ = 0;
  bool interrupted_ = false;
  MonotonicTime interrupted_at_{0};
  MonotonicTime phase_began_{-1};   // negative: at the next tick
  MonotonicTime workers_seen_{0};   // when a worker was last alive
  MonotonicTime slots_seen_{0};     // when every slot last had somebody
  MonotonicTime next_improve_{0};   // of the placement of slots
  MonotonicTime last_progress_{0};  // of training, import or export
  MonotonicTime next_stop_{0};
  MonotonicTime last_tick_{-1};  // negative: none yet
  absl::Status status_;
};

}  // namespace ps
