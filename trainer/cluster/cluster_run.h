// Runs a job on a cluster and blocks until it has ended: as threads of this process, as ps_server
// and ps_worker processes that are started and ended here, or on nodes that come by themselves. The
// scheduler runs in the calling thread, and so do all calls of `events`.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "trainer/cluster/cluster_plan.h"

namespace ps {

struct ClusterShape {
  int servers = 1;  // with one shard each; where nodes come by themselves, shards
  int workers = 1;
};

struct ClusterResult {
  std::uint32_t passes_done = 0;
  bool interrupted = false;  // stopped on request before the last pass was done
};

// How a coordinator takes part; the pass reports and the weights come through `events` (not owned).
struct ClusterCallbacks {
  JobEvents* events = nullptr;
  std::function<bool()> stop_requested;  // polled; may be empty
  std::function<bool()> hand_over;       // likewise, of nodes that come by themselves; needs cluster.state
  // Before the first event and before there is a node: how the job is parted, and what it goes on from. An error ends it.
  std::function<absl::Status(const SchedulerMachine::Options& plan)> on_plan;
  // After every tick of the scheduler, in its thread: to look at it, and to hand it commands.
  std::function<void(SchedulerMachine& scheduler, MonotonicTime now)> on_tick;
};

// Unavailable: a node died or did not come (exit 75); the message names it. DataLoss, NotFound: the
// data.
absl::StatusOr<ClusterResult> RunEmbeddedCluster(const ClusterJob& job, ClusterShape shape,
                                                 const ClusterCallbacks& callbacks);

struct LocalClusterOptions {
  std::string program_dir;  // of ps_server and ps_worker; empty: this program's
  // Long: nodes end with this process anyway, and its events (an evaluation) may keep it silent.
  MonotonicTime node_silence_limit = std::chrono::minutes(30);
  MonotonicTime dead_after{0};  // not zero: instead of what the job says
  // Processes started again in place of those that ended otherwise than they were told to. One that
  // ends before it has ever been welcomed counts as a failure to start.
  int most_restarts = 100;
};
absl::StatusOr<ClusterResult> RunLocalCluster(const ClusterJob& job, ClusterShape shape,
                                              const ClusterCallbacks& callbacks,
                                              const LocalClusterOptions& options = {});

// Waits at `listen` (tcp://HOST:PORT) for as many shards and workers as `shape` says; more workers
// may come at any time, and one that went away may come again.
struct JoinedClusterOptions {
  std::string listen;
  MonotonicTime gather_limit = std::chrono::minutes(10);
  // Not empty: this is a pod, and the nodes are those of the Deployments NAME-server and
  // NAME-worker, whose number follows what the scheduler wants (pod_scaler.h).
  std::string deployments;
};
absl::StatusOr<ClusterResult> RunJoinedCluster(const ClusterJob& job, ClusterShape shape,
                                               const ClusterCallbacks& callbacks,
                                               const JoinedClusterOptions& options);

}  // namespace ps
