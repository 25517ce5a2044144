// Trains gradient-boosted trees in this process, on all its threads, or on a cluster. The model's
// bytes depend on the job, its data and the seed only, not on the number of threads, workers or
// servers.
//
// Train is called once; `stop` may be set from anywhere: the tree under way is finished, and the
// model is the trees so far.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>

#include "trainer/gbdt/cluster_trees.h"
#include "trainer/gbdt/distribution.h"
#include "trainer/prepared_job.h"
#include "trainer/progress/progress_reporter.h"
#include "trainer/trainer.h"

namespace ps {

class GbdtTrainer : public Trainer {
 public:
  // `cluster`: on servers and workers instead; the same bytes.
  GbdtTrainer(const PreparedJob* job, std::optional<TreeClusterOptions> cluster,
              ProgressReporter* reporter, const std::atomic<bool>* stop);
  ~GbdtTrainer() override;

  // Not what cluster.state has: that is another scheduler's while it is at work.
  absl::Status Check() override;
  absl::StatusOr<JobResult> Train() override;
  absl::Status Export(BundleWriter* writer, BundleInfo* info) override;
  absl::Status AfterExport() override;  // trees that were kept to go on from are removed

 private:
  class Run;
  std::unique_ptr<Run> run_;
};

// OneLabelWarning of trees.
std::string OneLabelOfTrees(const GbdtConfig& gbdt, bool seen_all);

// As CheckHeldOutFiles, of the files that trees shall be judged by.
absl::Status CheckHeldOutOfTrees(const PreparedJob& job);

enum class TreesPlanOf {
  kNeeds,   // what a job is refused by before it reads its rows
  kDryRun,  // and what a person is told: malformed rows, and whether the job ends at the front of its data
};
// What a job of trees will need, for --dry_run and for refusing early. Reads the first rows only.
struct TreesPlan {
  double rows = 0, columns = 0, values = 0;  // estimates; columns of libsvm text are those of the first rows
  double classes = 1;  // of softmax: as declared, or those of the first rows
  bool sparse = false;
  double text_bytes = 0;
  std::string bad_rows;  // dry run: of the first ones, for a person; empty: none
  std::string one_label;  // a warning, where all that were seen have the same
  // Dry run: InvalidArgument: in one process, where rows are judged in the order of the data, the job ends at their front.
  absl::Status front;
  std::uint64_t memory_bytes = 0, memory_limit = 0;
  std::optional<DistributionChoice> distribution;  // on a cluster
};
absl::StatusOr<TreesPlan> PlanTrees(const PreparedJob& job,
                                    const std::optional<TreeClusterOptions>& cluster, TreesPlanOf of);
std::string DescribeTreesPlan(const PreparedJob& job, const TreesPlan& plan);
// ResourceExhausted when it cannot fit.
absl::Status CheckTreesPlan(const TreesPlan& plan);

// What the costs of either distribution depend on, as far as the plan knows.
DistributionShape ShapeOf(const PreparedJob& job, const TreesPlan& plan,
                          const TreeClusterOptions& cluster);
// That a worker may use; 0: not known.
std::uint64_t WorkerMemory(const TreesPlan& plan, const TreeClusterOptions& cluster);

}  // namespace ps
