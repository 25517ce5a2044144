#include <cmath>
#include <vector>

#include "absl/strings/str_cat.h"
#include "ps/base/prometheus_text.h"
#include "trainer/control/status_text.h"

namespace ps {
namespace {

double AsDouble(std::uint64_t count) { return static_cast<double>(count); }

void AppendProgress(const ProgressLine& line, PrometheusText* out) {
  if (line.logloss.has_value()) {
    out->Gauge("ps_pass_logloss",
               "Log loss of this pass, predicted before learning, in nats a row.", *line.logloss);
  }
  if (line.valid_logloss.has_value()) {
    out->Gauge("ps_valid_logloss", "Log loss on the validation rows, in nats a row.",
               *line.valid_logloss);
  }
  if (line.valid_auc.has_value()) {
    out->Gauge("ps_valid_auc_ratio", "Area under the ROC curve on the validation rows.",
               *line.valid_auc);
  }
  if (line.rmse.has_value()) {
    out->Gauge("ps_train_rmse", "Root mean squared error of the trees so far on the training rows.", *line.rmse);
  }
  if (line.valid_rmse.has_value()) {
    out->Gauge("ps_valid_rmse", "Root mean squared error on the validation rows.", *line.valid_rmse);
  }
  if (line.valid_error.has_value()) {
    out->Gauge("ps_valid_error_ratio", "Validation rows whose likeliest class is another, of several classes.",
               *line.valid_error);
  }
}

void AppendJob(const JobStatus& status, PrometheusText* out) {
  out->Begin("ps_job_info", "gauge", "Always 1; its labels name the job.")
      .Sample(1, {{"job", status.job}, {"mode", status.mode}});
  out->Begin("ps_job_state", "gauge", "1 for the state that the job is in, 0 for the others.");
  for (const auto state :
       {JobStatus::State::kStarting, JobStatus::State::kTraining, JobStatus::State::kFinishing}) {
    out->Sample(state == status.state, {{"state", StateName(state)}});
  }
  out->Gauge("ps_job_start_time_seconds", "Start of the job, in Unix time.", status.start_time);
  out->Counter("ps_rows_learnt_total", "Rows learnt, each counted once.",
               AsDouble(status.rows_learnt));
  if (status.progress.has_value()) AppendProgress(*status.progress, out);
}

void AppendEmbedded(const ProgressLine& line, PrometheusText* out) {
  out->Gauge("ps_pass", "The running pass, counted from 1.", line.pass);
  out->Gauge("ps_passes", "Passes that the job asks for.", line.passes);
  out->Gauge("ps_features", "Distinct features in the model's table.", AsDouble(line.features));
  if (line.fraction_read.has_value()) {
    out->Gauge("ps_pass_progress_ratio", "Part of the pass's input that was read.",
               *line.fraction_read);
  }
}

void AppendCluster(const ClusterStatus& cluster, PrometheusText* out) {
  out->Begin("ps_cluster_phase", "gauge", "1 for the phase of the scheduler.")
      .Sample(1, {{"phase", cluster.phase}});
  out->Gauge("ps_pass", "The running pass, counted from 1.", cluster.pass);
  out->Gauge("ps_passes", "Passes that the job asks for.", cluster.passes);
  out->Gauge("ps_pass_progress_ratio", "Part of the pass's chunks that are done.",
             cluster.chunks > 0 ? double{1} * cluster.chunks_done / cluster.chunks : 0);
  out->Gauge("ps_pass_chunks", "Chunks of a pass.", cluster.chunks);
  out->Gauge("ps_pass_chunks_done", "Chunks of this pass that are done.", cluster.chunks_done);
  out->Gauge("ps_pass_bad_rows", "Malformed rows met in this pass.", AsDouble(cluster.bad_rows));
  out->Gauge("ps_generation", "Raised by every rollback.", AsDouble(cluster.gen));
  out->Gauge("ps_routing_epoch", "Version of the routing table; 0 before there is one.",
             AsDouble(cluster.epoch));
  out->Gauge("ps_replicas", "Copies of every slot that the job asks for.", cluster.replicas);
  out->Gauge("ps_slots", "Slots of the key space.", cluster.slots);
  out->Gauge("ps_slots_under_replicated", "Slots with fewer copies than asked for.",
             cluster.slots_under_replicated);
  out->Gauge("ps_slots_without_owner", "Slots that no living server answers for.",
             cluster.slots_without_owner);
  out->Counter("ps_checkpoints_total", "Checkpoints written.", AsDouble(cluster.checkpoints));
  if (cluster.checkpoint_age_seconds >= 0) {
    out->Gauge("ps_checkpoint_age_seconds", "Age of the last checkpoint.",
               cluster.checkpoint_age_seconds);
  }
  out->Gauge("ps_servers_wanted", "Servers that the job asks for.",
             cluster.servers_wanted);
  out->Gauge("ps_workers_wanted", "Workers that the job asks for.", cluster.workers_wanted);
}

template <typename Node, typename Value>
void AppendEach(const std::vector<Node>& nodes, const char* name, const char* type,
                const char* help, Value value, PrometheusText* out) {
  out->Begin(name, type, help);
  for (const Node& node : nodes) out->Sample(value(node), {{"node", absl::StrCat(node.node)}});
}

// A node that is gone keeps its `up` of 0; the rest of its figures would only look alive.
template <typename Node>
std::vector<Node> Living(const std::vector<Node>& nodes) {
  std::vector<Node> living;
  for (const Node& node : nodes) {
    if (node.alive) living.push_back(node);
  }
  return living;
}

void AppendServers(const std::vector<ServerStatus>& all, PrometheusText* out) {
  out->Begin("ps_server_up", "gauge", "1 while the scheduler hears this server, 0 once it is gone.");
  for (const ServerStatus& server : all) {
    out->Sample(server.alive, {{"node", absl::StrCat(server.node)},
                               {"host", server.host},
                               {"endpoint", server.endpoint}});
  }
  const std::vector<ServerStatus> servers = Living(all);
  using S = ServerStatus;
  AppendEach(
      servers, "ps_server_draining", "gauge", "1 while its slots are moved away.",
      [](const S& s) { return s.draining; }, out);
  out->Begin("ps_server_slots", "gauge", "Slots it holds, as primary and as backup.");
  for (const S& server : servers) {
    const std::string node = absl::StrCat(server.node);
    out->Sample(server.primary_slots, {{"node", node}, {"role", "primary"}});
    out->Sample(server.backup_slots, {{"node", node}, {"role", "backup"}});
  }
  AppendEach(
      servers, "ps_server_entries", "gauge", "Features in its tables.",
      [](const S& s) { return AsDouble(s.entries); }, out);
  AppendEach(
      servers, "ps_server_table_bytes", "gauge", "Memory of its tables.",
      [](const S& s) { return AsDouble(s.table_bytes); }, out);
  AppendEach(
      servers, "ps_server_replication_lag_pushes", "gauge",
      "Pushes that its backups have not acknowledged.",
      [](const S& s) { return AsDouble(s.replication_lag); }, out);
  AppendEach(
      servers, "ps_server_refused_frames_total", "counter", "Malformed frames that it refused.",
      [](const S& s) { return AsDouble(s.refused_frames); }, out);
  AppendEach(
      servers, "ps_server_silent_seconds", "gauge", "Time since it was last heard.",
      [](const S& s) { return std::max(0.0, s.silent_seconds); }, out);
}

void AppendWorkers(const std::vector<WorkerStatus>& all, PrometheusText* out) {
  out->Begin("ps_worker_up", "gauge",
             "1 while the scheduler hears this worker, 0 once it is gone.");
  for (const WorkerStatus& worker : all) {
    out->Sample(worker.alive, {{"node", absl::StrCat(worker.node)}, {"host", worker.host}});
  }
  const std::vector<WorkerStatus> workers = Living(all);
  using W = WorkerStatus;
  AppendEach(
      workers, "ps_worker_leases", "gauge", "Chunks leased to it.",
      [](const W& w) { return w.leases; }, out);
  AppendEach(
      workers, "ps_worker_rows_total", "counter",
      "Rows it has learnt, by its own count: work done twice counts twice.",
      [](const W& w) { return AsDouble(w.rows); }, out);
  AppendEach(
      workers, "ps_worker_batches_total", "counter", "Batches it has landed.",
      [](const W& w) { return AsDouble(w.batches); }, out);
  AppendEach(
      workers, "ps_worker_silent_seconds", "gauge", "Time since it was last heard.",
      [](const W& w) { return std::max(0.0, w.silent_seconds); }, out);
}

}  // namespace

std::string JobMetrics(const JobStatus& status) {
  PrometheusText out;
  AppendJob(status, &out);
  if (status.cluster.has_value()) {
    AppendCluster(*status.cluster, &out);
    AppendServers(status.cluster->servers, &out);
    AppendWorkers(status.cluster->workers, &out);
  } else if (status.progress.has_value()) {
    AppendEmbedded(*status.progress, &out);
  }
  AppendProcessMetrics(&out);
  return out.text();
}

}  // namespace ps
