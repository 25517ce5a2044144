#include "trainer/control/status_text.h"
#include "trainer/progress/json_log.h"

namespace ps {
namespace {

JsonObject ServerJson(const ServerStatus& server) {
  JsonObject json;
  json.Add("node", std::uint64_t{server.node})
      .Add("host", server.host)
      .Add("endpoint", server.endpoint)
      .Add("pid", std::uint64_t{server.pid})
      .Add("incarnation", std::to_string(server.incarnation))  // JSON readers round above 2^53
      .Add("alive", server.alive)
      .Add("draining", server.draining)
      .Add("silent_seconds", server.silent_seconds)
      .Add("primary_slots", std::uint64_t{server.primary_slots})
      .Add("backup_slots", std::uint64_t{server.backup_slots})
      .Add("entries", server.entries)
      .Add("table_bytes", server.table_bytes)
      .Add("replication_lag", server.replication_lag)
      .Add("refused_frames", server.refused_frames);
  return json;
}

JsonObject WorkerJson(const WorkerStatus& worker, double rows_per_second) {
  JsonObject json;
  json.Add("node", std::uint64_t{worker.node})
      .Add("host", worker.host)
      .Add("pid", std::uint64_t{worker.pid})
      .Add("incarnation", std::to_string(worker.incarnation))
      .Add("alive", worker.alive)
      .Add("draining", worker.draining)
      .Add("silent_seconds", worker.silent_seconds)
      .Add("leases", std::uint64_t{worker.leases})
      .Add("rows", worker.rows)
      .Add("batches", worker.batches)
      .Add("rows_per_second", rows_per_second);
  return json;
}

JsonObject ClusterJson(const JobStatus& status) {
  const ClusterStatus& cluster = *status.cluster;
  std::vector<JsonObject> servers, workers, events;
  for (const ServerStatus& server : cluster.servers) servers.push_back(ServerJson(server));
  for (const WorkerStatus& worker : cluster.workers) {
    const auto rate = status.worker_rows_per_second.find(worker.node);
    workers.push_back(
        WorkerJson(worker, rate == status.worker_rows_per_second.end() ? 0 : rate->second));
  }
  const double now = status.start_time + status.elapsed_seconds;
  for (const ClusterEvent& event : cluster.events) {
    events.push_back(JsonObject().Add("time", now - event.age_seconds).Add("text", event.text));
  }
  JsonObject json;
  json.Add("phase", cluster.phase)
      .Add("pass", std::uint64_t{cluster.pass})
      .Add("passes", std::uint64_t{cluster.passes})
      .Add("chunks_done", std::uint64_t{cluster.chunks_done})
      .Add("chunks", std::uint64_t{cluster.chunks})
      .Add("bad_rows", cluster.bad_rows)
      .Add("logloss", cluster.logloss)
      .Add("gen", cluster.gen)
      .Add("epoch", cluster.epoch)
      .Add("replicas", std::uint64_t{cluster.replicas})
      .Add("slots", std::uint64_t{cluster.slots})
      .Add("slots_under_replicated", std::uint64_t{cluster.slots_under_replicated})
      .Add("slots_without_owner", std::uint64_t{cluster.slots_without_owner})
      .Add("checkpoints", cluster.checkpoints)
      .Add("servers_wanted", std::uint64_t{cluster.servers_wanted})
      .Add("workers_wanted", std::uint64_t{cluster.workers_wanted});
  if (cluster.checkpoint_age_seconds >= 0) {
    json.Add("checkpoint_age_seconds", cluster.checkpoint_age_seconds);
  }
  return json.Add("servers", servers).Add("workers", workers).Add("events", events);
}

JsonObject ProgressJson(const ProgressLine& line) {
  JsonObject json;
  json.Add("pass", line.pass)
      .Add("passes", line.passes)
      .Add("rows", line.rows)
      .Add("logloss", line.logloss)
      .Add("valid_logloss", line.valid_logloss)
      .Add("valid_auc", line.valid_auc)
      .Add("valid_error", line.valid_error)
      .Add("rmse", line.rmse)
      .Add("valid_rmse", line.valid_rmse)
      .Add("features", line.features)
      .Add("resident_bytes", line.resident_bytes)
      .Add("fraction_read", line.fraction_read)
      .Add("eta_seconds", line.eta_seconds);
  return json;
}

}  // namespace

std::string StatusJson(const JobStatus& status) {
  JsonObject json;
  json.Add("job", status.job)
      .Add("mode", status.mode)
      .Add("state", StateName(status.state))
      .Add("start_time", status.start_time)
      .Add("elapsed_seconds", status.elapsed_seconds)
      .Add("rows_learnt", status.rows_learnt)
      .Add("rows_per_second", status.rows_per_second);
  if (status.progress.has_value()) json.Add("progress", ProgressJson(*status.progress));
  if (status.cluster.has_value()) json.Add("cluster", ClusterJson(status));
  return json.ToString();
}

}  // namespace ps
