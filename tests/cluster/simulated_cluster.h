// A whole job in the simulated network: scheduler, shards and workers over rows made from a seed,
// with crashes and restarts. Shared by the cluster's simulation tests. One thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "ps/server/shard_machine.h"
#include "scheduler/scheduler_machine.h"
#include "tests/wire/simulated_network.h"
#include "worker/logistic_model.h"
#include "worker/worker_machine.h"

namespace ps {

// The number in an environment variable, by which a run of seeds is chosen. Dies of what is none.
std::uint64_t FromEnvironment(const char* name, std::uint64_t otherwise);

// Rows of all chunks; chunk c is FileRange{0, c, c + 1}.
struct MadeData {
  std::vector<RowBlock> chunks;
  std::uint64_t rows = 0;

  static MadeData Make(std::uint64_t seed, std::uint32_t chunks, std::size_t most_rows,
                       std::uint64_t keys);
  // How often each key occurs; the intercept once a row.
  std::map<Key, double> Frequencies() const;
};

// Pushes 1 for every occurrence of a key, in every lane. With SGD and alpha -1 the weights are then the counts; with
// alpha -n, n times that.
class CountingModel : public GradientModel {
 public:
  // Adds the batches it computes to *computed.
  explicit CountingModel(std::uint64_t* computed) : computed_(computed) {}
  void Compute(Batch* batch, std::vector<float>* margins) const override;

 private:
  std::uint64_t* const computed_;
};

struct SimulatedJob {
  std::uint64_t seed = 1;
  int slot_bits = 5;
  int shards = 1;
  int workers = 1;
  int staleness = 0;
  std::uint32_t passes = 1;
  bool export_every_pass = false;
  std::uint32_t batch_rows = 4;
  std::uint32_t chunks_per_round = 3;
  std::uint32_t min_count = 1;
  bool count = true;               // CountingModel and SGD; otherwise logistic regression with FTRL
  int slow_workers = 0;            // of `workers`, the first ones: work takes them 20 times as long
  bool clocks = false;             // workers measure their work
  int kills = 0;                   // of workers, at random times; each is replaced
  int missing_shards = 0;          // of `shards`, never started
  MonotonicTime kill_shard_at{0};  // not zero: the last shard crashes
  bool stop_at_rollback = false;   // the job is asked to stop when there has been one
  int replicas = 1;
  bool ack_primary = false;
  int shard_kills = 0;             // at random times; each is replaced but for the last `gone`
  int gone = 0;
  int total_losses = 0;            // all shards at once; they are replaced
  int drains = 0;                  // shards that are asked to leave
  bool replaces_ended = false;     // workers that end by themselves are replaced
  int scalings = 0;                // commands that nodes come or go, which are then started
  MonotonicTime faults_end{0};     // not zero: from then on the network is kind
  MonotonicTime kills_within = std::chrono::milliseconds(600);
  MonotonicTime dead_after = std::chrono::seconds(25);
  MonotonicTime heartbeat = std::chrono::milliseconds(500);
  int silent_beats = 4;
  int unreadable_chunk = -1;
  NetworkFaults faults;
  MonotonicTime lease_limit = std::chrono::seconds(20);
  bool tiny_key_cache = false;  // shards keep hardly any key list
  MonotonicTime stall_limit = std::chrono::minutes(10);
  MonotonicTime most_time = std::chrono::hours(4);  // of the virtual clock
  MonotonicTime checkpoint_every{0};  // zero: the job writes none
  int scheduler_kills = 0;  // at random times; another takes its place and its address
  int restarts = 0;  // the whole job is killed, and another, of other nodes, goes on from what is stored
  std::vector<OptimizerParams> settings;  // of lanes of logistic regression
  std::string device;  // of workers that learn
  int lanes = 1;  // of a job that counts, at first; at random chunks some of them go on, in any order, until one is left
  MonotonicTime look_at{0};  // not zero: when SimulatedResult::computed is taken
};

struct SimulatedResult : JobEvents {
  absl::Status status;
  std::vector<Key> keys;  // of the last export
  std::vector<float> weights;
  std::vector<PassCounts> passes;
  std::uint64_t rows_told = 0;  // by OnLearnt, each once whatever is done again
  std::uint64_t entries_told = 0;  // by the last of them
  bool started = false;
  std::map<Address, std::uint64_t> computed;  // batches by worker, where the job counts
  std::string broken;  // not empty: what a checker saw, e.g. two primaries of a slot and term
  int rollbacks = 0;
  int scaled = 0;   // commands that were carried out
  int joined = 0;   // nodes that were started for them, or in place of others
  MonotonicTime ended{0};   // of the virtual clock
  std::uint64_t epoch = 0;  // versions of the configuration that there were
  std::uint64_t checkpoints = 0;
  std::vector<WorkerDevices> devices;  // as they were told
  std::vector<absl::Status> worker_errors;  // of those that ended by themselves before the scheduler did
  int schedulers = 0;  // that went on with the nodes of another
  int resumed = 0;  // jobs that went on from a checkpoint
  // Of a job with lanes: where they change, as its coordinator would have it (LaneRace).
  bool stepped = false;
  int lanes = 1;
  std::uint64_t lanes_seed = 0;
  std::uint32_t chunks = 0, round_chunks = 1;
  std::vector<LaneChange> changes;
  std::vector<std::pair<std::uint32_t, std::uint32_t>> changed_at;

  // The scheduler's process is another from here on: what it does not resume is forgotten.
  virtual void ForgetAll() { rows_told = 0; }
  // A job that this is to watch, the first or one that goes on.
  void Begin(const SimulatedJob& job, const MadeData& data);
  void OnStarted() override { started = true; }
  void OnDevices(const WorkerDevices& now) override { devices.push_back(now); }
  void OnLearnt(const LearntRows& rows) override {
    rows_told += rows.labels.size();
    entries_told = rows.entries;
  }
  bool OnPassEnd(const PassReport& report) override;
  void OnWeights(std::uint32_t lane, absl::Span<const Key> k, absl::Span<const float> w) override;
  void OnRollback() override {
    ++rollbacks;
    keys.clear();
    weights.clear();
  }
  absl::Status OnResume(const std::string& state, const PassReport& report) override;
  std::string SaveState() override {
    return std::to_string(passes.size()) + " " + std::to_string(changes.size()) + " " + std::to_string(rows_told);
  }
  std::uint32_t LeadingLane() override { return (lanes_seed + changes.size()) % NowLanes().size(); }
  std::uint32_t NextLook(std::uint32_t pass, std::uint32_t chunk) override;
  std::size_t OnLook(std::uint32_t pass, std::uint32_t chunk, std::uint64_t entries) override;
  const std::vector<LaneChange>& LaneChanges() override { return changes; }
  std::vector<OptimizerParams> NowLanes() const;
};

// Lane k of a job that counts: each occurrence as k + 1.
std::vector<OptimizerParams> CountingLanes(int lanes);
void AddLanes(const std::vector<OptimizerParams>& lanes, wire::Plan* plan);

// The same with the coordinator's part by somebody else; `result` is filled.
void RunSimulatedJob(const SimulatedJob& job, const MadeData& data, SimulatedResult* result);

// Runs the job to its end; status is DeadlineExceeded when it hangs (in virtual time).
SimulatedResult RunSimulatedJob(const SimulatedJob& job, const MadeData& data);

}  // namespace ps
