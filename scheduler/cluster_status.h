// What a person is shown of a running cluster: plain data, a copy of what the scheduler knew at one
// moment. Nothing in the product decides by it.
//
// Times are seconds; `silent_seconds` since a node was last heard, `age_seconds` since an event.
// All counts are totals since the job began unless they say otherwise; whoever shows rates takes
// differences. What a job does not have (backups without replicas) is 0.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace ps {

struct ServerStatus {  // a shard of a server: what the scheduler calls a node
  std::uint32_t node = 0;
  std::string host, endpoint;
  std::uint32_t pid = 0;
  std::uint64_t incarnation = 0;
  bool alive = true;
  bool draining = false;
  double silent_seconds = 0;
  std::uint32_t primary_slots = 0;
  std::uint32_t backup_slots = 0;
  std::uint64_t entries = 0;
  std::uint64_t table_bytes = 0;
  std::uint64_t replication_lag = 0;  // pushes that its backups have not acknowledged
  std::uint64_t refused_frames = 0;
};

struct WorkerStatus {
  std::uint32_t node = 0;
  std::string host;
  std::uint32_t pid = 0;
  std::uint64_t incarnation = 0;
  bool alive = true;
  bool draining = false;
  double silent_seconds = 0;
  std::uint32_t leases = 0;  // chunks it has now
  std::uint64_t rows = 0;    // learnt, by its own count
  std::uint64_t batches = 0;
};

struct ClusterEvent {
  double age_seconds = 0;
  std::string text;
};

struct ClusterStatus {
  std::string phase;       // gathering, importing, training, exporting, stopping, finished
  std::uint32_t pass = 1;  // counted from 1
  std::uint32_t passes = 1;
  std::uint32_t chunks_done = 0;  // of this pass
  std::uint32_t chunks = 0;
  std::uint64_t rows_learnt = 0;
  std::uint64_t bad_rows = 0;  // of this pass
  double logloss = 0;          // progressive, of this pass; NaN before its first row
  std::uint64_t gen = 0;
  std::uint64_t epoch = 0;  // 0: nodes are still to come
  std::uint32_t slots = 0;
  std::uint32_t replicas = 1;  // as the job asks
  std::uint32_t slots_under_replicated = 0;
  std::uint32_t slots_without_owner = 0;
  std::uint64_t checkpoints = 0;       // written since the job began
  double checkpoint_age_seconds = -1;  // of the last one; negative: there is none
  std::uint32_t servers_wanted = 0;
  std::uint32_t workers_wanted = 0;
  std::vector<ServerStatus> servers;
  std::vector<WorkerStatus> workers;
  std::vector<ClusterEvent> events;  // the latest last
};

}  // namespace ps
