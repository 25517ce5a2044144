// Trains on a cluster of servers and workers, as the coordinator sees it: progress, evaluation on held-out rows
// with the weights that the servers hand over, early stopping.
//
// Weights go through a candidate bundle on disk beside the output, so that the coordinator never holds a model in
// memory. Threads: Train is called once; `stop` may be set from anywhere.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "trainer/cluster/cluster_run.h"
#include "trainer/prepared_job.h"
#include "trainer/progress/progress_reporter.h"
#include "trainer/race_trainer.h"

namespace ps {

class ClusterTrainer : public RaceTrainer {
 public:
  enum class Nodes { kThreads, kProcesses, kJoining };
  static const char* NodesName(Nodes nodes);

  struct Options {
    Nodes nodes = Nodes::kThreads;
    ClusterShape shape;
    std::string listen;  // tcp://HOST:PORT, where kJoining waits for nodes
    std::string deployments;  // see JoinedClusterOptions
    std::function<void(SchedulerMachine&, MonotonicTime)> on_tick;  // see ClusterCallbacks
  };
  // All pointers must outlive the trainer.
  ClusterTrainer(const PreparedJob* job, Options options, ProgressReporter* reporter,
                 const std::atomic<bool>* stop);
  ~ClusterTrainer() override;

  // Not what cluster.state has: that is another scheduler's while it is at work.
  absl::Status Check() override;
  absl::StatusOr<JobResult> Train() override;
  absl::Status Export(BundleWriter* writer, BundleInfo* info) override;
  absl::Status AfterExport() override;  // checkpoints are removed
  const TuningTrace& trace() const override;

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

}  // namespace ps
