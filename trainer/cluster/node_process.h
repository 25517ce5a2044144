// The processes of a cluster, as functions: what ps_server and ps_worker run once their flags are
// read. Each blocks until the scheduler says Stop, or has been silent for `silence_limit`.
#pragma once

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "ps/wire/machine.h"
#include "ps/wire/transport.h"
#include "worker/worker_machine.h"

namespace ps {

struct ServerNodeOptions {
  std::string scheduler;  // tcp://HOST:PORT
  int shards = 1;         // each has a thread and a socket of its own
  std::string bind =
      "tcp://127.0.0.1:0";      // with a port of its own choice, shards take it and the next
  std::string advertised_host;  // what workers are told where `bind` is a wildcard
  std::string curve_key_file;   // the job's; empty: connections are neither encrypted nor checked
  MonotonicTime silence_limit = std::chrono::minutes(5);
  // Once it is true the shards give their slots away; then this ends. May be null.
  const std::atomic<bool>* leave = nullptr;
};
absl::Status RunServerNode(const ServerNodeOptions& options);

struct WorkerNodeOptions {
  std::string scheduler;
  std::string bind = "tcp://127.0.0.1:0";
  std::string advertised_host;  // what other workers are told where `bind` is a wildcard
  std::string curve_key_file;
  MonotonicTime silence_limit = std::chrono::minutes(5);
  const std::atomic<bool>* leave = nullptr;  // once it is true: hands its chunks back and ends
};
absl::Status RunWorkerNode(const WorkerNodeOptions& options);

// Opens the plan's files and extractor: how every real worker gets its rows.
absl::StatusOr<std::unique_ptr<ChunkSource>> OpenPlannedData(const wire::Plan& plan);

// What a transport has carried and lost, at the end of a run: a warning where requests had to be
// repeated, else information.
void LogTraffic(const std::string& who, const Transport& transport, std::uint64_t repeated);

// A random number for a node's incarnation.
std::uint64_t NewIncarnation();

// For a node that nobody else looks after: from now on the first SIGTERM sets the flag that is
// returned, the second ends the process. Null where SIGTERM is ignored, as it is for the children of
// a coordinator, which stops them itself.
const std::atomic<bool>* LeaveAtSigterm();

// 0; 75 for a peer that was away too long; 3 for data; 5 where this machine is what fails: its GPU, its memory; 1
// otherwise.
int NodeExitCode(const absl::Status& status);

}  // namespace ps
