#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "trainer/control/status_text.h"

namespace ps {
namespace {

constexpr std::size_t kEventsShown = 10;

// Columns as wide as their widest cell, two blanks apart, numbers to the right.
class Columns {
 public:
  explicit Columns(std::vector<std::string> header) { rows_.push_back(std::move(header)); }
  void Add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string ToString() const {
    std::vector<std::size_t> width(rows_[0].size());
    for (const auto& row : rows_) {
      for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
    }
    std::string text;
    for (const auto& row : rows_) {
      std::string line;
      for (std::size_t i = 0; i < row.size(); ++i) {
        const std::string pad(width[i] - row[i].size(), ' ');
        absl::StrAppend(&line, i == 0 ? "" : "  ", i < 2 ? row[i] : pad, i < 2 ? pad : row[i]);
      }
      line.erase(line.find_last_not_of(' ') + 1);
      absl::StrAppend(&text, line, "\n");
    }
    return text;
  }

 private:
  std::vector<std::vector<std::string>> rows_;
};

// Names come from nodes: nothing of them may move the terminal's cursor.
std::string Printable(const std::string& text) {
  std::string safe = text;
  for (char& c : safe) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  return safe;
}

std::string StateOf(bool alive, bool draining) {
  return !alive ? "gone" : draining ? "draining" : "up";
}

std::string Heard(double silent_seconds) {
  return silent_seconds < 0 ? "ended" : absl::StrFormat("%.1fs", silent_seconds);
}

std::string Loss(double loss) {
  return std::isfinite(loss) ? absl::StrFormat("%.5f", loss) : std::string("-");
}

std::string ServersTable(const ClusterStatus& cluster) {
  Columns table({"SERVER", "STATE", "SLOTS", "BACKUPS", "ENTRIES", "MEMORY", "LAG", "HEARD", "AT"});
  for (const ServerStatus& server : cluster.servers) {
    table.Add({absl::StrCat(server.node), StateOf(server.alive, server.draining),
               FormatCount(server.primary_slots), FormatCount(server.backup_slots),
               FormatCount(server.entries),
               FormatBytes(static_cast<std::int64_t>(server.table_bytes)),
               FormatCount(server.replication_lag), Heard(server.silent_seconds),
               Printable(absl::StrCat(server.host, " ", server.endpoint))});
  }
  return table.ToString();
}

std::string WorkersTable(const JobStatus& status) {
  Columns table({"WORKER", "STATE", "LEASES", "ROWS", "ROWS/S", "BATCHES", "HEARD", "AT"});
  for (const WorkerStatus& worker : status.cluster->workers) {
    const auto rate = status.worker_rows_per_second.find(worker.node);
    table.Add({absl::StrCat(worker.node), StateOf(worker.alive, worker.draining),
               FormatCount(worker.leases), FormatCount(worker.rows),
               FormatShort(rate == status.worker_rows_per_second.end() ? 0 : rate->second),
               FormatCount(worker.batches), Heard(worker.silent_seconds),
               Printable(absl::StrCat(worker.host, " pid ", worker.pid))});
  }
  return table.ToString();
}

std::string ClusterText(const JobStatus& status) {
  const ClusterStatus& cluster = *status.cluster;
  std::string text = absl::StrFormat(
      "phase %s, pass %d of %d, chunks %s of %s, log loss %s\n"
      "epoch %d, gen %d, %d copies of %s slots",
      cluster.phase, cluster.pass, cluster.passes, FormatCount(cluster.chunks_done),
      FormatCount(cluster.chunks), Loss(cluster.logloss), cluster.epoch, cluster.gen,
      cluster.replicas, FormatCount(cluster.slots));
  if (cluster.slots_under_replicated > 0) {
    absl::StrAppend(&text, ", ", FormatCount(cluster.slots_under_replicated), " UNDER-REPLICATED");
  }
  if (cluster.slots_without_owner > 0) {
    absl::StrAppend(&text, ", ", FormatCount(cluster.slots_without_owner), " WITHOUT A SERVER");
  }
  absl::StrAppend(&text, "\n");
  if (cluster.checkpoint_age_seconds >= 0) {
    absl::StrAppend(&text, FormatCount(cluster.checkpoints), " checkpoints, the last ",
                    FormatDuration(cluster.checkpoint_age_seconds), " ago\n");
  }
  if (!cluster.servers.empty()) absl::StrAppend(&text, "\n", ServersTable(cluster));
  if (!cluster.workers.empty()) absl::StrAppend(&text, "\n", WorkersTable(status));
  if (!cluster.events.empty()) absl::StrAppend(&text, "\nLAST EVENTS\n");
  const std::size_t count = cluster.events.size();
  for (std::size_t i = count - std::min(count, kEventsShown); i < count; ++i) {
    absl::StrAppendFormat(&text, "%8s ago  %s\n", FormatDuration(cluster.events[i].age_seconds),
                          Printable(cluster.events[i].text));
  }
  return text;
}

}  // namespace

std::string StatusTable(const JobStatus& status) {
  std::string text = absl::StrCat(
      "job ", Printable(status.job), " (", status.mode, "): ", StateName(status.state), " for ",
      FormatDuration(status.elapsed_seconds), ", ", FormatCount(status.rows_learnt),
      " rows learnt, ", FormatShort(status.rows_per_second), " rows/s\n");
  if (status.progress.has_value()) {
    const ProgressLine& line = *status.progress;
    if (!status.cluster.has_value()) {
      absl::StrAppend(&text, "pass ", line.pass, " of ", line.passes, ", ",
                      line.rmse ? absl::StrFormat("rmse %.5g", *line.rmse)
                                : absl::StrCat("log loss ", Loss(line.logloss.value_or(NAN))),
                      ", ", FormatCount(line.features), " features, ", FormatBytes(line.resident_bytes), " resident\n");
    }
    if (line.valid_logloss.has_value()) {
      absl::StrAppend(&text, "validation: log loss ", Loss(*line.valid_logloss), ", AUC ",
                      Loss(line.valid_auc.value_or(NAN)), "\n");
    } else if (line.valid_rmse.has_value()) {
      absl::StrAppendFormat(&text, "validation: rmse %.5g\n", *line.valid_rmse);
    }
  }
  if (status.cluster.has_value()) absl::StrAppend(&text, ClusterText(status));
  return text;
}

}  // namespace ps
