// What a job runs on, as the command line and the job say. Pure.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "trainer/cluster_trainer.h"
#include "trainer/gbdt/cluster_trees.h"
#include "trainer/prepared_job.h"

namespace ps {

// Of ps_train; empty where they are not given.
struct NodeFlags {
  std::string local;        // SERVERSxWORKERS
  std::string listen;       // tcp://HOST:PORT
  std::string deployments;  // NAME
};

// How the job runs: on processes where the command line or the job asks for a cluster; as a cluster of threads where
// the job asks for the cluster's synchronous steps; otherwise (nothing is returned) in this process. InvalidArgument: job and flags do not go
// together.
absl::StatusOr<std::optional<ClusterTrainer::Options>> ClusterOf(const PreparedJob& job,
                                                                  const NodeFlags& flags);

// What that is, for people: "embedded, 2 threads", "processes of this machine: 2 servers x 3 workers".
std::string DescribeNodes(const PreparedJob& job, const std::optional<ClusterTrainer::Options>& cluster);

// The same for trees.
std::optional<TreeClusterOptions> TreeNodesOf(const std::optional<ClusterTrainer::Options>& cluster);

}  // namespace ps
