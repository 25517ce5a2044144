#include "trainer/node_choice.h"

#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "ps/base/status_macros.h"

namespace ps {
namespace {

// "2x3": two servers, three workers.
absl::StatusOr<ClusterShape> ParseShape(const std::string& text) {
  const std::vector<std::string> parts = absl::StrSplit(text, 'x');
  ClusterShape shape;
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &shape.servers) ||
      !absl::SimpleAtoi(parts[1], &shape.workers) || shape.servers < 1 || shape.workers < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("--local=", text, ": expected SERVERSxWORKERS, for example 2x3"));
  }
  return shape;
}

}  // namespace

absl::StatusOr<std::optional<ClusterTrainer::Options>> ClusterOf(const PreparedJob& job,
                                                                  const NodeFlags& flags) {
  using Nodes = ClusterTrainer::Nodes;
  const ClusterConfig& cluster = job.config.cluster;
  const ClusterShape declared{cluster.servers, cluster.workers};
  if (job.config.tune && (!flags.local.empty() || !flags.listen.empty())) {
    return absl::InvalidArgumentError(
        "tune trains in one process in this version: remove --local and --listen, or use the tuned_job.yaml that it "
        "leaves on the cluster");
  }
  if (job.config.model.gbdt.refit && !(flags.local.empty() && flags.listen.empty())) {
    return absl::InvalidArgumentError(
        "model.gbdt.refit is for one process in this version: remove --local and --listen");
  }
  if (job.config.model.optimizer.type == OptimizerType::kNewtonCg && !(flags.local.empty() && flags.listen.empty())) {
    return absl::InvalidArgumentError(
        "model.optimizer.type: newton_cg is for one process: remove --local and --listen, or set ftrl");
  }
  if (!cluster.state.empty() && (flags.listen.empty() || !flags.local.empty())) {
    return absl::InvalidArgumentError(
        "cluster.state is for nodes that outlive ps_train: give --listen, and start servers and workers by themselves");
  }
  const bool starts_processes = !flags.local.empty() || (flags.listen.empty() && cluster.servers > 0);
  if (!flags.deployments.empty() && (flags.listen.empty() || job.config.model.type == "gbdt")) {
    return absl::InvalidArgumentError("--deployments is for nodes that come by themselves (--listen), not for trees");
  }
  if (cluster.scale && !starts_processes && flags.deployments.empty()) {
    return absl::InvalidArgumentError(
        "cluster.scale is for processes that ps_train starts itself, or for pods: give --local or cluster.servers without "
        "--listen, or --deployments");
  }
  const bool trees = job.config.model.type == "gbdt";
  if (!trees && !job.config.checkpoint.dir.empty() && flags.local.empty() && cluster.servers == 0) {
    return absl::InvalidArgumentError(
        "checkpoint is for a cluster: give cluster.servers and cluster.workers, or --local, or remove the section");
  }
  if (!flags.local.empty()) {
    PS_ASSIGN_OR_RETURN(const ClusterShape shape, ParseShape(flags.local));
    return ClusterTrainer::Options{.nodes = Nodes::kProcesses, .shape = shape};
  }
  if (!flags.listen.empty()) {
    if (cluster.servers < 1) {
      return absl::InvalidArgumentError(
          "--listen: the job must say how many nodes to wait for: cluster.servers and cluster.workers");
    }
    return ClusterTrainer::Options{.nodes = Nodes::kJoining, .shape = declared, .listen = flags.listen,
                                   .deployments = flags.deployments};
  }
  if (cluster.servers > 0) return ClusterTrainer::Options{.nodes = Nodes::kProcesses, .shape = declared};
  if (job.config.train.staleness == 0 && job.config.model.type != "gbdt") {
    return ClusterTrainer::Options{.nodes = Nodes::kThreads, .shape = {1, job.threads}};
  }
  return std::nullopt;
}

std::string DescribeNodes(const PreparedJob& job, const std::optional<ClusterTrainer::Options>& cluster) {
  using Nodes = ClusterTrainer::Nodes;
  const auto count = [](int number, const char* of) { return absl::StrCat(number, " ", of, number == 1 ? "" : "s"); };
  const std::string threads = count(job.threads, "thread");
  if (!cluster) return absl::StrCat("embedded, ", threads);
  if (cluster->nodes == Nodes::kThreads) return absl::StrCat("embedded, in steps (train.staleness: 0), ", threads);
  const std::string shape =
      absl::StrCat(count(cluster->shape.servers, "server"), " x ", count(cluster->shape.workers, "worker"));
  if (cluster->nodes == Nodes::kProcesses) return absl::StrCat("processes of this machine: ", shape);
  return absl::StrCat("processes that come to ", cluster->listen, ": ", shape);
}

std::optional<TreeClusterOptions> TreeNodesOf(const std::optional<ClusterTrainer::Options>& cluster) {
  if (!cluster) return std::nullopt;
  return TreeClusterOptions{cluster->shape, cluster->listen};
}

}  // namespace ps
